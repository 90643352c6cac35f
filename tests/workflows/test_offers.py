"""What the graphs say for hosts that lack something: which pack a node is from, where a model can be had."""

from __future__ import annotations

import json

import pytest

from .offers import OFFERS, complete, is_ours, levels
from .shelf import ALL

DATA = json.loads(OFFERS.read_text("utf-8"))
# Addresses that ComfyUI's frontend downloads from; a release of ours it lists, and our own page offers.
DOWNLOADS = ("https://huggingface.co/", "https://civitai.com/")
OURS = "https://github.com/portrait-studio/portrait-studio/releases/download/"


def nodes(path) -> list[dict]:
    return [node for level in levels(json.loads(path.read_text("utf-8"))) for node in level["nodes"]]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_graph_says_what_the_data_says(path):
    graph = json.loads(path.read_text("utf-8"))
    assert complete(json.loads(path.read_text("utf-8")), DATA) == graph


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_node_of_ours_can_be_named_by_a_host_without_the_pack(path):
    ours = [node for node in nodes(path) if is_ours(node["type"])]
    assert ours
    assert {node["properties"]["cnr_id"] for node in ours} == {"portrait-studio"}
    assert "comfy-core" in {node["properties"].get("cnr_id") for node in nodes(path)}


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_model_file_a_core_loader_is_set_to_is_offered_by_name_and_folder(path):
    folders = {"CheckpointLoaderSimple": "checkpoints", "ControlNetLoader": "controlnet"}
    for node in nodes(path):
        if folder := folders.get(node["type"]):
            (value,) = node["widgets_values"]
            offers = {model["name"]: model for model in node["properties"]["models"]}
            assert offers[value]["directory"] == folder
            assert offers[value]["size"] > 0


@pytest.mark.parametrize("model", DATA["models"], ids=lambda model: model["name"])
def test_an_offer_has_an_address_a_licence_a_size_and_says_where_it_was_found(model):
    assert model["url"].startswith((*DOWNLOADS, OURS))
    assert model["license"]
    assert model["size"] > 1e6
    assert model["found"]
    if "hash" in model:
        assert len(bytes.fromhex(model["hash"])) == 32
        assert model["hash_type"] == "SHA256"
    else:
        assert "none is given" in model["found"]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_loader_that_is_set_to_a_pocket_model_has_a_real_one_beside_it_that_a_host_downloads(path):
    for node in nodes(path):
        models = node["properties"].get("models", [])
        if any(model["name"].startswith("pocket") for model in models):
            assert any(model["url"].startswith(DOWNLOADS) for model in models)
