"""A graph on the doctor's table: its nodes with their values, whatever format it is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import graph as graphs
from ..client import node_name, title_of
from ..graph import BYPASS, MUTED, NodeClasses, levels, shipped_orders, value_of
from ..jobs import ApiGraph, read_api

_ON_THE_CANVAS = ("CONTROL", "BUTTON")


@dataclass(frozen=True)
class PlacedNode:
    """A node that takes part; `value` gives an input, or raises KeyError when the file does not tell it."""

    id: str
    type: str
    title: str
    value: Callable[[str], Any]

    @property
    def words(self) -> str:
        """What lets a person find it on the canvas."""
        return node_name(self.id, self.title, self.type)


@dataclass(frozen=True)
class GraphUnderTest:
    """One graph: `ui` with what it declares, or `api`, which declares nothing."""

    name: str
    path: Path
    ui: graphs.UIGraph | None = None
    api: ApiGraph | None = None

    def nodes(self, orders: Mapping[str, Sequence[str]]) -> Iterator[PlacedNode]:
        """Yield the nodes that are neither muted nor bypassed; `orders` are the widgets of classes, by their values."""
        if self.api:
            for key, body in self.api.prompt.items():
                if isinstance(body, dict) and "class_type" in body:
                    title = title_of(body)
                    inputs = body["inputs"] if isinstance(body.get("inputs"), dict) else {}
                    yield PlacedNode(key, str(body["class_type"]), title, inputs.__getitem__)
        for level in levels(self.ui.data) if self.ui else ():
            for node in level["nodes"]:
                if node.get("mode") not in (MUTED, BYPASS):
                    yield PlacedNode(str(node["id"]), node["type"], node.get("title") or "", _reader(node, orders))


def read_graph(path: Path) -> GraphUnderTest:
    """Read a graph in either format. Raises GraphError or PromptError when it is neither."""
    api = read_api(path)
    return GraphUnderTest(path.name, path, api=api) if api else GraphUnderTest(path.name, path, ui=graphs.read(path))


def orders_of(object_info: Mapping[str, Any] | None) -> dict[str, Sequence[str]]:
    """Return the widgets of every class in the order of their values: a host's own where it runs, else the shipped."""
    orders: dict[str, Sequence[str]] = dict(shipped_orders())
    if object_info is not None:
        orders = _Orders(object_info)
    return orders


class _Orders(dict[str, Sequence[str]]):
    """The widget orders of a host, built for the classes that are asked for."""

    def __init__(self, object_info: Mapping[str, Any]) -> None:
        super().__init__()
        self.classes = NodeClasses(object_info)

    def get(self, key: str, default: Any = None) -> Any:
        if key not in self.classes:
            return default
        if key not in self:
            self[key] = [one.name for one in self.classes[key].widgets if one.saved and one.kind not in _ON_THE_CANVAS]
        return self[key]


def _reader(node: Mapping[str, Any], orders: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    return lambda widget: value_of(node, widget, orders)
