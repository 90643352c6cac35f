"""Which frontend a graph is converted as, and what newer ones do otherwise, against their own answers.

The answers are those of real frontends in a browser, for the feature graphs that each answers otherwise than 1.32.9;
tests/canvas/test_prompts.py asks the one that is installed, and `python -m tests.canvas.freeze` writes them down.
"""

from __future__ import annotations

import json

import pytest

from portrait_studio.runner.graph import GraphError, parse, to_api
from portrait_studio.runner.graph.checking import check
from portrait_studio.runner.graph.frontends import Frontend, frontend_for

from ...canvas.comparison import differences_in_meaning
from ...canvas.freeze import NEWER
from .features import FEATURES, MUTED, _detail
from .sketch import Sketch

ANSWERS = json.loads(NEWER.read_text("utf-8"))


@pytest.mark.parametrize(("version", "name"), [(version, name) for version, held in ANSWERS.items() for name in held])
def test_a_feature_graph_becomes_what_a_newer_frontend_posted(version: str, name: str, info: dict):
    graph = parse(FEATURES[name](info), name)
    ours = to_api(graph, info, seed=0, frontend=version)
    assert differences_in_meaning(ours, ANSWERS[version][name], info) == []
    followed = to_api(graph, info, seed=0, frontend="1.32.9")
    assert differences_in_meaning(followed, ANSWERS[version][name], info) != []


@pytest.mark.parametrize(
    ("version", "promotion"),
    [
        ("1.2.3", "copies"),
        ("1.40.10", "copies"),
        ("1.41.0", "shown"),
        ("1.45.21", "shown"),
        ("1.46.0", "kept"),
        ("2.0", "kept"),
    ],
)
def test_how_widgets_are_promoted_goes_by_the_version(version: str, promotion: str, info: dict):
    assert frontend_for(parse(Sketch(info).graph()), version).promotion == promotion


@pytest.mark.parametrize(
    ("host", "saved", "release"),
    [
        ("1.48.7", "1.30.1", (1, 48)),
        ("", "1.44.19", (1, 44)),
        ("nightly", "v1.44.0-rc.1", (1, 44)),
        ("", None, (1, 32)),
        ("", ["1.44"], (1, 32)),
        ("1." + "9" * 400, "", (1, 32)),
    ],
)
def test_the_hosts_version_counts_before_that_of_the_graph(host: str, saved: object, release: tuple, info: dict):
    graph = {**Sketch(info).graph(), "extra": {"frontendVersion": saved}}
    assert frontend_for(parse(graph), host) == Frontend(release)


def _listed(info: dict, value: object) -> dict:
    """Draw a block whose `proxyWidgets` shows a widget that no input of the block leads to."""
    inner = _detail(info)
    sketch = Sketch(info)
    sketch.definitions = [inner]
    for given in (value, None):
        node = sketch.add(inner, [given], properties={"proxyWidgets": [["1", "height"], ["1", "9: nothing"]]})
        preview = sketch.add("PreviewImage")
        sketch.link(node, 0, preview, "images")
    return sketch.graph()


def test_since_1_46_a_listed_widget_becomes_an_input_with_a_value_of_its_own_on_each_block(info: dict):
    graph = parse(_listed(info, 640))
    prompt = to_api(graph, info, frontend="1.46.15")
    assert [prompt[f"{block}:1"]["inputs"]["height"] for block in (1, 3)] == [640, 200]
    before = to_api(graph, info, frontend="1.45.21")
    assert [before[f"{block}:1"]["inputs"]["height"] for block in (1, 3)] == [200, 200]
    assert to_api(graph, info, frontend="1.46.15") == prompt


def test_what_is_linked_to_a_muted_block_is_linked_to_nothing(info: dict):
    inner = _detail(info)
    sketch = Sketch(info)
    sketch.definitions = [inner]
    node = sketch.add(inner, [64], mode=MUTED)
    scale = sketch.add("ImageScale", ["area", 64, 64, "disabled"])
    sketch.link(node, 0, scale, "image")
    for version in ("1.39.19", "1.48.7"):
        prompt = to_api(parse(sketch.graph()), info, frontend=version)
        assert prompt.keys() == {"2"}
        assert "image" not in prompt["2"]["inputs"]


def test_a_muted_block_inside_a_block_gives_nothing_since_1_41(info: dict):
    inner, outer = _detail(info), Sketch(info, "Outer")
    outer.port("IMAGE", "IMAGE", output=True)
    outer.link(outer.add(inner, [64], mode=MUTED), 0, None, "IMAGE")
    sketch = Sketch(info)
    sketch.definitions = [inner, outer]
    preview = sketch.add("PreviewImage")
    sketch.link(sketch.add(outer), 0, preview, "images")
    linked = {
        version: to_api(parse(sketch.graph()), info, frontend=version)["1"]["inputs"] for version in ("1.40", "1.41")
    }
    assert linked == {"1.40": {"images": ["2:1:1", 0]}, "1.41": {}}


def test_a_primitive_inside_a_block_reaches_its_widget_and_is_refused_before_1_33(info: dict):
    inner = Sketch(info, "Inner")
    scale = inner.add("ImageScale", ["area", 64, 64, "disabled"])
    inner.link(inner.add("PrimitiveNode", [9, "fixed"], outputs=[("INT", "INT")]), 0, scale, "width")
    sketch = Sketch(info)
    sketch.definitions = [inner]
    sketch.add(inner)
    graph = parse(sketch.graph())
    assert to_api(graph, info, frontend="1.33.0")["1:1"]["inputs"]["width"] == 9
    with pytest.raises(GraphError, match="primitive inside a subgraph"):
        to_api(graph, info, frontend="1.32.9")


def test_since_1_46_a_listed_primitive_becomes_an_input(info: dict):
    inner = Sketch(info, "Inner")
    scale = inner.add("ImageScale", ["area", 64, 64, "disabled"])
    primitive = inner.add("PrimitiveNode", [9, "fixed"], outputs=[("INT", "INT")])
    inner.link(primitive, 0, scale, "width")
    sketch = Sketch(info)
    sketch.definitions = [inner]
    listed = {"proxyWidgets": [[str(primitive["id"]), "value"]]}
    for values in ([17], [None]):
        sketch.add(inner, values, properties=listed)
    prompt = to_api(parse(sketch.graph()), info, frontend="1.48.7")
    assert [prompt[f"{block}:1"]["inputs"]["width"] for block in (1, 2)] == [17, 9]


def test_an_input_type_is_a_widget_from_the_version_on_that_draws_it(info: dict):
    declared = {"required": {"palette": ["COLORS", {}], "side": ["INT", {"default": 3}]}}
    classes = {**info, "Painted": {"input": declared, "output": [], "output_name": []}}
    sketch = Sketch(classes)
    sketch.add("Painted", [["#fff"], 5])
    drawn = to_api(parse(sketch.graph()), classes, frontend="1.45.0")["1"]["inputs"]
    assert drawn == {"palette": {"__value__": ["#fff"]}, "side": 5}
    before = to_api(parse(sketch.graph()), classes, frontend="1.44.19")["1"]["inputs"]
    assert "palette" not in before
    assert before["side"] == {"__value__": ["#fff"]}


def test_a_custom_combo_has_its_options_and_the_place_of_the_choice(info: dict):
    combo = {"input": {"required": {"choice": ["COMBO", {"options": []}]}}, "output": [], "output_name": []}
    classes = {**info, "CustomCombo": combo}
    sketch = Sketch(classes)
    sketch.add("CustomCombo", ["b", 7, "a", "b", ""])
    sent = {"choice": "b", "index": 1, "option1": "a", "option2": "b", "option3": ""}
    assert to_api(parse(sketch.graph()), classes)["1"]["inputs"] == sent
    assert [found.kind for found in check(parse(sketch.graph()), classes)] == ["graph"]  # it shows nothing
