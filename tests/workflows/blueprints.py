"""The blocks of a graph for ComfyUI's node library (subgraphs/), as blueprints.toml says; blocks.py writes them."""

from __future__ import annotations

import copy
from typing import Any

FIRST = "Portrait Studio - "  # the library lists blocks by the names of their files


def blueprints(graph: dict[str, Any], plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every blueprint by its file's name. `graph` is the graph of blocks, `plan` what blueprints.toml says."""
    return {f"{FIRST}{name}.json": _blueprint(graph, name, words) for name, words in plan["blocks"].items()}


def _blueprint(graph: dict[str, Any], name: str, words: str) -> dict[str, Any]:
    definition = next(one for one in graph["definitions"]["subgraphs"] if one["name"] == name)
    block = copy.deepcopy(next(node for node in graph["nodes"] if node["type"] == definition["id"]))
    for slot in block["inputs"]:
        slot["link"] = None
    for output in block["outputs"]:
        output["links"] = []
    return {
        "id": definition["id"],
        "revision": 0,
        "last_node_id": block["id"],
        "last_link_id": 0,
        "nodes": [{**block, "pos": [0, 0], "order": 0}],
        "links": [],
        "groups": [],
        "definitions": {"subgraphs": [definition]},
        "config": {},
        "extra": {"BlueprintDescription": f"Portrait Studio: {words}"},
        "version": 0.4,
    }
