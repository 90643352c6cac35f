"""What stands on the canvas: nodes with live widgets and inputs, and the levels that they are in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import values
from .classes import NodeClass, Widget, frontend
from .document import Level, Link, Node, Port

VIRTUAL = {"Reroute", "PrimitiveNode", "Note", "MarkdownNote", "SetNode", "GetNode"}


@dataclass(slots=True)
class Cell:
    """Where a value lives; the frontend lets copies of a multi-line text share one."""

    value: Any


@dataclass(slots=True)
class LiveWidget:
    """A widget on a node; `name` is its own, `kind` comes from the class that declared it."""

    name: str
    spec: Widget
    cell: Cell

    @property
    def value(self) -> Any:
        """What the widget holds now."""
        return values.exposed(self.spec, self.cell.value)

    def put(self, value: Any) -> None:
        """Set the value as the canvas would on loading."""
        self.cell.value = values.accepted(self.spec, value)


@dataclass(slots=True)
class LiveInput:
    """An input of a live node; `widget` is the name of the widget it belongs to."""

    name: str
    type: str
    link: int | None = None
    widget: str | None = None


@dataclass(slots=True)
class LiveNode:
    """A node on the canvas. `inside` is the subgraph's level when this node stands for one."""

    node: Node
    level: LiveLevel
    node_class: NodeClass | None
    inputs: list[LiveInput]
    outputs: list[str]
    widgets: list[LiveWidget] = field(default_factory=list)
    inside: LiveLevel | None = None

    @property
    def id(self) -> str:
        """The node's id in its level."""
        return self.node.id

    @property
    def virtual(self) -> bool:
        """Whether it exists on the canvas alone and is never sent."""
        return self.inside is not None or (self.node_class is None and self.node.type in VIRTUAL)

    @property
    def kind(self) -> str:
        """The class the node is sent as."""
        return self.node_class.name if self.node_class else self.node.type

    @property
    def title(self) -> str:
        """The title that the prompt carries along."""
        return self.node.title or (self.node_class.title if self.node_class else self.node.type)

    @property
    def search_name(self) -> Any:
        """The name that %name.widget% in a file name finds it by first."""
        name = self.node.properties.get("Node name for S&R")
        if name is None and self.node_class and self.node_class.name not in frontend()["filename_prefix"]:
            return self.node_class.name
        return name

    def widget(self, name: str | None) -> LiveWidget | None:
        """Return the widget of that name."""
        return next((widget for widget in self.widgets if widget.name == name), None) if name is not None else None

    def describe(self) -> str:
        """Return words that let a person find the node."""
        return self.level.level.describe(self.node)


@dataclass(slots=True)
class LiveLevel:
    """The root or a subgraph definition on the canvas; every instance of a subgraph shows the same one.

    `ports` are the subgraph's inputs.
    """

    level: Level
    nodes: dict[str, LiveNode] = field(default_factory=dict)
    links: dict[int, Link] = field(default_factory=dict)
    ports: list[Port] = field(default_factory=list)

    def in_order(self) -> list[LiveNode]:
        """Return the nodes as litegraph orders them: Kahn's algorithm along the saved output links."""
        waiting = {node.id: sum(slot.link is not None for slot in node.inputs) for node in self.nodes.values()}
        queue = [node for node in self.nodes.values() if not waiting[node.id]]
        seen: set[int] = set()
        ordered: dict[str, LiveNode] = {}
        for node in queue:
            ordered[node.id] = node
            for output in node.node.outputs:
                for link_id in output.links:
                    link = self.links.get(link_id)
                    if link is None or link.id in seen:
                        continue
                    seen.add(link.id)
                    if link.target in waiting:
                        waiting[link.target] -= 1
                        if not waiting[link.target]:
                            queue.append(self.nodes[link.target])
        return [*ordered.values(), *(node for node in self.nodes.values() if node.id not in ordered)]
