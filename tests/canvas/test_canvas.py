"""The shipped graphs on the real canvas, as an artist meets them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from portrait_studio.runner import graph as graphs
from portrait_studio.runner.demo.studio import EXAMPLES

from ..workflows.shelf import BARE as WORKFLOWS
from ..workflows.shelf import named
from .chromium import Canvas
from .opening import NODES_2, RELOAD, SHOWN, drawn, opened, settled

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

WAYS = [("LiteGraph", "en"), ("Nodes 2.0", "ko")]
GAINED = {"PortraitLoadPhotos": ["auto"], "PortraitPhotoReport": [1], "ImageScaleToTotalPixels": [1]}
"""The defaults of widgets that nodes gained after the graphs were saved."""


@pytest.fixture(scope="module", params=WAYS, ids=" ".join)
def canvas(request, host) -> Iterator[Canvas]:
    with drawn(host.url, *request.param, "no graph was opened on the real canvas") as page:
        yield page


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_a_template_opens_without_a_red_node_or_a_complaint(canvas, path):
    found = opened(canvas, named(path))
    assert found["missing"] == []
    assert found["said"] == []
    assert not [text for text in found["dialogs"] if "issing" in text]


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_a_graph_is_saved_as_it_was_opened(canvas, path):
    saved = opened(canvas, named(path))["saved"]
    nodes_2 = canvas.evaluate(NODES_2)
    assert settled(json.loads(canvas.evaluate(RELOAD)), nodes_2) == settled(saved, nodes_2)
    file = json.loads(path.read_text("utf-8"))
    # A node without widgets is saved with [] by older frontends, with null by newer ones; a widget that a node has
    # gained since the graph was saved comes last, with its default.
    before, after = graphs.nodes_by_path(file), graphs.nodes_by_path(saved)
    assert after.keys() == before.keys()
    kinds = [node["type"] for node in file["nodes"]]
    for place, node in before.items():
        if kinds.count(before[place.partition(":")[0]]["type"]) > 1 and ":" in place:
            continue  # two blocks of one kind keep their values, and lend them to the nodes inside in turn
        values, again = node.get("widgets_values") or [], after[place].get("widgets_values") or []
        assert again[: len(values)] == values
        assert again[len(values) :] in ([], GAINED.get(node["type"]))
    assert saved["extra"]["portrait_studio"] == file["extra"]["portrait_studio"]


def test_the_photo_report_is_queued_from_the_canvas_and_shown_on_the_node(canvas):
    assert (EXAMPLES / "nora").is_dir()
    graph = opened(canvas, "photo-report")["saved"]
    report = str(next(node["id"] for node in graph["nodes"] if node["type"] == "PortraitPhotoReport"))
    canvas.evaluate("app.queuePrompt(0)")
    end = time.monotonic() + 120
    while report not in (shown := json.loads(canvas.evaluate(SHOWN))) and time.monotonic() < end:
        time.sleep(0.5)
    assert "images" in shown[report]
    assert canvas.evaluate("JSON.stringify(window.said)") == "[]"


def test_a_photo_is_restyled_from_the_canvas_and_shown_on_the_node(canvas):
    graph = opened(canvas, "restyle")["saved"]
    last = str(graph["extra"]["portrait_studio"]["stages"][-1]["image"])
    canvas.evaluate(
        """(() => {
          const set = (type, name, value) => {
            app.graph.nodes.find(node => node.type === type).widgets.find(one => one.name === name).value = value;
          };
          set("PortraitLoadPhotos", "max_photos", 1);
          const tone = app.graph.nodes.find(node => ["Tone", "톤"].includes(node.title));
          tone.widgets.find(one => one.name === "steps").value = 2;
          app.queuePrompt(0);
        })()"""
    )
    end = time.monotonic() + 240
    while last not in (shown := json.loads(canvas.evaluate(SHOWN))) and time.monotonic() < end:
        time.sleep(0.5)
    assert "images" in shown[last]
    assert canvas.evaluate("JSON.stringify(window.said)") == "[]"
