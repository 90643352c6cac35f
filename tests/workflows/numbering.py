"""Gives every node of a graph of blocks an id of its own, on top and in all definitions.

Newer frontends (1.48.7 does) renumber nodes that share an id when they open a graph. What names a node by its id (the
parameters and stages in extra.portrait_studio, the picture that a block shows) would then name one that is not there.
"""

from __future__ import annotations

import itertools
from typing import Any

FREE = 900  # ids from here on are given to nodes whose own is taken
POINTERS = ("portrait_studio_shows", "portrait_studio_says")


def moves(graph: dict[str, Any]) -> dict[str, str]:
    """Return the new path ("block:node") of every node inside a block whose id something before it has."""
    found = {}
    for definition, changed in _changes(graph).items():
        blocks = [node["id"] for node in graph["nodes"] if node["type"] == definition]
        found.update({f"{block}:{old}": f"{block}:{new}" for block in blocks for old, new in changed.items()})
    return found


def numbered(graph: dict[str, Any]) -> dict[str, Any]:
    """Return the graph, changed in place: no id is there twice, and whatever names a node follows it."""
    paths, changes = moves(graph), _changes(graph)
    graph["extra"]["portrait_studio"] = _renamed(graph["extra"]["portrait_studio"], paths)
    for node in graph["nodes"]:
        changed = {str(old): str(new) for old, new in changes.get(node["type"], {}).items()}
        for name in POINTERS:
            if name in node["properties"]:
                node["properties"][name] = changed.get(node["properties"][name], node["properties"][name])
    for definition in graph["definitions"]["subgraphs"]:
        changed = changes[definition["id"]]
        for node in definition["nodes"]:
            node["id"] = changed.get(node["id"], node["id"])
        for link in definition["links"]:
            for end in ("origin_id", "target_id"):
                link[end] = changed.get(link[end], link[end])
        definition["state"]["lastNodeId"] = max(node["id"] for node in definition["nodes"])
    return graph


def _changes(graph: dict[str, Any]) -> dict[str, dict[int, int]]:
    """Return old and new ids by the definition that the nodes are in."""
    definitions = graph["definitions"]["subgraphs"]
    taken = {node["id"] for node in graph["nodes"]}
    everything = taken | {node["id"] for one in definitions for node in one["nodes"]}
    free = (number for number in itertools.count(FREE) if number not in everything)
    found: dict[str, dict[int, int]] = {}
    for one in definitions:
        held = [node["id"] for node in one["nodes"]]
        found[one["id"]] = {number: next(free) for number in held if number in taken}
        taken.update(found[one["id"]].get(number, number) for number in held)
    return found


def _renamed(value: Any, paths: dict[str, str]) -> Any:
    """Return a JSON value with the paths in its texts renamed."""
    if isinstance(value, dict):
        return {key: _renamed(one, paths) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, paths) for one in value]
    return paths.get(value, value) if isinstance(value, str) else value
