"""The studio graphs against the interfaces of the packs they stand on: in full, where no pack is installed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from portrait_studio.portrait.disk import read_toml
from portrait_studio.runner import graph as graphs
from portrait_studio.runner.client.client import Client

from .offers import levels
from .shelf import ALL, POCKET, ROOT, STUDIO, declared, file_of, named, recorded, twin_of, without_news

pytestmark = pytest.mark.host

IMPACT_8 = Path(__file__).parents[1] / "data" / "impact_pack_8.json"
# ReActor loads its models by itself, and no machine of ours may: they are not for commercial use.
UNAVAILABLE = {"face-swap": {"inswapper_128.onnx", "GFPGANv1.4.pth"}}


@pytest.fixture(scope="module")
def object_info(host) -> dict[str, Any]:
    """The host's own nodes as they are now, and the packs' as they were recorded."""
    with Client(host.url) as client:
        return recorded() | client.object_info()


def nodes(path: Path) -> list[dict[str, Any]]:
    return [node for level in levels(json.loads(path.read_text("utf-8"))) for node in level["nodes"]]


def test_only_classes_that_a_graph_uses_are_recorded():
    used = {node["type"] for path in ALL for node in nodes(path)}
    assert set(recorded()) <= used


@pytest.mark.parametrize("path", STUDIO, ids=named)
def test_node_types_inputs_links_and_choices_are_those_of_the_packs(path, object_info):
    missing = UNAVAILABLE.get(named(path), set())
    told = graphs.check(graphs.read(path), object_info, settings=POCKET.get(named(path)))
    assert [one.message for one in told if not any(repr(file) in one.message for file in missing)] == []


@pytest.mark.parametrize("path", STUDIO, ids=named)
def test_every_pack_of_a_graph_is_named_at_its_pin_with_the_classes_used(path, object_info):
    pins = {pack["name"]: pack for pack in read_toml(ROOT / "runner" / "assets" / "packs.toml")["pack"]}
    named = declared(path)["requires"]["packs"]
    for pack in named:
        pin = pins[pack["name"]]
        assert {key: pack[key] for key in ("version", "commit", "repository")} == {
            key: pin[key] for key in ("version", "commit", "repository")
        }
    folders = {f"custom_nodes.{folder}": name for name, pin in pins.items() for folder in pin["folders"]}
    used: dict[str, set[str]] = {}
    for node in nodes(path):
        owner = folders.get(object_info.get(node["type"], {}).get("python_module", ""))
        if owner:
            used.setdefault(owner, set()).add(node["type"])
    assert {pack["name"]: set(pack["nodes"]) for pack in named} == used


@pytest.mark.parametrize("path", STUDIO, ids=named)
def test_the_noise_mask_feather_is_0_wherever_it_stands(path, object_info):
    prompt = graphs.to_api(graphs.read(path), object_info)
    set_to = {
        key: node["inputs"]["noise_mask_feather"] for key, node in prompt.items() if "Detailer" in node["class_type"]
    }
    assert set(set_to.values()) <= {0}
    assert bool(set_to) == any(
        "Detailer" in kind for pack in declared(path)["requires"]["packs"] for kind in pack["nodes"]
    )


@pytest.mark.parametrize("path", STUDIO, ids=named)
def test_the_graph_opens_alike_in_impact_pack_8(path, object_info):
    """Values are saved by place: version 8 adds its widgets behind those of 7, so every value keeps its name."""
    added: dict[str, dict[str, Any]] = json.loads(IMPACT_8.read_text("utf-8"))["appended"]
    eight = copy.deepcopy(object_info)
    for kind, inputs in added.items():
        eight[kind]["input"]["optional"].update(inputs)
        eight[kind]["input_order"]["optional"].extend(inputs)
    graph = graphs.read(path)
    seven_prompt, eight_prompt = graphs.to_api(graph, object_info), graphs.to_api(graph, eight)
    for key, node in eight_prompt.items():
        extra = added.get(node["class_type"], {})
        assert {name: node["inputs"].pop(name) for name in extra} == {
            name: spec[1]["default"] for name, spec in extra.items()
        }
        assert node == seven_prompt[key]
    assert graphs.check(graph, eight, settings=POCKET.get(named(path))) == graphs.check(
        graph, object_info, settings=POCKET.get(named(path))
    )


@pytest.mark.parametrize("path", STUDIO, ids=named)
def test_the_default_of_every_parameter_is_what_the_canvas_shows(path, object_info):
    graph = graphs.read(path)
    shown = graphs.to_api(graph, object_info)
    known = graphs.parameters(graph)
    live = {name: one.default for name, one in known.items() if any(node in shown for node, _ in one.targets)}
    assert graphs.apply(shown, known, live, path.name) == shown
    assert set(known) - set(live) <= {"hand_prompt"}  # its nodes are bypassed until the Subpack is there


@pytest.mark.parametrize("path", STUDIO, ids=named)
def test_the_api_twin_is_what_the_graph_converts_to(path, object_info):
    twin = twin_of(path)
    shipped = json.loads(twin.read_text("utf-8"))
    made = without_news(graphs.to_api(graphs.read(path), object_info), shipped, object_info)
    assert shipped == made, f"write it again: portrait-studio graph to-api {path.name}"


@pytest.mark.parametrize("path", STUDIO, ids=named)
def test_likeness_is_measured_and_a_picture_is_kept_after_every_stage(path):
    nodes = graphs.nodes_by_path(json.loads(path.read_text("utf-8")))
    studio = declared(path)
    for stage in studio["stages"]:
        assert nodes[str(stage["image"])]["type"] == "SaveImage"
        if stage["name"] != "text-to-image" or not named(path).startswith("couple"):
            assert nodes[str(stage["likeness"])]["type"] == "PortraitIdentityScore"
    for name, parameter in studio["parameters"].items():
        assert parameter["help"]["en"], name
        assert parameter["help"]["ko"], name


def test_without_the_subpack_no_node_of_it_is_sent(object_info):
    path = file_of("portrait-studio")
    prompt = graphs.to_api(graphs.read(path), object_info)
    assert not [node for node in prompt.values() if node["class_type"] == "UltralyticsDetectorProvider"]
    without = {kind: info for kind, info in object_info.items() if kind != "UltralyticsDetectorProvider"}
    assert graphs.check(graphs.read(path), without) == []
