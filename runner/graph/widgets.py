"""Saved widget values by name, without a host: what graph files alone tell of the order of a node's widgets.

A saved graph names the widgets of a node among its inputs, in the order of `widgets_values`; exported graphs and
pictures name only those that something feeds, so the order comes from the graphs that are shipped, which name all. Two
kinds of widget have a second value behind their own: a seed its control ("fixed", "randomize" ...), a picture the name
of its upload button ("image").
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..client import node_name
from .document import GraphError

SHIPPED = Path(__file__).resolve().parents[2] / "workflows"
COMPANION = "+"  # ends the name of a second value
_CONTROLS = ("fixed", "increment", "decrement", "randomize")
_UPLOADS = ("image", "video", "audio", "file")

Orders = Mapping[str, Sequence[str]]


def named(node: Mapping[str, Any]) -> list[str]:
    """Return the widgets that a node of a graph file names, in the order of their values."""
    return [
        str(slot["widget"]["name"])
        for slot in node.get("inputs") or ()
        if isinstance(slot, dict) and isinstance(slot.get("widget"), dict) and "name" in slot["widget"]
    ]


def levels(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the decoded root and every subgraph definition of a graph file."""
    yield data if isinstance(data, dict) else dict(data)
    yield from (data.get("definitions") or {}).get("subgraphs") or ()


def nodes_by_path(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the decoded nodes of a graph that `parse` accepted, by id; those in subgraphs by the ids on the way."""
    definitions = {level["id"]: level for level in levels(data) if level is not data and "id" in level}
    found: dict[str, dict[str, Any]] = {}

    def enter(level: Mapping[str, Any], way: str) -> None:
        for node in level["nodes"]:
            found[f"{way}{node['id']}"] = node
            if node["type"] in definitions:
                enter(definitions[node["type"]], f"{way}{node['id']}:")

    enter(data, "")
    return found


def shown_value(data: Mapping[str, Any], path: str, widget: str, orders: Orders) -> Any:
    """Return the value that a widget of the node at `path` is sent with: that of the block that shows it, if one does.

    Raises KeyError when the file does not tell it.
    """
    nodes = nodes_by_path(data)
    node, outer = nodes[path], path.rpartition(":")[0]
    slots = (slot for slot in node.get("inputs") or () if (slot.get("widget") or {}).get("name") == widget)
    link = next((slot.get("link") for slot in slots), None)
    if outer and link is not None:
        inside = next(level for level in levels(data) if level.get("id") == nodes[outer]["type"])
        for port in inside.get("inputs") or ():
            if link in (port.get("linkIds") or ()):
                return shown_value(data, outer, port["name"], orders)
    return value_of(node, widget, orders)


@cache
def shipped_orders(folder: Path = SHIPPED) -> dict[str, tuple[str, ...]]:
    """Return the widgets of every node class that the graphs in `folder` use, in the order of their values."""
    found: dict[str, tuple[str, ...]] = {}
    for file in sorted(folder.glob("*.json")):
        for level in levels(json.loads(file.read_text("utf-8"))):
            for node in level["nodes"]:
                names = tuple(named(node))
                if len(names) > len(found.get(node["type"], ())) and _fit(node, names):
                    found[node["type"]] = names
    return found


def places(node: Mapping[str, Any], orders: Orders, *, strict: bool = True) -> list[str]:
    """Return the name of each saved value of a node; a second value is called as the first with COMPANION behind.

    A node that names all of its widgets is believed, for the others `orders` counts. Empty when the values are saved by
    name, or when nothing names them all. Raises GraphError when there are more values than widgets; without `strict`
    those have no name.
    """
    values = node.get("widgets_values")
    if not isinstance(values, list):
        return []
    names: Sequence[str] = named(node)
    if not _fit(node, names):
        known = orders.get(str(node.get("type")), ())
        names = known if set(names) <= set(known) else ()
    if not names:
        return []
    found = _assign(values, names)
    surplus = len(values) - len(found)
    if surplus and strict:
        raise GraphError(
            f"{node_name(node.get('id'), node.get('title'), node.get('type'))} has {surplus} saved value"
            f"{'s' * (surplus != 1)} too many for its {len(names)} widgets: look at that node on the canvas and save "
            "the graph again"
        )
    return found + [""] * surplus


def value_of(node: Mapping[str, Any], widget: str, orders: Orders) -> Any:
    """Return the saved value of a widget. Raises KeyError when the file does not tell it."""
    values = node.get("widgets_values")
    if isinstance(values, dict):
        return values[widget]
    found = places(node, orders, strict=False)
    if widget not in found:
        raise KeyError(widget)
    return node["widgets_values"][found.index(widget)]


def _fit(node: Mapping[str, Any], names: Sequence[str]) -> bool:
    values = node.get("widgets_values")
    return bool(names) and isinstance(values, list) and len(_assign(values, names)) == len(values) >= len(names)


def _assign(values: Sequence[Any], names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        if len(found) >= len(values):
            break
        found.append(name)
        if len(found) < len(values) and _is_companion(name, values[len(found)]):
            found.append(name + COMPANION)
    return found


def _is_companion(name: str, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    return value in _CONTROLS if "seed" in name or name == "value" else name in _UPLOADS and value in _UPLOADS
