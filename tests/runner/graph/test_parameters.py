"""What a graph declares about itself: schema, parameters, stages, and setting them."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.runner.graph import (
    GraphError,
    Parameter,
    apply,
    declared,
    parameters,
    parse,
    photo_input,
    prune,
    stages,
    to_api,
)
from portrait_studio.runner.graph.parameters import schema
from portrait_studio.runner.graph.shape import complaints

from .features import FEATURES

STUDIO = {
    "name": "portrait-starter",
    "version": "1.0.0",
    "title": {"en": "Portrait", "ko": "인물 사진"},
    "parameters": {
        "seed": {"targets": [{"node": 5, "input": "seed"}], "type": "INT", "min": 0, "max": 9999999999, "default": 7},
        "cfg": {"targets": [{"node": 5, "input": "cfg"}], "type": "FLOAT", "min": 1, "max": 20},
        "prompt": {
            "targets": [{"node": 2, "input": "text"}, {"node": "3", "input": "text"}],
            "type": "STRING",
            "help": {"en": "What to see", "ko": "보일 것"},
        },
        "sampler": {"targets": [{"node": 5, "input": "sampler_name"}], "type": "COMBO", "choices": ["euler", "ddim"]},
        "checkpoint": {"targets": [{"node": 1, "input": "ckpt_name"}], "type": "COMBO"},
        "hands": {"targets": [{"node": 4, "input": "batch_size"}], "type": "BOOLEAN", "default": False},
    },
    "photos": {"node": 4, "input": "width"},
    "stages": [
        {"name": "text-to-image", "title": {"en": "First picture"}, "image": 6, "likeness": 7, "nodes": [5, 6]},
        {"name": "save", "nodes": ["7"]},
    ],
    "requires": {
        "packs": [{"name": "comfyui-impact-pack", "version": "8.15"}],
        "models": [
            {
                "role": "checkpoint",
                "folder": "checkpoints",
                "file": "pocket.safetensors",
                "source": "the pack",
                "sha256": "0" * 64,
                "license": "CC0-1.0",
                "node": 1,
                "input": "ckpt_name",
            }
        ],
    },
}


def graph(info: dict, studio=STUDIO):
    data = FEATURES["plain"](info)
    data["extra"] = {"portrait_studio": json.loads(json.dumps(studio))}
    return parse(data, "starter.json")


def changed(path: str, value) -> dict:
    """Return STUDIO with one place replaced; the path is dotted, None removes."""
    studio = copy.deepcopy(STUDIO)
    *way, last = path.split(".")
    holder: Any = studio
    for key in way:
        holder = holder[int(key)] if isinstance(holder, list) else holder[key]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    return studio


def test_parameters_come_in_their_declared_order_with_their_bounds(info: dict):
    found = parameters(graph(info))
    assert list(found) == list(STUDIO["parameters"])
    assert found["seed"] == Parameter("seed", "INT", (("5", "seed"),), 0, 9999999999, (), 7)
    assert found["seed"].range == "0..9999999999"
    assert found["prompt"].targets == (("2", "text"), ("3", "text"))
    assert found["prompt"].help["ko"] == "보일 것"
    assert found["sampler"].range == "euler, ddim"


def test_a_graph_that_declares_nothing_has_no_parameters(info: dict):
    bare = parse(FEATURES["plain"](info))
    assert (parameters(bare), stages(bare), photo_input(bare), declared(bare)) == ({}, (), None, {})


def test_stages_and_the_photo_input_are_told(info: dict):
    first, second = stages(graph(info))
    assert (first.name, first.title["en"], first.image, first.likeness) == ("text-to-image", "First picture", "6", "7")
    assert first.nodes == ("5", "6")
    assert (second.image, second.likeness, second.nodes) == ("", "", ("7",))
    assert photo_input(graph(info)) == ("4", "width")


def test_settings_reach_every_target_and_leave_the_prompt_they_came_from(info: dict):
    opened = graph(info)
    prompt = prune(to_api(opened, info), info)
    before = copy.deepcopy(prompt)
    settings = {"seed": "12", "cfg": "3.5", "prompt": "하늘", "sampler": "ddim", "hands": "yes", "checkpoint": "a.ckpt"}
    after = apply(prompt, parameters(opened), settings)
    assert prompt == before
    assert after["5"]["inputs"] | {"seed": 12, "cfg": 3.5, "sampler_name": "ddim"} == after["5"]["inputs"]
    assert after["2"]["inputs"]["text"] == after["3"]["inputs"]["text"] == "하늘"
    assert after["4"]["inputs"]["batch_size"] is True
    assert after["1"]["inputs"]["ckpt_name"] == "a.ckpt"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sed", 1, "no parameter 'sed'; nearest: 'seed'"),
        ("unheard-of", 1, "no parameter 'unheard-of'; there are 'seed', 'cfg'"),
        ("seed", -1, "is -1, below its least value 0"),
        ("seed", "99999999999", "above its greatest value 9999999999"),
        ("seed", "1.5", "takes a whole number, not '1.5'"),
        ("seed", True, "takes a whole number, not True"),
        ("seed", None, "takes a whole number"),
        ("seed", math.inf, "takes a whole number"),
        ("cfg", "warm", "takes a number, not 'warm'"),
        ("cfg", "nan", "takes a number, not 'nan'"),
        ("cfg", 0.5, "below its least value 1"),
        ("prompt", 5, "takes text, not 5"),
        ("hands", "perhaps", "takes true or false, not 'perhaps'"),
        ("hands", 2, "takes true or false, not 2"),
        ("sampler", "eular", "has no choice 'eular'; nearest: 'euler'"),
        ("checkpoint", 5, "has no choice 5"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_by_name(name: str, value, words: str, info: dict):
    opened = graph(info)
    with pytest.raises(GraphError) as caught:
        apply(to_api(opened, info), parameters(opened), {name: value}, "starter.json")
    assert words in str(caught.value)
    assert name in str(caught.value)


def test_a_setting_for_a_node_that_is_not_sent_is_refused(info: dict):
    opened = graph(info)
    prompt = to_api(opened, info)
    del prompt["5"]
    with pytest.raises(GraphError, match="'seed' sets node 5, which is muted, bypassed or unused"):
        apply(prompt, parameters(opened), {"seed": 1})


def test_a_setting_does_not_cut_a_link(info: dict):
    data = FEATURES["widgets_fed_by_nodes"](info)
    data["extra"] = {"portrait_studio": {"name": "x", "version": "1", "parameters": changed("name", "x")["parameters"]}}
    opened = parse(data)
    with pytest.raises(GraphError, match="'prompt' sets 'text' of node 2, which another node feeds"):
        apply(to_api(opened, info), parameters(opened), {"prompt": "x"})


def test_parameters_reach_into_subgraphs_by_path(info: dict):
    data = FEATURES["subgraph_with_promoted_widget"](info)
    studio = {
        "name": "x",
        "version": "1",
        "parameters": {"width": {"targets": [{"node": "2:1", "input": "width"}], "type": "INT"}},
    }
    data["extra"] = {"portrait_studio": studio}
    opened = parse(data)
    after = apply(to_api(opened, info), parameters(opened), {"width": 96})
    assert (after["2:1"]["inputs"]["width"], after["4:1"]["inputs"]["width"]) == (96, 100)
    studio["parameters"]["width"]["targets"][0]["node"] = "2:9"
    with pytest.raises(GraphError, match="names node 2:9, which is not in the graph"):
        parameters(parse(data))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("name", None, "lacks 'name'"),
        ("name", "Portrait Starter", "does not match"),
        ("version", 1, "version must be string"),
        ("version", "v1", "does not match"),
        ("colour", "red", "unknown key 'colour'"),
        ("title", {"ko": "x"}, "title lacks 'en'"),
        ("title.fr", "x", "unknown key 'fr'"),
        ("parameters", [], "parameters must be object"),
        ("parameters.Seed", {}, "the name 'Seed'"),
        ("parameters.seed.type", "INTEGER", "must be one of INT, FLOAT"),
        ("parameters.seed.targets", [], "needs 1 or more"),
        ("parameters.seed.targets", None, "lacks 'targets'"),
        ("parameters.seed.targets.0.node", 77, "names node 77, which is not in the graph"),
        ("parameters.seed.targets.0.node", True, "must be integer or string"),
        ("parameters.seed.targets.0.input", "", "is empty"),
        ("parameters.seed.default", -5, "below its least value"),
        ("parameters.prompt.min", 3, "'prompt' is STRING, which has no min or max"),
        ("parameters.seed.choices", [1], "'seed' is INT, which has no choices"),
        ("parameters.sampler.default", "ddpm", "has no choice 'ddpm'"),
        ("photos.node", "gone", "names node gone"),
        ("stages.0.image", 99, "names node 99"),
        ("stages.1.name", "text-to-image", "two stages are called 'text-to-image'"),
        ("requires.models.0.sha256", "abc", "does not match"),
        ("requires.models.0.size", 0, "is 0, below 1"),
        ("requires.models.0.role", None, "lacks 'role'"),
        ("requires.packs.0.name", "", "is empty"),
    ],
)
def test_a_declaration_that_breaks_the_schema_is_refused_where_it_breaks(path: str, value, words: str, info: dict):
    with pytest.raises(GraphError) as caught:
        opened = graph(info, changed(path, value))
        parameters(opened)
        stages(opened)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_declaration_that_is_no_mapping_is_refused(info: dict):
    for studio in (None, [], "x", 5):
        with pytest.raises(GraphError, match="portrait_studio must be object"):
            parameters(graph(info, studio))


def test_a_schema_keyword_that_is_not_implemented_is_an_error_and_not_a_pass():
    with pytest.raises(ValueError, match="maxLength"):
        list(complaints("x", {"maxLength": 1}, {}, "x"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(data=JSON, key=st.sampled_from(["", *STUDIO]))
def test_any_declaration_is_judged_without_a_crash(data, key: str):
    studio = {**STUDIO, key: data} if key else data
    assert all(isinstance(line, str) for line in complaints(studio, schema(), schema(), "x"))


@given(value=JSON, kind=st.sampled_from(["INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"]))
def test_any_value_is_accepted_in_its_type_or_refused(value, kind: str):
    bounds: dict[str, Any] = {"min": -10.0, "max": 10.0} if kind in ("INT", "FLOAT") else {}
    choices = ("a", 1, 2.5) if kind == "COMBO" else ()
    parameter = Parameter("knob", kind, (("1", "x"),), choices=choices, **bounds)
    try:
        accepted = parameter.accept(value)
    except GraphError as error:
        assert "knob" in str(error)
        return
    wanted = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool, "COMBO": (str, int, float)}[kind]
    assert isinstance(accepted, wanted)
    if bounds:
        assert -10 <= accepted <= 10
