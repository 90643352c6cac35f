"""Widgets that a node has because of what another one is set to, declared as ComfyUI 0.33 declares Save Video."""

from __future__ import annotations

import pytest

from portrait_studio.runner.graph import parse, to_api
from portrait_studio.runner.graph.checking import check

from .sketch import Sketch

ENCODING = {
    "options": [
        {"key": "auto", "inputs": {"required": {}}},
        {"key": "re-encode", "inputs": {"required": {"crf": ["FLOAT", {"default": 23.0, "min": 0.0, "max": 51.0}]}}},
    ]
}
CODEC = {
    "options": [
        {"key": "auto", "inputs": {"required": {}}},
        {"key": "h264", "inputs": {"required": {}, "optional": {"encoding": ["COMFY_DYNAMICCOMBO_V3", ENCODING]}}},
        {"key": "masked", "inputs": {"required": {"mask": ["MASK", {}]}}},
    ]
}
SAVE = {
    "input": {
        "required": {
            "filename_prefix": ["STRING", {"default": "video"}],
            "codec": ["COMFY_DYNAMICCOMBO_V3", CODEC],
            "note": ["STRING", {"default": ""}],
        }
    },
    "output": [],
    "output_name": [],
    "output_node": True,
    "display_name": "Save",
    "python_module": "nodes",
}


@pytest.fixture
def hosts_info(info: dict) -> dict:
    return info | {"Save": SAVE}


def converted(info: dict, values: list | dict) -> dict:
    sketch = Sketch(info)
    sketch.add("Save", values)
    return to_api(parse(sketch.graph(), "test"), info)["1"]["inputs"]


@pytest.mark.parametrize(
    "values, brought",
    [
        (["a", "auto", "behind"], {}),
        (["a", "h264", "auto", "behind"], {"codec.encoding": "auto"}),
        (["a", "h264", "re-encode", 30, "behind"], {"codec.encoding": "re-encode", "codec.encoding.crf": 30}),
        (["a", "masked", "behind"], {}),
    ],
)
def test_a_choice_brings_its_widgets_and_what_stands_behind_keeps_its_value(hosts_info, values, brought):
    assert converted(hosts_info, values) == {"filename_prefix": "a", "codec": values[1], "note": "behind"} | brought


def test_a_node_that_saved_nothing_has_the_first_choice(hosts_info):
    assert converted(hosts_info, []) == {"filename_prefix": "video", "codec": "auto", "note": ""}


def test_values_saved_by_name_find_the_widgets_that_their_choice_brings(hosts_info):
    values = {"codec": "h264", "codec.encoding": "re-encode", "codec.encoding.crf": 12.0, "note": "n"}
    assert converted(hosts_info, values) == {"filename_prefix": "video"} | values


@pytest.mark.parametrize("value", ["av1", None, 3])
def test_what_is_no_choice_is_sent_as_it_is_and_refused_by_the_check(hosts_info, value):
    assert converted(hosts_info, ["a", value, "behind"])["codec"] == value
    sketch = Sketch(hosts_info)
    sketch.add("Save", ["a", value, "behind"])
    found = check(parse(sketch.graph(), "test"), hosts_info)
    assert any("'codec'" in problem.message and repr(value) in problem.message for problem in found), found
