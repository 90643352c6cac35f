"""The studio graphs on the real canvas of a host with the real packs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from portrait_studio.runner import Client
from portrait_studio.runner import graph as graphs

from ..canvas.chromium import Canvas, on_canvas
from ..canvas.comparison import differences
from ..canvas.opening import RELOAD, opened, settled
from ..workflows.shelf import STUDIO, named

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def canvas(packs_host) -> Iterator[Canvas]:
    with on_canvas(packs_host.url, "no studio graph was opened on the real canvas") as opened_canvas:
        yield opened_canvas


@pytest.fixture(scope="module", params=STUDIO, ids=named)
def graph(request, packs_info):
    kinds = {node["type"] for node in json.loads(request.param.read_text("utf-8"))["nodes"]}
    absent = sorted(kinds - set(packs_info) - {"MarkdownNote"})
    if absent:
        pytest.skip(f"NOT ON THE CANVAS HERE: {named(request.param)} needs {', '.join(absent)}")
    return request.param


def test_it_opens_without_a_red_node_a_complaint_or_a_dialog(canvas, graph):
    found = opened(canvas, named(graph))
    assert found["missing"] == []
    assert found["said"] == []
    # The frontend breaks off with a dialog where a pack's script fails, and keeps half of the graph.
    assert not [text for text in found["dialogs"] if "issing" in text or "abort" in text]


def test_it_is_saved_as_it_was_opened(canvas, graph):
    saved = opened(canvas, named(graph))["saved"]
    assert settled(json.loads(canvas.evaluate(RELOAD))) == settled(saved)
    file = json.loads(graph.read_text("utf-8"))
    values = {node["id"]: node.get("widgets_values") for node in file["nodes"]}
    assert {node["id"]: node.get("widgets_values") for node in saved["nodes"]} == values
    assert len(saved["links"]) == len(file["links"])


def test_the_frontends_prompt_is_ours(canvas, graph, packs_host, packs_info):
    theirs = canvas.to_api(json.loads(graph.read_bytes()))["output"]
    with Client(packs_host.url) as client:
        frontend = client.frontend()
    assert differences(graphs.to_api(graphs.read(graph), packs_info, seed=0, frontend=frontend), theirs) == []
