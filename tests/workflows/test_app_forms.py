"""The App form of every graph names widgets that a person can set and nodes that show a picture."""

from __future__ import annotations

import json

import pytest

from portrait_studio.runner.graph import newest

from .app_forms import FORMS, PHOTOS, with_form
from .blocks import NAMES, app
from .shelf import ALL, WORKFLOWS, file_of, named

each_graph = pytest.mark.parametrize("path", ALL, ids=named)


@each_graph
def test_its_form_is_as_described(path):
    written = json.loads(path.read_text("utf-8"))
    made = with_form(json.loads(path.read_text("utf-8")))
    assert written == made, "write it again: python -m tests.workflows.blocks"


@each_graph
def test_it_asks_for_widgets_that_nothing_feeds_on_nodes_that_run(path):
    graph = json.loads(path.read_text("utf-8"))
    nodes = {node["id"]: node for node in graph["nodes"]}
    asked = graph["extra"]["linearData"]["inputs"]
    assert 2 <= len(asked) <= 8
    assert len({(node, widget) for node, widget, *_ in asked}) == len(asked)
    for identity, widget, *_ in asked:
        node = nodes[identity]
        assert node["mode"] == 0
        if widget == PHOTOS:
            assert node["type"] == "PortraitLoadPhotos"
        else:
            (slot,) = [slot for slot in node["inputs"] if slot["name"] == widget]
            assert slot["widget"]["name"] == widget
            assert slot["link"] is None


@each_graph
def test_it_shows_the_pictures_of_its_last_stages(path):
    graph = json.loads(path.read_text("utf-8"))
    nodes = {node["id"]: node for node in graph["nodes"]}
    shown = graph["extra"]["linearData"]["outputs"]
    assert shown
    assert all(nodes[node]["type"] in ("SaveImage", "PreviewImage", "PortraitPhotoReport") for node in shown)
    assert shown[-1] == graph["extra"]["portrait_studio"]["stages"][-1]["image"]


@each_graph
def test_no_widget_of_the_form_is_called_value(path):
    graph = json.loads(path.read_text("utf-8"))
    nodes = {node["id"]: node for node in graph["nodes"]}
    for identity, widget, *_ in graph["extra"]["linearData"]["inputs"]:
        if widget == "value":
            assert next(slot for slot in nodes[identity]["inputs"] if slot["name"] == widget)["label"]


def test_every_graph_has_a_form():
    assert set(FORMS["graphs"]) == {named(path) for path in ALL}


@pytest.mark.parametrize("name", NAMES["app"])
def test_the_main_graphs_come_once_more_as_forms(name):
    path = file_of(name)
    form = path.with_name(f"{path.stem}.app.json")
    graph = json.loads(path.read_text("utf-8"))
    assert json.loads(form.read_text("utf-8")) == app(graph), "write it again: python -m tests.workflows.blocks"
    assert form.with_suffix(".jpg").read_bytes() == path.with_suffix(".jpg").read_bytes()
    assert newest(name) == path


def test_every_file_is_a_graph_or_a_form_of_one_and_has_its_picture():
    wanted = {NAMES["files"][name] for name in NAMES["files"]} | {
        f"{NAMES['files'][name]}.app" for name in NAMES["app"]
    }
    for ending in ("json", "jpg"):
        assert {file.name.removesuffix(f".{ending}") for file in WORKFLOWS.glob(f"*.{ending}")} == wanted
