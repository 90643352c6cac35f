"""Which pack every node of a graph is from, and which models each loader can be offered; blocks.py writes it.

A ComfyUI that lacks a pack names it by `properties.cnr_id`; one that lacks a file offers the entry of
`properties.models` that has the file's name. A loader that is set to a pocket model has the real one for portraits
there; the pocket model itself is not listed, because a host would show an address that it refuses to download from, and
web/js/missing_models.js makes it on the spot. offers.json says where each figure was found. The hashes of the pocket
files that a graph requires are those of pins.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from portrait_studio.runner.graph import nodes_by_path

OFFERS = Path(__file__).with_name("offers.json")
PROJECT = Path(__file__).parents[2] / "pyproject.toml"
PINS = Path(__file__).parents[2] / "pocket" / "weights" / "pins.json"
OURS = "portrait-studio"
CORE = "comfy-core"


def levels(graph: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the root and every subgraph definition."""
    yield graph
    yield from (graph.get("definitions") or {}).get("subgraphs") or ()


def own_version() -> str:
    """Return the version in pyproject.toml."""
    lines = PROJECT.read_text("utf-8").splitlines()
    return next(line.split('"')[1] for line in lines if line.startswith("version = "))


def sources(graph: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the pack and version of node types that are neither ComfyUI's nor ours, as the graph declares them."""
    packs = graph["extra"]["portrait_studio"]["requires"]["packs"]
    return {node: (pack["name"], pack["version"]) for pack in packs for node in pack["nodes"]}


def is_ours(kind: str) -> bool:
    """Whether a node type is one of this pack's."""
    return kind.startswith("Portrait")


def source(kind: str, graph: dict[str, Any], core: str) -> tuple[str, str] | None:
    """Return pack and version of a node type; None for what only the frontend knows."""
    if is_ours(kind):
        return OURS, own_version()
    if kind in ("MarkdownNote", "Note", "Reroute", "PrimitiveNode") or len(kind) == 36:
        return None
    return sources(graph).get(kind, (CORE, core))


def offered(graph: dict[str, Any], data: dict[str, Any]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return what the loaders of a graph can be offered, by type and file: several blocks may load one file."""
    types = {path: node["type"] for path, node in nodes_by_path(graph).items()}
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for model in graph["extra"]["portrait_studio"]["requires"]["models"]:
        pocket = model["file"].startswith("pocket")
        names = data["for_real"].get(model["role"], ()) if pocket else [model["file"]]
        known = [entry for name in names for entry in data["models"] if entry["name"] == name]
        offers = found.setdefault((types[str(model["node"])], model["file"]), [])
        offers += [{key: entry[key] for key in entry if key != "found"} for entry in known]
    return found


def complete(graph: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Return the graph with both in the properties of its nodes, and with today's hashes of the pocket files."""
    models = offered(graph, data)
    pinned = json.loads(PINS.read_text("utf-8"))["files"]
    for model in graph["extra"]["portrait_studio"]["requires"]["models"]:
        if (file := f"{model['folder']}/{model['file']}") in pinned:
            model["sha256"] = pinned[file]
    for level in levels(graph):
        for node in level["nodes"]:
            given = node.setdefault("properties", {})
            found = source(node["type"], graph, data["core"])
            if found:
                given["cnr_id"], given["ver"] = found
            given.pop("models", None)
            for value in node.get("widgets_values") or ():
                if isinstance(value, str) and models.get((node["type"], value)):
                    given["models"] = models[node["type"], value]
    return graph
