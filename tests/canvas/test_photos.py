"""Photos come into Load Photos by dropping, choosing and pasting, in the real browser and both ways of drawing."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import pytest

from portrait_studio.runner.demo.studio import example_photos

from .chromium import Canvas, on_canvas
from .opening import opened

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

# Files as a person's file manager hands them over.
GIVE = """(async (how, given, times) => {
  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  for (let turn = 0; turn < times; turn++)
    for (const [name, type, data] of given)
      transfer.items.add(new File([bytes(data)], times > 1 ? `${turn}-${name}` : name, {type}));
  const node = app.graph.nodes.find(one => one.type === "PortraitLoadPhotos");
  const box = node.widgets.find(one => one.name === "portrait_studio_photos").element;
  const falls = {dataTransfer: transfer, bubbles: true, cancelable: true};
  if (how === "drop") box.dispatchEvent(new DragEvent("drop", falls));
  if (how === "beside") await node.onDragDrop(new DragEvent("drop", {dataTransfer: transfer}));
  if (how === "button") {
    const input = box.querySelector("input[type=file]");
    input.files = transfer.files;
    input.dispatchEvent(new Event("change"));
  }
  if (how === "paste") {
    app.canvas.selectNode(node);
    document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true}));
  }
})(%s, %s, %s)"""
STATE = """(() => {
  const node = app.graph.nodes.find(one => one.type === "PortraitLoadPhotos");
  const box = node.widgets.find(one => one.name === "portrait_studio_photos").element;
  const value = name => node.widgets.find(one => one.name === name).value;
  const tiles = [...box.querySelectorAll(".portrait-studio-photo")];
  return JSON.stringify({
    folder: value("folder"), files: value("files").split("\\n").filter(Boolean),
    line: box.querySelector(".portrait-studio-photos-line").textContent,
    tiles: tiles.map(one => [one.dataset.verdict, one.title]),
    pictures: tiles.filter(one => one.querySelector("img").naturalWidth > 0).length,
    nodes: app.graph.nodes.length,
  });
})()"""


@pytest.fixture(scope="module", params=[False, True], ids=["LiteGraph", "Nodes 2.0"])
def canvas(host, request) -> Iterator[Canvas]:
    with on_canvas(host.url, "no photo was dropped") as opened_canvas:
        opened_canvas.size(1600, 1000)
        opened_canvas.evaluate(
            f"app.extensionManager.setting.set('Comfy.VueNodes.Enabled', {json.dumps(request.param)})"
        )
        yield opened_canvas
        opened_canvas.evaluate("app.extensionManager.setting.set('Comfy.VueNodes.Enabled', false)")


def photo(number: int) -> list[str]:
    path = example_photos("nora")[number]
    return [path.name, "image/jpeg", base64.b64encode(path.read_bytes()).decode()]


NOTES = ["notes.jpg", "image/jpeg", base64.b64encode(b"no picture at all").decode()]
PAGE = ["page.html", "text/html", base64.b64encode(b"<script>").decode()]


def near(canvas: Canvas) -> None:
    """Come close to Load Photos: far out LiteGraph leaves widgets away, and their pictures are not loaded."""
    canvas.evaluate(
        """(() => {
          app.canvas.ds.scale = 1;
          app.canvas.centerOnNode(app.graph.nodes.find(one => one.type === "PortraitLoadPhotos"));
          app.canvas.setDirty(true, true);
        })()"""
    )


def give(canvas: Canvas, how: str, files: list[list[str]], times: int = 1) -> None:
    canvas.evaluate(GIVE % (json.dumps(how), json.dumps(files), times))


def state(canvas: Canvas, wanted=lambda found: True, seconds: float = 60.0) -> dict:
    """Return what the node holds and shows, once that is as `wanted`."""
    end = time.monotonic() + seconds
    while not wanted(found := json.loads(canvas.evaluate(STATE))):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("how", ["drop", "beside", "button", "paste"])
def test_photos_that_are_given_take_the_place_of_the_examples_and_are_shown(canvas, how):
    nodes = len(opened(canvas, "photo-report")["saved"]["nodes"])
    near(canvas)
    give(canvas, how, [photo(0), photo(1)])
    found = state(canvas, lambda one: one["pictures"] == 2)
    assert [name.partition("/")[0] for name in found["files"]] == ["portrait-photos"] * 2
    assert (found["folder"], found["line"], found["nodes"]) == ("", "2 photos", nodes)


def test_what_is_no_photo_is_named_and_left_out(canvas):
    opened(canvas, "photo-report")
    give(canvas, "drop", [NOTES, photo(0), PAGE])
    found = state(canvas, lambda one: one["line"].startswith("No photo"))
    assert found["line"] == "No photo: notes.jpg, page.html"
    assert [name.rpartition("/")[2] for name in found["files"]] == [photo(0)[0]]


def test_of_a_drop_without_any_photo_nothing_is_taken_and_the_examples_stay(canvas):
    opened(canvas, "photo-report")
    give(canvas, "drop", [NOTES])
    found = state(canvas, lambda one: one["line"] == "No photo: notes.jpg")
    assert (found["files"], found["folder"]) == ([], "examples/nora")


def test_two_hundred_and_ten_photos_at_once_are_two_hundred_and_a_sentence(canvas):
    opened(canvas, "photo-report")
    give(canvas, "drop", [photo(0)], times=210)
    found = state(canvas, lambda one: "200 photos" in one["line"], 120)
    assert len(found["files"]) == 200
    assert found["line"] == "Not more than 200 photos; the others were left out"
    assert len(found["tiles"]) < 50


def test_the_verdict_of_the_report_is_on_every_photo(canvas):
    opened(canvas, "photo-report")
    give(canvas, "drop", [photo(number) for number in range(12)])
    state(canvas, lambda one: len(one["files"]) == 12)
    canvas.evaluate("app.queuePrompt(0)")
    found = state(canvas, lambda one: any(verdict for verdict, _ in one["tiles"]), 120)
    verdicts = [verdict for verdict, _ in found["tiles"]]
    assert (verdicts.count("held out"), verdicts.count("rejected")) == (2, 1)
    assert next(title for verdict, title in found["tiles"] if verdict == "rejected").startswith(
        "nora-11.jpg: face blurred"
    )


def test_a_photo_goes_by_a_click_and_a_saved_graph_brings_the_others_back(canvas):
    opened(canvas, "photo-report")
    near(canvas)
    give(canvas, "drop", [photo(0), photo(1)])
    state(canvas, lambda one: one["pictures"] == 2)
    canvas.evaluate("document.querySelector('.portrait-studio-photo').click()")
    (kept,) = state(canvas, lambda one: len(one["tiles"]) == 1)["files"]
    canvas.evaluate("app.loadGraphData(JSON.parse(JSON.stringify(app.graph.serialize())), true, false)")
    near(canvas)
    found = state(canvas, lambda one: one["pictures"] == 1)
    assert found["files"] == [kept]
