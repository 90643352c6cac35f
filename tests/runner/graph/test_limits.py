"""Graphs that are small as files and enormous when taken at their word: counted first, refused with the limit."""

from __future__ import annotations

import itertools
import json
import tracemalloc

import pytest

from portrait_studio.runner.graph import GraphError, parse, to_api
from portrait_studio.runner.graph.expansion import limits

from .sketch import Sketch


def nested(info: dict, levels: int, copies: int, node_id: str = "") -> dict:
    """A graph in which each subgraph holds `copies` of the next one."""
    definitions = [Sketch(info, f"level {number}") for number in range(levels)]
    for outer, inner in itertools.pairwise(definitions):
        for copy in range(copies):
            outer.add(inner, node_id=f"{node_id}{copy}" if node_id else None)
    definitions[-1].add("EmptyImage", (64, 64, 1, 0))
    graph = Sketch(info)
    graph.add(definitions[0], node_id=f"{node_id}0" if node_id else None)
    graph.definitions = definitions
    return graph.graph()


def test_nested_subgraphs_are_counted_before_they_are_expanded(info):
    data = nested(info, levels=12, copies=10)
    tracemalloc.start()
    try:
        with pytest.raises(GraphError, match=r"are 211,111,111,111 nodes when expanded, and the limit is 200,000"):
            parse(data, "bomb")
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    with pytest.raises(GraphError, match=r"more than 10\^59 nodes"):
        parse(nested(info, levels=60, copies=10))


def test_subgraphs_up_to_the_limit_are_expanded(info):
    graph = parse(nested(info, levels=5, copies=10))
    assert len(to_api(graph, info)) == 10_000
    assert limits()["nodes"] >= 50_000


def test_long_ids_do_not_multiply_through_the_levels(info):
    data = nested(info, levels=100, copies=2, node_id="x" * 20)
    data["definitions"]["subgraphs"] = data["definitions"]["subgraphs"][-12:]
    data["nodes"][0]["type"] = data["definitions"]["subgraphs"][0]["id"]
    parse(data)
    for definition in data["definitions"]["subgraphs"]:
        for node in definition["nodes"]:
            node["id"] = str(node["id"]) + "x" * 2000
    with pytest.raises(GraphError, match=r"letters together, and the limit is 20,000,000"):
        parse(data)


def test_subgraph_inputs_are_counted_too(info):
    inner = Sketch(info, "wide")
    for number in range(limits()["ports"]):
        inner.port(f"in {number}", "INT")
    inner.add("EmptyImage", (64, 64, 1, 0))
    graph = Sketch(info)
    graph.definitions = [inner]
    for _ in range(limits()["sockets"] // limits()["ports"]):
        graph.add(inner, inputs=[])
    parse(graph.graph())
    graph.add(inner, inputs=[])
    with pytest.raises(GraphError, match="subgraph nodes have 200,500 inputs together, and the limit is 200,000"):
        parse(graph.graph())
    inner.port("one more", "INT")
    with pytest.raises(GraphError, match="subgraph 'wide' has more than 500 inputs or outputs"):
        parse(graph.graph())


def test_many_nodes_behind_a_long_chain_of_reroutes_are_refused(info):
    graph = Sketch(info)
    last = graph.add("EmptyImage", (64, 64, 1, 0))
    for _ in range(3000):
        reroute = graph.add("Reroute", inputs=[("", "*")], outputs=[("", "*")])
        graph.link(last, 0, reroute, "")
        last = reroute
    for _ in range(3000):
        graph.link(last, 0, graph.add("ImageInvert"), "image")
    data = parse(graph.graph())
    with pytest.raises(GraphError, match=r"lead through more than 5,000,000 reroutes"):
        to_api(data, info)


def test_setters_and_getters_find_each_other_in_large_graphs(info):
    graph = Sketch(info)
    image = graph.add("EmptyImage", (64, 64, 1, 0))
    for number in range(4000):
        setter = graph.add("SetNode", [f"name {number}"], inputs=[("IMAGE", "IMAGE")], outputs=[("*", "*")])
        graph.link(image, 0, setter, "IMAGE")
        getter = graph.add("GetNode", [f"name {number}"], outputs=[("IMAGE", "IMAGE")])
        graph.link(getter, 0, graph.add("ImageInvert"), "image")
    prompt = to_api(parse(graph.graph()), info)
    assert {tuple(node["inputs"]["image"]) for node in prompt.values() if node["class_type"] == "ImageInvert"} == {
        ("1", 0)
    }


@pytest.mark.parametrize("text", ["{" * 20_000, "{" * 20_000 + "}" * 20_000])
def test_braces_within_braces_are_refused_in_one_sentence(info, text):
    graph = Sketch(info)
    clip = graph.add("CheckpointLoaderSimple", ("a.safetensors",)) if "CheckpointLoaderSimple" in info else None
    node = graph.add("CLIPTextEncode", (text,))
    if clip:
        graph.link(clip, 1, node, "clip")
    with pytest.raises(GraphError, match="nested more than 100 deep"):
        to_api(parse(json.dumps(graph.graph())), info, seed=1)
