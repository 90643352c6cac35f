"""Conversion without a browser: against frozen answers of the frontend, and what it must refuse."""

from __future__ import annotations

import copy
import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_studio.runner.graph import GraphError, is_link, parse, prune, to_api

from ...canvas.comparison import differences
from .conftest import FROZEN
from .features import BYPASSED, FEATURES, MUTED, SAMPLER, _detail, picture, text_to_image
from .sketch import Sketch


def convert(sketch: Sketch, info: dict, **options) -> dict:
    return to_api(parse(sketch.graph(), "test"), info, **options)


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_graph_becomes_what_the_frontend_posted(name: str, info: dict, answers: dict):
    assert differences(to_api(parse(FEATURES[name](info), name), info, seed=0), answers[name]) == []


def test_every_feature_graph_has_a_frozen_answer_of_the_frontend_in_use(answers: dict):
    assert answers.keys() == FEATURES.keys()
    assert FROZEN["frontend"] == "1.32.9"


def test_converting_leaves_the_graph_as_it_was(info: dict):
    graph = FEATURES["subgraph_with_saved_widget_inputs"](info)
    before = copy.deepcopy(graph)
    to_api(parse(graph), info)
    assert graph == before


def test_the_same_graph_gives_the_same_prompt_twice(info: dict):
    graph = parse(FEATURES["nested_subgraphs_outer_first"](info))
    assert to_api(graph, info) == to_api(graph, info)


def test_titles_go_along_as_labels(info: dict):
    sketch = Sketch(info)
    sketch.add("LoadImage", ["a.png", "image"], title="My photo")
    sketch.add("LoadImage", ["a.png", "image"])
    prompt = convert(sketch, info)
    assert prompt["1"]["_meta"] == {"title": "My photo"}
    assert prompt["2"]["_meta"] == {"title": info["LoadImage"]["display_name"]}


def test_unknown_classes_are_refused_by_name_and_node(info: dict):
    sketch = Sketch(info)
    picture(sketch)
    sketch.add("FaceDetailer")
    sketch.add("FaceDetailer")
    sketch.add("Nobody's Node")
    with pytest.raises(GraphError, match=r"FaceDetailer \(node 3, 4\), Nobody's Node \(node 5\)"):
        convert(sketch, info)


def test_an_unknown_class_inside_a_subgraph_is_refused_by_its_path(info: dict):
    inner = Sketch(info, "Inner")
    inner.add("FaceDetailer", node_id=7)
    sketch = Sketch(info)
    sketch.definitions = [inner]
    sketch.add(inner, node_id=3)
    with pytest.raises(GraphError, match=r"FaceDetailer \(node 3:7\)"):
        convert(sketch, info)


@pytest.mark.parametrize("kind", ["workflow>my group", "workflow/my group"])
def test_group_nodes_are_refused_with_the_way_out(kind: str, info: dict):
    sketch = Sketch(info)
    sketch.add(kind)
    with pytest.raises(GraphError, match=r"group nodes .*my group.*turn them into subgraphs"):
        convert(sketch, info)


def test_a_node_that_needs_the_browsers_camera_is_refused(info: dict):
    classes = {**info, "WebcamCapture": {"input": {"required": {}}, "output": ["IMAGE"], "output_name": ["IMAGE"]}}
    sketch = Sketch(classes)
    sketch.add("WebcamCapture")
    with pytest.raises(GraphError, match=r"node 1\) .*browser's camera"):
        convert(sketch, classes)


def test_a_primitive_inside_a_subgraph_is_refused_because_the_frontend_fails_on_it(info: dict):
    inner = Sketch(info, "Inner")
    blur = inner.add("ImageScale", ["area", 64, 64, "disabled"])
    primitive = inner.add("PrimitiveNode", [9, "fixed"], outputs=[("INT", "INT")])
    inner.link(primitive, 0, blur, "width")
    sketch = Sketch(info)
    sketch.definitions = [inner]
    sketch.add(inner)
    with pytest.raises(GraphError, match="primitive inside a subgraph"):
        convert(sketch, info)


def test_alternatives_need_a_seed_and_the_seed_decides(info: dict):
    sketch = Sketch(info)
    sketch.add("CLIPTextEncode", ["a {red|green|{light|dark} blue} coat"])
    with pytest.raises(GraphError, match=r"'text' of CLIPTextEncode \(node 1\) .*give a seed"):
        convert(sketch, info)
    texts = [convert(sketch, info, seed=seed)["1"]["inputs"]["text"] for seed in range(40)]
    assert texts == [convert(sketch, info, seed=seed)["1"]["inputs"]["text"] for seed in range(40)]
    assert set(texts) == {"a red coat", "a green coat", "a light blue coat", "a dark blue coat"}


def test_alternatives_in_a_text_that_another_node_replaces_need_no_seed(info: dict):
    sketch = Sketch(info)
    words = sketch.add("PrimitiveString", ["plain"])
    encode = sketch.add("CLIPTextEncode", ["{a|b}"])
    sketch.link(words, 0, encode, "text")
    assert convert(sketch, info)["2"]["inputs"]["text"] == ["1", 0]


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("%date:yyyy-MM-dd%/%date:hh:mm:ss%", "2031-04-05/06:07:08"),
        ("%date:yy-M-d h:m:s%", "31-4-5 6:7:8"),
        ("100%", "100%"),
        ("%date:%", ""),
    ],
)
def test_dates_in_file_names_are_written_in_the_frontends_letters(template: str, name: str, info: dict):
    sketch = Sketch(info)
    nodes = picture(sketch)
    save = sketch.add("SaveImage", [template])
    sketch.link(nodes[0], 0, save, "images")
    assert convert(sketch, info, now=datetime(2031, 4, 5, 6, 7, 8))["3"]["inputs"]["filename_prefix"] == name


def test_values_that_a_pack_saved_by_name_are_placed_by_name(info: dict):
    sketch = Sketch(info)
    sketch.add("EmptyLatentImage", {"height": 96, "batch_size": 2, "preview": {"hidden": True}})
    assert convert(sketch, info)["1"]["inputs"] == {"width": 512, "height": 96, "batch_size": 2}


REMOTE = {
    "input": {
        "required": {"image": ["COMBO", {"image_upload": True, "image_folder": "output", "remote": {"route": "/x"}}]}
    },
    "output": ["IMAGE"],
    "output_name": ["IMAGE"],
    "display_name": "Load Image (from Outputs)",
}


def test_a_saved_file_of_the_output_folder_keeps_its_folder(info: dict):
    classes = {**info, "LoadImageOutput": REMOTE}
    sketch = Sketch(classes)
    sketch.add("LoadImageOutput", ["old.png", False, "image"])
    sketch.add("LoadImageOutput", ["old.png [temp]", False, "image"])
    prompt = convert(sketch, classes)
    assert prompt["1"]["inputs"] == {"image": "old.png [output]"}
    assert prompt["2"]["inputs"] == {"image": "old.png [temp]"}


def test_values_follow_the_order_that_the_class_declares(info: dict):
    declared = {"required": {"b": ["INT", {}], "a": ["INT", {}]}, "optional": {"d": ["INT", {}], "c": ["INT", {}]}}
    ordered = {"input": declared, "input_order": {"required": ["a", "b"], "optional": ["c", "d"]}, "output": []}
    classes = {**info, "Ordered": {**ordered, "output_name": []}}
    sketch = Sketch(classes)
    sketch.add("Ordered", [1, 2, 3, 4])
    assert convert(sketch, classes)["1"]["inputs"] == {"a": 1, "b": 2, "c": 3, "d": 4}


def _set_and_get(info: dict, names: tuple[str, ...], wanted: str) -> Sketch:
    sketch = Sketch(info)
    for name in names:
        loader = sketch.add("LoadImage", [f"{name}.png", "image"])
        setter = sketch.add("SetNode", [name], inputs=[("IMAGE", "IMAGE")], outputs=[("*", "*")])
        sketch.link(loader, 0, setter, "IMAGE")
    getter = sketch.add("GetNode", [wanted], outputs=[("IMAGE", "IMAGE")])
    preview = sketch.add("PreviewImage")
    sketch.link(getter, 0, preview, "images")
    return sketch


def test_a_get_node_reads_the_set_node_of_its_name(info: dict):
    prompt = convert(_set_and_get(info, ("face", "coat"), "coat"), info)
    assert prompt == prompt | {"6": prompt["6"] | {"inputs": {"images": ["3", 0]}}}
    assert prompt.keys() == {"1", "3", "6"}


@pytest.mark.parametrize(
    ("names", "words"), [(("face",), "no SetNode has"), (("coat", "coat"), "several SetNodes have")]
)
def test_a_get_node_without_one_set_node_is_refused(names: tuple[str, ...], words: str, info: dict):
    with pytest.raises(GraphError, match=f"'coat', but {words}"):
        convert(_set_and_get(info, names, "coat"), info)


def test_unreadable_proxy_widgets_are_refused(info: dict):
    for broken in ("[[", [["-1"]], [[1, "width"]], 5):
        sketch = Sketch(info)
        inner = _detail(info)
        sketch.definitions = [inner]
        sketch.add(inner, [64], properties={"proxyWidgets": broken})
        with pytest.raises(GraphError, match="proxyWidgets"):
            convert(sketch, info)


def test_a_cycle_through_a_subgraph_is_refused(info: dict):
    sketch = Sketch(info)
    inner = _detail(info)
    sketch.definitions = [inner]
    node = sketch.add(inner, [64])
    invert = sketch.add("ImageInvert")
    sketch.link(node, 0, invert, "image")
    sketch.link(invert, 0, node, "image")
    with pytest.raises(GraphError, match="cycle"):
        convert(sketch, info)


def test_a_loop_through_a_subgraph_that_is_no_cycle_is_converted(info: dict):
    inner = Sketch(info, "Two lanes")
    for lane in ("a", "b"):
        inner.port(lane, "IMAGE")
        inner.port(lane, "IMAGE", output=True)
        invert = inner.add("ImageInvert")
        inner.link(None, len(inner.inputs) - 1, invert, "image")
        inner.link(invert, 0, None, lane)
    sketch = Sketch(info)
    sketch.definitions = [inner]
    loader = sketch.add("LoadImage", ["a.png", "image"])
    node = sketch.add(inner)
    preview = sketch.add("PreviewImage")
    sketch.link(loader, 0, node, "a")
    sketch.link(node, 0, node, "b")
    sketch.link(node, 1, preview, "images")
    assert convert(sketch, info)["2:2"]["inputs"] == {"image": ["2:1", 0]}


def test_bypassed_nodes_feeding_each_other_are_refused_as_a_cycle(info: dict):
    sketch = Sketch(info)
    first = sketch.add("ImageInvert", mode=BYPASSED)
    second = sketch.add("ImageInvert", mode=BYPASSED)
    preview = sketch.add("PreviewImage")
    sketch.link(first, 0, second, "image")
    sketch.link(second, 0, first, "image")
    sketch.link(second, 0, preview, "images")
    with pytest.raises(GraphError, match="cycle"):
        convert(sketch, info)


def test_a_very_long_chain_of_reroutes_is_followed(info: dict):
    sketch = Sketch(info)
    last = sketch.add("LoadImage", ["a.png", "image"])
    for _ in range(3000):
        reroute = sketch.add("Reroute", inputs=[("", "*")], outputs=[("", "IMAGE")])
        sketch.link(last, 0, reroute, "")
        last = reroute
    preview = sketch.add("PreviewImage")
    sketch.link(last, 0, preview, "images")
    assert convert(sketch, info)[str(preview["id"])]["inputs"]["images"] == ["1", 0]


def test_pruning_keeps_what_the_outputs_need_and_nothing_else(info: dict):
    sketch = Sketch(info)
    text_to_image(sketch)
    sketch.add("LoadImage", ["idle.png", "image"], node_id=90)
    prompt = convert(sketch, info) | {"_meta": {"title": "x"}, "version": 1, "91": {"class_type": "EmptyImage"}}
    pruned = prune(prompt, info)
    assert pruned.keys() == {"1", "2", "3", "4", "5", "6", "7"}
    assert pruned["5"] == prompt["5"]


def test_pruning_drops_what_only_the_canvas_reads_and_keeps_unknown_classes(info: dict):
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png", "upload": "image"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0], "preview": ""}},
        "3": {"class_type": "Nobody"},
    }
    assert prune(prompt, info) == {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
        "3": {"class_type": "Nobody", "inputs": {}},
    }


@st.composite
def drawings(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """A random chain of image nodes: (class, which earlier node feeds it, mode)."""
    kinds = st.sampled_from(["ImageInvert", "ImageScale", "ImageQuantize", "Reroute", "ImageBlur"])
    modes = st.sampled_from([0, 0, 0, MUTED, BYPASSED])
    size = draw(st.integers(1, 14))
    return [(draw(kinds), draw(st.integers(0, index)), draw(modes)) for index in range(size)]


@settings(max_examples=150, deadline=None)
@given(drawing=drawings())
def test_random_graphs_keep_every_node_that_is_on_and_lead_back_to_their_sources(drawing):
    info = FROZEN["object_info"]
    sketch = Sketch(info)
    nodes = [sketch.add("LoadImage", ["a.png", "image"])]
    for kind, origin, mode in drawing:
        sockets: dict[str, Any] = {"inputs": [("", "*")], "outputs": [("", "IMAGE")]} if kind == "Reroute" else {}
        nodes.append(sketch.add(kind, mode=mode, **sockets))
        sketch.link(nodes[origin], 0, nodes[-1], "" if kind == "Reroute" else "image")

    def source(index: int) -> list | None:
        """What feeds whoever is linked to this node, by the rules a person would give."""
        if index == 0:
            return ["1", 0]
        kind, origin, mode = drawing[index - 1]
        if kind == "Reroute" or mode == BYPASSED:
            return source(origin)
        return None if mode == MUTED else [str(index + 1), 0]

    prompt = convert(sketch, info)
    on = {i + 2 for i, (kind, _, mode) in enumerate(drawing) if kind != "Reroute" and mode == 0}
    assert {int(key) for key in prompt} == on | {1}
    for index in on:
        assert prompt[str(index)]["inputs"].get("image") == source(drawing[index - 2][1])
    assert json.loads(json.dumps(prompt)) == prompt
    assert all(value[0] in prompt for node in prompt.values() for value in node["inputs"].values() if is_link(value))


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(max_size=5),
        ),
        max_size=9,
    )
)
def test_any_saved_values_are_placed_or_left_out_but_never_crash(values):
    info = FROZEN["object_info"]
    sketch = Sketch(info)
    text_to_image(sketch, tuple(values))
    inputs = convert(sketch, info)["5"]["inputs"]
    names = ["seed", None, "steps", "cfg", "sampler_name", "scheduler", "denoise"]
    for name, value in zip(names, values, strict=False):
        if name == "sampler_name" and isinstance(value, str):
            value = value.removeprefix("sample_")
        assert name is None or inputs[name] == value
    assert len(inputs) == len(SAMPLER) - 1 + 4
