"""The shipped graphs as blocks: made by the tool, readable at once, and the same in meaning as the plain graphs."""

from __future__ import annotations

import json
import urllib.request

import pytest

from portrait_studio.runner import graph as graphs

from . import blocks
from .crossing import crossings
from .meaning import meanings, without_kits
from .numbering import POINTERS
from .shelf import ALL, file_of, named, recorded

PLAIN = blocks.ALL_PLAIN
SCREEN = (1920, 1080)
MENUS = (60, 95)  # pixels that the frontend's own side bar and tabs take
TITLE = 14  # LiteGraph's letters of a title, in pixels at scale 1
each_plain = pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
each_graph = pytest.mark.parametrize("path", ALL, ids=named)


def shipped(path) -> dict:
    return json.loads(file_of(named(path)).read_text("utf-8"))


@pytest.fixture(scope="module")
def info(host) -> dict:
    with urllib.request.urlopen(f"{host.url}/object_info") as answer:
        return recorded() | json.load(answer)


def test_every_graph_has_a_plain_one_and_a_plan():
    assert sorted(map(named, PLAIN)) == sorted(map(named, ALL))


@each_plain
def test_a_graph_is_what_the_tool_makes(path):
    assert shipped(path) == blocks.made(path), f"run: python -m tests.workflows.blocks {named(path)}"


def test_the_runner_knows_where_the_nodes_of_older_graphs_are():
    assert json.loads(blocks.FORMER.read_text("utf-8")) == blocks.former()


@pytest.mark.host
@each_plain
def test_a_graph_of_blocks_means_what_the_plain_one_does(path, info):
    plain = graphs.to_api(graphs.read(path), info)
    made = graphs.to_api(graphs.read(file_of(named(path))), info)
    assert any(node["class_type"] == "PortraitOpenKit" for node in made.values()) or len(made) == len(plain)
    assert meanings(without_kits(made)) == meanings(plain)


@each_graph
def test_there_are_at_most_twelve_blocks_on_top(path):
    top = [node for node in shipped(path)["nodes"] if node["type"] != "MarkdownNote"]
    assert 2 < len(top) <= 12


@each_graph
def test_it_opens_with_every_title_readable_and_nothing_outside_the_screen(path):
    graph = shipped(path)
    view = graph["extra"]["ds"]
    assert view["scale"] * TITLE >= 12
    for node in graph["nodes"]:
        left, top = ((at + move) * view["scale"] for at, move in zip(node["pos"], view["offset"], strict=True))
        right, bottom = left + node["size"][0] * view["scale"], top + node["size"][1] * view["scale"]
        assert left >= MENUS[0], node["title"]
        assert top - 30 * view["scale"] >= MENUS[1], node["title"]
        assert right <= SCREEN[0], node["title"]
        assert bottom <= SCREEN[1], node["title"]


@each_graph
def test_no_two_nodes_have_one_id_and_every_place_that_is_named_is_there(path):
    """Newer frontends renumber nodes that share an id, and leave the names of them as they were."""
    graph = shipped(path)
    definitions = {one["id"]: one["nodes"] for one in graph["definitions"]["subgraphs"]}
    held = [node["id"] for nodes in (graph["nodes"], *definitions.values()) for node in nodes]
    assert sorted(held) == sorted(set(held))
    places = graphs.nodes_by_path(graph)
    studio = graph["extra"]["portrait_studio"]
    named = [target["node"] for one in studio["parameters"].values() for target in one["targets"]]
    named += [node for stage in studio["stages"] for node in stage["nodes"]]
    assert {str(node) for node in named} <= places.keys()
    for node in graph["nodes"]:
        inside = {str(one["id"]) for one in definitions.get(node["type"], ())}
        assert {node["properties"][name] for name in POINTERS if name in node["properties"]} <= inside


@each_graph
def test_no_two_links_on_top_cross(path):
    assert crossings(shipped(path)) == []


@each_graph
def test_nothing_on_top_lies_over_anything_else(path):
    boxes = [
        (node["pos"][0], node["pos"][1] - 30, node["pos"][0] + node["size"][0], node["pos"][1] + node["size"][1], node)
        for node in shipped(path)["nodes"]
    ]
    for index, (left, top, right, bottom, node) in enumerate(boxes):
        for other_left, other_top, other_right, other_bottom, other in boxes[index + 1 :]:
            apart = right <= other_left or other_right <= left or bottom <= other_top or other_bottom <= top
            assert apart, (node["title"], other["title"])


@each_graph
def test_links_on_top_lead_to_the_right_but_where_a_row_ends(path):
    graph = shipped(path)
    nodes = {node["id"]: node for node in graph["nodes"]}
    bent = {one["id"] for one in graph["extra"].get("linkExtensions", ())}
    for link in graph["links"]:
        assert nodes[link[1]]["pos"][0] < nodes[link[3]]["pos"][0] or link[0] in bent, link


def test_two_curves_that_cross_are_found_and_two_that_part_are_not():
    def node(identity, x, y):
        return {"id": identity, "pos": [x, y], "size": [100, 60], "inputs": [{"name": "in"}]}

    nodes = [node(1, 0, 0), node(2, 0, 200), node(3, 400, 0), node(4, 400, 200)]
    straight = [[1, 1, 0, 3, 0, "IMAGE"], [2, 2, 0, 4, 0, "IMAGE"]]
    crossed = [[1, 1, 0, 4, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]]
    assert crossings({"nodes": nodes, "links": straight, "extra": {}}) == []
    assert crossings({"nodes": nodes, "links": crossed, "extra": {}}) == [(1, 2)]
    fan = [[1, 1, 0, 3, 0, "IMAGE"], [2, 1, 0, 4, 0, "IMAGE"]]
    assert crossings({"nodes": nodes, "links": fan, "extra": {}}) == []


def test_another_value_or_another_link_is_another_meaning():
    one = {"1": {"class_type": "A", "inputs": {"x": 1}}, "2": {"class_type": "B", "inputs": {"a": ["1", 0]}}}
    renamed = {"7": {"class_type": "A", "inputs": {"x": 1}}, "9:3": {"class_type": "B", "inputs": {"a": ["7", 0]}}}
    other = {"1": {"class_type": "A", "inputs": {"x": 2}}, "2": {"class_type": "B", "inputs": {"a": ["1", 0]}}}
    assert meanings(one) == meanings(renamed)
    assert meanings(one) != meanings(other)


def test_a_later_kit_takes_the_place_of_what_the_one_before_held():
    prompt = {
        "1": {"class_type": "A", "inputs": {}},
        "2": {"class_type": "C", "inputs": {}},
        "k": {"class_type": "PortraitKit", "inputs": {"model": ["1", 0], "vae": ["1", 2]}},
        "l": {"class_type": "PortraitKit", "inputs": {"kit": ["k", 0], "model": ["2", 0]}},
        "o": {"class_type": "PortraitOpenKit", "inputs": {"kit": ["l", 0]}},
        "p": {"class_type": "PortraitOpenKit", "inputs": {"kit": ["o", 0]}},
        "3": {"class_type": "B", "inputs": {"model": ["p", 1], "vae": ["p", 3]}},
    }
    assert without_kits(prompt)["3"]["inputs"] == {"model": ["2", 0], "vae": ["1", 2]}
