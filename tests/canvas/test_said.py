"""What our nodes say appears on them in the real browser, in both ways that ComfyUI draws nodes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from .chromium import Canvas, on_canvas
from .opening import opened

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

# What the node of a class says, as a person reads it; null while it says nothing.
SAID = """(kind => {
  const node = app.graph.nodes.find(one => one.type === kind);
  const widget = node.widgets.find(one => one.name === "portrait_studio_said");
  return widget ? widget.element.innerText : null;
})(%s)"""
# Far out, LiteGraph leaves widgets away.
SHOWN = """(async kind => {
  const node = app.graph.nodes.find(one => one.type === kind);
  app.canvas.ds.scale = 1;
  app.canvas.centerOnNode(node);
  app.canvas.setDirty(true, true);
  await new Promise(done => setTimeout(done, 600));
  const box = node.widgets.find(one => one.name === "portrait_studio_said")?.element;
  return !!box && box.isConnected && box.getBoundingClientRect().height > 10;
})(%s)"""


@pytest.fixture(scope="module", params=[False, True], ids=["LiteGraph", "Nodes 2.0"])
def canvas(host, request) -> Iterator[Canvas]:
    with on_canvas(host.url, "nothing was read off a node") as opened_canvas:
        opened_canvas.size(1600, 1000)
        opened_canvas.evaluate(
            f"app.extensionManager.setting.set('Comfy.VueNodes.Enabled', {json.dumps(request.param)})"
        )
        yield opened_canvas
        opened_canvas.evaluate("app.extensionManager.setting.set('Comfy.VueNodes.Enabled', false)")


def put(canvas: Canvas, kind: str, **values: object) -> None:
    """Set widgets of the node of a class."""
    canvas.evaluate(
        f"""(values => {{
          const node = app.graph.nodes.find(one => one.type === {json.dumps(kind)});
          for (const [name, value] of Object.entries(values)) node.widgets.find(one => one.name === name).value = value;
        }})({json.dumps(values)})"""
    )


def read(canvas: Canvas, kind: str, wanted: str, seconds: float = 120.0) -> list[str]:
    """Return everything that a node said until it said `wanted`."""
    heard: list[str] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        text = canvas.evaluate(SAID % json.dumps(kind))
        if text and (not heard or heard[-1] != text):
            heard.append(text)
        if text and wanted in text:
            return heard
        time.sleep(0.05)
    raise AssertionError(f"{wanted!r} was not said, but {heard}")


def test_the_report_says_where_it_is_and_then_what_it_found(canvas):
    opened(canvas, "photo-report")
    before = canvas.evaluate("JSON.stringify(app.graph.serialize().nodes.map(one => one.widgets_values))")
    put(canvas, "PortraitPhotoReport", min_face=int(time.time()) % 7 + 57)  # another value, so that it runs again
    changed = json.loads(canvas.evaluate("JSON.stringify(app.graph.serialize().nodes.map(one => one.widgets_values))"))
    canvas.evaluate("app.queuePrompt(0)")
    heard = read(canvas, "PortraitPhotoReport", "photos accepted")
    assert any(text.startswith("Looking at photo ") for text in heard), heard
    assert "⚠ nora-11.jpg: face blurred" in heard[-1]
    assert heard[-1].endswith("11 of 12 photos accepted, 2 of them held out")
    assert canvas.evaluate(SHOWN % '"PortraitPhotoReport"')
    # What is said is no widget of the graph: it is not saved.
    saved = json.loads(canvas.evaluate("JSON.stringify(app.graph.serialize().nodes.map(one => one.widgets_values))"))
    assert saved == changed
    assert len(str(saved)) == len(before) or saved != json.loads(before)


def test_an_error_is_one_sentence_on_the_node_without_a_path_or_a_module(canvas):
    opened(canvas, "photo-report")
    put(canvas, "PortraitLoadPhotos", folder="nowhere")
    canvas.evaluate("app.queuePrompt(0)")
    heard = read(canvas, "PortraitLoadPhotos", "nowhere")
    assert heard[-1].startswith("There is no folder 'nowhere' in input/")
    assert "portrait_studio" not in heard[-1]


def test_with_too_few_photos_nothing_behind_the_report_runs(canvas):
    opened(canvas, "photo-report")
    put(canvas, "PortraitLoadPhotos", max_photos=3)
    put(canvas, "PortraitPhotoReport", least=5)
    accepted = canvas.evaluate("String(app.graph.nodes.find(one => one.title === 'Accepted photos').id)")

    def shown() -> list[dict]:
        return json.loads(canvas.evaluate("JSON.stringify(app.nodeOutputs)")).get(accepted, {}).get("images", [])

    before = shown()  # newer frontends keep what the same graph showed before
    canvas.evaluate("app.queuePrompt(0)")
    read(canvas, "PortraitPhotoReport", "of 3 photos accepted")
    end = time.monotonic() + 30
    while canvas.evaluate("app.ui.lastQueueSize") and time.monotonic() < end:
        time.sleep(0.1)
    assert shown() == before
