"""What a UI graph consists of, as the frontend saves it.

The format is the frontend's: `nodes`, `links` (arrays in version 0.4, objects in version 1 and inside subgraphs) and
`definitions.subgraphs`, whose own links use the node ids INPUT_NODE and OUTPUT_NODE for the subgraph's boundary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...portrait.errors import PortraitError
from ..client import exit_code, node_name

INPUT_NODE = "-10"
OUTPUT_NODE = "-20"
MUTED = 2
BYPASS = 4


class GraphError(PortraitError):
    """The graph is broken, or holds something that cannot be converted faithfully."""

    key = "graph"
    exit_code = exit_code("graph")


@dataclass(slots=True)
class Slot:
    """One input of a node as the file has it; `widget` names the widget that the input belongs to."""

    name: str
    type: str
    link: int | None
    widget: str | None = None


@dataclass(slots=True)
class Link:
    """An edge; node ids are strings."""

    id: int
    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(slots=True)
class Port:
    """An output of a node, or an input or output of a subgraph, with the ids of the links that meet it inside."""

    name: str
    type: str
    links: list[int]


@dataclass(slots=True)
class Node:
    """One node as the file has it; `values` is `widgets_values`, a list, or a mapping from some packs' own scripts."""

    id: str
    type: str
    title: str
    mode: int
    inputs: list[Slot]
    outputs: list[Port]
    values: list | dict
    properties: dict


@dataclass(slots=True)
class Level:
    """The root graph (`id` is empty) or one subgraph definition."""

    id: str
    name: str
    nodes: dict[str, Node]
    links: dict[int, Link]
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)

    def describe(self, node: Node) -> str:
        """Return words that let a person find the node on the canvas."""
        where = f" in subgraph {self.name!r}" if self.id else ""
        return node_name(node.id, node.title, node.type) + where


@dataclass(slots=True)
class UIGraph:
    """A graph that passed every check of `parse`; `data` is the JSON it came from, `source` what to call it."""

    source: str
    data: dict[str, Any]
    root: Level
    subgraphs: dict[str, Level]

    def levels(self) -> Iterator[Level]:
        """Yield the root and every subgraph definition."""
        yield self.root
        yield from self.subgraphs.values()


def is_api(data: Any) -> bool:
    """Say whether decoded JSON is a graph in API format (what `/prompt` takes)."""
    return (
        isinstance(data, dict)
        and bool(data)
        and all(isinstance(node, dict) and isinstance(node.get("class_type"), str) for node in data.values())
    )
