"""The shipped graphs: they declare themselves, run on the pocket models, and their twins are what they convert to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portrait_studio.runner import graph as graphs
from portrait_studio.runner.client.client import Client

from .blocks import NAMES
from .shelf import ALL, file_of, named, twin_of, without_news
from .shelf import BARE as WORKFLOWS

pytestmark = pytest.mark.host

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def object_info(host) -> dict:
    with Client(host.url) as client:
        return client.object_info()


@pytest.mark.parametrize("path", ALL, ids=named)
def test_a_graph_is_called_what_the_plan_says_and_declares_itself(path):
    declared = graphs.declared(graphs.read(path))
    assert path.stem == NAMES["files"][declared["name"]]
    assert declared["title"]["ko"]
    for name, parameter in declared["parameters"].items():
        assert parameter["help"]["en"], name
        assert parameter["help"]["ko"], name


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_the_check_has_nothing_against_a_graph_on_the_studios_own_host(path, object_info):
    assert graphs.check(graphs.read(path), object_info) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_the_default_of_every_parameter_is_what_the_canvas_shows(path, object_info):
    graph = graphs.read(path)
    shown = graphs.to_api(graph, object_info)
    known = graphs.parameters(graph)
    set_again = graphs.apply(shown, known, {name: one.default for name, one in known.items()}, path.name)
    assert set_again == shown


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_the_api_twin_is_what_the_graph_converts_to(path, object_info):
    twin = twin_of(path)
    shipped = json.loads(twin.read_text("utf-8"))
    made = without_news(graphs.to_api(graphs.read(path), object_info), shipped, object_info)
    assert shipped == made, f"write it again: portrait-studio graph to-api {named(path)}"


def test_the_starter_stands_on_comfyui_and_this_pack_alone(object_info):
    prompt = graphs.to_api(graphs.read(file_of("portrait-starter")), object_info)
    for node in prompt.values():
        module = object_info[node["class_type"]]["python_module"]
        assert module in ("nodes", "custom_nodes.portrait-studio") or module.startswith("comfy_extras."), node
