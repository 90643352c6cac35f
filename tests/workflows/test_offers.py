"""What the graphs say for hosts that lack something: which pack a node is from, where a model can be had."""

from __future__ import annotations

import json

import pytest

from .offers import OFFERS, complete, is_ours, levels
from .shelf import ALL, named

DATA = json.loads(OFFERS.read_text("utf-8"))
# The addresses that ComfyUI's frontend downloads from; for any other it opens a dialog with a refusal in red.
DOWNLOADS = ("https://huggingface.co/", "https://civitai.com/")


def nodes(path) -> list[dict]:
    """Every node that is no block: what a block shows is a loader's inside."""
    graph = json.loads(path.read_text("utf-8"))
    blocks = {level["id"] for level in levels(graph)}
    return [node for level in levels(graph) for node in level["nodes"] if node["type"] not in blocks]


def node_values(node) -> list:
    return node.get("widgets_values") or []


@pytest.mark.parametrize("path", ALL, ids=named)
def test_a_graph_says_what_the_data_says(path):
    graph = json.loads(path.read_text("utf-8"))
    assert complete(json.loads(path.read_text("utf-8")), DATA) == graph


@pytest.mark.parametrize("path", ALL, ids=named)
def test_every_node_of_ours_can_be_named_by_a_host_without_the_pack(path):
    ours = [node for node in nodes(path) if is_ours(node["type"])]
    assert ours
    assert {node["properties"]["cnr_id"] for node in ours} == {"portrait-studio"}
    assert "comfy-core" in {node["properties"].get("cnr_id") for node in nodes(path)}


@pytest.mark.parametrize("path", ALL, ids=named)
def test_every_model_file_a_core_loader_is_set_to_is_offered_by_name_and_folder(path):
    folders = {"CheckpointLoaderSimple": "checkpoints", "ControlNetLoader": "controlnet"}
    for node in nodes(path):
        if folder := folders.get(node["type"]):
            (value,) = node["widgets_values"]
            offers = {model["name"]: model for model in node["properties"]["models"]}
            pocket = value.startswith("pocket")
            assert pocket or value in offers
            for model in offers.values() if pocket else [offers[value]]:
                assert model["directory"] == folder
                assert model["size"] > 0


@pytest.mark.parametrize("model", DATA["models"], ids=lambda model: model["name"])
def test_an_offer_has_an_address_a_licence_a_size_and_says_where_it_was_found(model):
    assert model["url"].startswith(DOWNLOADS)
    assert model["license"]
    assert model["size"] > 1e6
    assert model["found"]
    if "hash" in model:
        assert len(bytes.fromhex(model["hash"])) == 32
        assert model["hash_type"] == "SHA256"
    else:
        assert "none is given" in model["found"]


@pytest.mark.parametrize("path", ALL, ids=named)
def test_a_loader_that_is_set_to_a_pocket_model_offers_a_real_one_and_no_address_that_a_host_refuses(path):
    for node in nodes(path):
        models = node["properties"].get("models", [])
        assert all(model["url"].startswith(DOWNLOADS) for model in models)
        if any(str(value).startswith("pocket") and ".safetensors" in str(value) for value in node_values(node)):
            assert [model for model in models if not model["name"].startswith("pocket")]
