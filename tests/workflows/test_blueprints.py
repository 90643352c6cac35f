"""The blocks that the node library offers: those of the graphs, whole, and where the frontend looks for them."""

from __future__ import annotations

import json
import urllib.request

import pytest

from portrait_studio.runner import graph as graphs

from . import blocks

FILES = sorted(blocks.LIBRARY.glob("*.json"))


def test_the_library_holds_what_the_tool_makes():
    made = blocks.library()
    assert {path.name: json.loads(path.read_text("utf-8")) for path in FILES} == made, (
        "run: python -m tests.workflows.blocks"
    )
    assert len(made) == 8


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_blueprint_is_one_whole_block_with_a_description_and_no_loose_link(path):
    graph = graphs.read(path)
    (block,) = graph.root.nodes.values()
    assert block.type in graph.subgraphs
    assert all(slot.link is None for slot in block.inputs)
    assert len(graph.data["extra"]["BlueprintDescription"]) > 50


@pytest.mark.host
def test_the_host_lists_every_blueprint(host):
    with urllib.request.urlopen(f"{host.url}/global_subgraphs", timeout=60) as answer:
        listed = {one["name"] for one in json.load(answer).values()}
    assert {path.stem for path in FILES} <= listed
