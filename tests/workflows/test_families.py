"""What the choice of a family sets: parameters that the graph has, to values that they take, as the sessions do."""

from __future__ import annotations

import pytest

from portrait_studio.runner import graph as graphs
from portrait_studio.runner.graph.document import BYPASS, GraphError
from portrait_studio.runner.session.defaults import defaults_for

from .shelf import ALL, file_of, named

FOLLOWING = [path for path in ALL if "families" in graphs.declared(graphs.read(path))]


def starter() -> graphs.UIGraph:
    return graphs.read(file_of("portrait-starter"))


def test_every_graph_with_a_checkpoint_follows_a_family():
    with_checkpoint = [path for path in ALL if "checkpoint" in graphs.parameters(graphs.read(path))]
    assert with_checkpoint == FOLLOWING
    assert len(FOLLOWING) == 10


@pytest.mark.parametrize("path", FOLLOWING, ids=named)
def test_every_graph_sets_only_parameters_that_it_has_to_values_that_they_take(path):
    graph = graphs.read(path)
    known, families = graphs.parameters(graph), graphs.declared(graph)["families"]
    assert set(families) == {"pocket", "SD1.5", "SDXL"}
    assert set(known["family"].choices) == {*families, "custom"}
    for values in families.values():
        assert values.keys() == families["pocket"].keys()
        for name, value in values.items():
            assert known[name].accept(value) == value
    assert all(known[name].default == value for name, value in families[known["family"].default].items())


@pytest.mark.parametrize("checkpoint", ["v1-5-pruned-emaonly-fp16.safetensors", "sd_xl_base_1.0.safetensors"])
def test_a_session_and_a_family_set_the_same(checkpoint):
    defaults = defaults_for(checkpoint)
    family = {"sd15": "SD1.5", "sdxl": "SDXL"}[defaults.name]
    for graph, values in ((defaults.graph, defaults.portraits), ("train-subject", defaults.training)):
        path = file_of(graph)
        set_by_family = graphs.declared(graphs.read(path))["families"][family]
        for name in set(values) & set(set_by_family):
            assert values[name] == set_by_family[name], name
        assert set(values) - set(set_by_family) <= {"prompt", "portraits"}


def test_what_is_set_by_name_counts_and_the_rest_comes_from_the_family():
    settings = graphs.with_family(starter(), {"family": "SD1.5", "steps": 40, "checkpoint": "mine.safetensors"})
    assert (settings["steps"], settings["checkpoint"]) == (40, "mine.safetensors")
    assert (settings["width"], settings["height"], settings["detail_size"]) == (512, 768, 512)
    assert settings["tile_controlnet"] == "control_v11f1e_sd15_tile_fp16.safetensors"


def test_a_checkpoint_without_a_family_is_custom_and_no_settings_stay_none():
    assert graphs.with_family(starter(), {"checkpoint": "mine.safetensors"}) == {
        "checkpoint": "mine.safetensors",
        "family": "custom",
    }
    assert graphs.with_family(starter(), {"seed": 3}) == {"seed": 3}


def test_a_stage_that_is_bypassed_is_left_alone():
    graph = starter()
    graph.data["nodes"] = [
        {**node, "mode": BYPASS} if node.get("title") == "Upscale" else node for node in graph.data["nodes"]
    ]
    settings = graphs.with_family(graphs.parse(graph.data, "edited"), {"family": "SDXL"})
    assert settings["steps"] == 30
    assert not {"upscale_steps", "upscaler", "tile_controlnet"} & set(settings)


def test_a_family_that_is_none_is_refused_with_the_choices_near_it():
    graph = starter()
    settings = graphs.with_family(graph, {"family": "SD15"})
    with pytest.raises(GraphError, match=r"no choice 'SD15'; nearest: 'SD1\.5'"):
        graphs.apply({}, graphs.parameters(graph), settings)


def test_a_family_that_sets_what_is_no_parameter_is_refused():
    graph = starter()
    graph.data["extra"]["portrait_studio"]["families"]["SDXL"]["colour"] = 1
    with pytest.raises(GraphError, match="the family 'SDXL' sets 'colour', which is not a parameter"):
        graphs.parameters(graphs.parse(graph.data, "edited"))
