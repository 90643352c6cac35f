"""The shipped graphs on the real canvas, as an artist meets them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portrait_studio.runner.studio import EXAMPLES

from .chromium import Canvas, find

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

WORKFLOWS = sorted((Path(__file__).parents[2] / "workflows").glob("*.json"))

# Fetched from where the template browser fetches it, and loaded as it loads it.
OPEN_TEMPLATE = """(async name => {
  window.said = []; const log = console.error;
  console.error = (...words) => { window.said.push(words.map(String).join(" ")); log(...words); };
  const graph = await (await app.api.fetchApi("/workflow_templates/portrait-studio/" + name + ".json")).json();
  await app.loadGraphData(graph, true, true, name, {openSource: "template"});
  for (let i = 0; i < 10; i++) await new Promise(done => setTimeout(done, 50));
  return JSON.stringify({
    said: window.said,
    missing: app.graph.nodes.filter(node => !LiteGraph.registered_node_types[node.type]).map(node => node.type),
    dialogs: [...document.querySelectorAll(".p-dialog")].map(dialog => dialog.textContent),
    saved: app.graph.serialize(),
  });
})(%s)"""
RELOAD = """(async () => {
  await app.loadGraphData(JSON.parse(JSON.stringify(app.graph.serialize())), true, false);
  for (let i = 0; i < 10; i++) await new Promise(done => setTimeout(done, 50));
  return JSON.stringify(app.graph.serialize());
})()"""
SHOWN = "JSON.stringify(Object.fromEntries(Object.entries(app.nodeOutputs).map(([id, o]) => [id, Object.keys(o)])))"


@pytest.fixture(scope="module")
def canvas(host) -> Iterator[Canvas]:
    browser = find()
    if browser is None:
        pytest.skip("NO CHROMIUM HERE: no graph was opened on the real canvas (Debian: apt-get install chromium)")
    with Canvas(host.url, browser) as opened:
        yield opened


def opened(canvas: Canvas, name: str) -> dict:
    return json.loads(canvas.evaluate(OPEN_TEMPLATE % json.dumps(name)))


def settled(graph: dict) -> dict:
    """A saved graph without where the canvas happens to be scrolled to."""
    extra = {key: value for key, value in graph["extra"].items() if key not in ("ds", "frontendVersion")}
    return {**graph, "extra": extra}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_template_opens_without_a_red_node_or_a_complaint(canvas, path):
    found = opened(canvas, path.stem)
    assert found["missing"] == []
    assert found["said"] == []
    assert not [text for text in found["dialogs"] if "issing" in text]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_graph_is_saved_as_it_was_opened(canvas, path):
    saved = opened(canvas, path.stem)["saved"]
    assert settled(json.loads(canvas.evaluate(RELOAD))) == settled(saved)
    file = json.loads(path.read_text("utf-8"))
    values = {node["id"]: node.get("widgets_values") for node in file["nodes"]}
    assert {node["id"]: node.get("widgets_values") for node in saved["nodes"]} == values
    assert saved["extra"]["portrait_studio"] == file["extra"]["portrait_studio"]


def test_the_photo_report_is_queued_from_the_canvas_and_shown_on_the_node(canvas):
    assert (EXAMPLES / "nora").is_dir()
    graph = opened(canvas, "photo-report.v1")["saved"]
    report = str(next(node["id"] for node in graph["nodes"] if node["type"] == "PortraitPhotoReport"))
    canvas.evaluate("app.queuePrompt(0)")
    end = time.monotonic() + 120
    while report not in (shown := json.loads(canvas.evaluate(SHOWN))) and time.monotonic() < end:
        time.sleep(0.5)
    assert "images" in shown[report]
    assert canvas.evaluate("JSON.stringify(window.said)") == "[]"
