"""The shipped graphs on the real canvas, as an artist meets them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from portrait_studio.runner.demo.studio import EXAMPLES

from ..workflows.shelf import BARE as WORKFLOWS
from .chromium import Canvas, find
from .opening import RELOAD, SHOWN, opened, settled

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

GAINED = {"PortraitLoadPhotos": ["auto"]}
"""The defaults of widgets that nodes gained after the graphs were saved."""


@pytest.fixture(scope="module")
def canvas(host) -> Iterator[Canvas]:
    browser = find()
    if browser is None:
        pytest.skip("NO CHROMIUM HERE: no graph was opened on the real canvas (Debian: apt-get install chromium)")
    with Canvas(host.url, browser) as opened:
        yield opened


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
    # A node without widgets is saved with [] by older frontends, with null by newer ones; a widget that a node has
    # gained since the graph was saved comes last, with its default.
    values = {node["id"]: node.get("widgets_values") or [] for node in file["nodes"]}
    again = {node["id"]: node.get("widgets_values") or [] for node in saved["nodes"]}
    assert again.keys() == values.keys()
    for node in file["nodes"]:
        kept, gained = again[node["id"]][: len(values[node["id"]])], again[node["id"]][len(values[node["id"]]) :]
        assert kept == values[node["id"]]
        assert gained in ([], GAINED.get(node["type"]))
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


def test_a_photo_is_restyled_from_the_canvas_and_shown_on_the_node(canvas):
    graph = opened(canvas, "restyle.v1")["saved"]
    last = str(graph["extra"]["portrait_studio"]["stages"][-1]["image"])
    canvas.evaluate(
        """(() => {
          const set = (type, name, value) => {
            app.graph.nodes.find(node => node.type === type).widgets.find(one => one.name === name).value = value;
          };
          set("PortraitLoadPhotos", "max_photos", 1);
          set("KSampler", "steps", 2);
          app.queuePrompt(0);
        })()"""
    )
    end = time.monotonic() + 240
    while last not in (shown := json.loads(canvas.evaluate(SHOWN))) and time.monotonic() < end:
        time.sleep(0.5)
    assert "images" in shown[last]
    assert canvas.evaluate("JSON.stringify(window.said)") == "[]"
