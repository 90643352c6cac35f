"""The graph as it stands on the canvas after loading: nodes with live widgets, promoted widgets and settled links.

This mirrors what ComfyUI_frontend 1.32.9 does between opening a file and queueing it, where it changes what is sent:
widget values are placed by position, inputs found by name, subgraph widgets promoted and primitives applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ...portrait.reading import parse_json
from . import values
from .classes import NodeClass, NodeClasses, Widget, frontend
from .document import INPUT_NODE, GraphError, Level, Link, Node, UIGraph
from .growing import grown

# Sampler names had a prefix once; the frontend removes it in the root graph.
_SAMPLERS = ("KSampler", "KSamplerAdvanced")
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

    def promoted(self, name: str) -> LiveWidget:
        """Return the copy that a subgraph node shows under the name of its input."""
        if self.spec.kind == "TEXT":
            return LiveWidget(name, self.spec, self.cell)
        spec = replace(self.spec, kind="COMBO") if self.spec.kind == "FILE" else self.spec
        return LiveWidget(name, spec, Cell(self.value))


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
    """The root or a subgraph definition on the canvas; every instance of a subgraph shows the same one."""

    level: Level
    nodes: dict[str, LiveNode] = field(default_factory=dict)
    links: dict[int, Link] = field(default_factory=dict)

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


class Canvas:
    """A loaded graph. `root` is the level a person sees first; `subgraphs` the definitions by id."""

    def __init__(self, graph: UIGraph, classes: NodeClasses):
        self.source = graph.source
        self.classes = classes
        self.subgraphs = {level.id: LiveLevel(level) for level in graph.subgraphs.values()}
        self.instances: dict[str, list[LiveNode]] = {key: [] for key in self.subgraphs}
        self.root = LiveLevel(graph.root)
        for level in self.subgraphs.values():
            self._load(level)
            self._announce_inputs(level)
        self._load(self.root)
        self._settle(self.root, set())

    def fail(self, what: str) -> GraphError:
        """Return the error for something that cannot be converted."""
        return GraphError(f"{self.source}: {what}.")

    def every_node(self, level: LiveLevel | None = None) -> Iterator[LiveNode]:
        """Yield every node, those of a subgraph before the node that stands for it."""
        for node in (level or self.root).nodes.values():
            if node.inside:
                yield from self.every_node(node.inside)
            yield node

    def _load(self, live: LiveLevel) -> None:
        live.links = {link.id: replace(link) for link in live.level.links.values()}
        fresh = [(node, self._create(node, live)) for node in live.level.nodes.values()]
        live.nodes = {node.id: created for node, created in fresh}
        for _, created in fresh:
            if created.inside:
                self.instances[created.inside.level.id].append(created)
                self._promote(created)
            self._fill(created)

    def _create(self, node: Node, live: LiveLevel) -> LiveNode:
        kind = frontend()["renamed"].get(node.type, node.type)
        if kind in self.subgraphs:
            inside = self.subgraphs[kind]
            inputs = _merge([LiveInput(port.name, port.type) for port in inside.level.inputs], node)
            return LiveNode(node, live, None, inputs, [port.type for port in inside.level.outputs], inside=inside)
        if kind in self.classes:
            known = self.classes[kind]
            node_class = grown(known, node.values if isinstance(node.values, dict) else known.realign(node.values))
            named = {widget.name for widget in node_class.widgets}
            declared = [LiveInput(name, type_) for name, type_ in node_class.sockets]
            for slot in declared[len(declared) - node_class.sites :]:
                slot.widget = slot.name if slot.name in named else None
            saved = [output.type for output in node.outputs[len(node_class.outputs) :]]
            created = LiveNode(node, live, node_class, _merge(declared, node), [*node_class.outputs, *saved])
            created.widgets = [
                LiveWidget(widget.name, widget, Cell(values.accepted(widget, widget.default)))
                for widget in node_class.widgets
            ]
            return created
        inputs = [LiveInput(slot.name, slot.type, slot.link, slot.widget) for slot in node.inputs]
        return LiveNode(node, live, None, inputs, [output.type for output in node.outputs])

    def _promote(self, node: LiveNode) -> None:
        """Show on a subgraph node the widgets that its inputs lead to."""
        assert node.inside is not None
        for port in node.inside.level.inputs:
            slot = next(slot for slot in node.inputs if slot.name == port.name)
            for link_id in port.links:
                link = node.inside.links.get(link_id)
                target = node.inside.nodes.get(link.target) if link else None
                if link is None or target is None or link.target_slot >= len(target.inputs):
                    continue
                widget = target.widget(target.inputs[link.target_slot].widget)
                if widget:
                    self._show(node, slot, widget)
                    break

    def _show(self, node: LiveNode, slot: LiveInput, widget: LiveWidget) -> None:
        node.widgets.insert(sum(other.widget is not None for other in node.inputs), widget.promoted(slot.name))
        slot.widget = slot.name

    def _announce_inputs(self, inside: LiveLevel) -> None:
        """Promote into the nodes that were loaded before the definition they show.

        The frontend then finds a widget only when it is named like the input.
        """
        for node in self.instances[inside.level.id]:
            for port in inside.level.inputs:
                slot = next(slot for slot in node.inputs if slot.name == port.name)
                link = inside.links.get(port.links[0]) if port.links else None
                target = inside.nodes.get(link.target) if link else None
                widget = target.widget(port.name) if target else None
                if widget:
                    self._show(node, slot, widget)

    def _fill(self, node: LiveNode) -> None:
        """Place the saved widget values."""
        saved = node.node.values
        if isinstance(saved, dict):
            for widget in node.widgets:
                if widget.name in saved:
                    widget.put(saved[widget.name])
            return
        if node.node_class:
            saved = node.node_class.realign(saved)
        for widget, value in zip([widget for widget in node.widgets if widget.spec.saved], saved, strict=False):
            widget.put(value)
        sampler = node.widget("sampler_name") if node.level is self.root and node.kind in _SAMPLERS else None
        if sampler and isinstance(sampler.value, str):
            sampler.put(sampler.value.removeprefix("sample_"))
        if node.inside and node.node.properties.get("proxyWidgets"):
            self._fill_proxies(node, saved)

    def _fill_proxies(self, node: LiveNode, saved: list) -> None:
        """Keep the promoted widgets that `proxyWidgets` lists, and place their values by name.

        Its other entries show widgets of inner nodes, whose values are saved in the definition.
        """
        pairs = node.node.properties["proxyWidgets"]
        try:
            pairs = parse_json(pairs) if isinstance(pairs, str) else pairs
            pairs = [(owner, name) for owner, name in pairs]
        except (ValueError, TypeError) as error:
            raise self.fail(
                f"the proxyWidgets of {node.describe()} cannot be read; remove and promote them again"
            ) from error
        if not all(isinstance(part, str) for pair in pairs for part in pair):
            raise self.fail(f"the proxyWidgets of {node.describe()} cannot be read; remove and promote them again")
        own = {name for owner, name in pairs if owner == "-1"}
        listed = {name for _, name in pairs}
        node.widgets = [widget for widget in node.widgets if widget.name in own or widget.name not in listed]
        for (owner, name), value in zip(pairs, saved, strict=False):
            widget = node.widget(name)
            if owner == "-1" and widget and value is not None:
                widget.put(value)

    def _settle(self, live: LiveLevel, done: set[str]) -> None:
        """Point links at the inputs that hold them and drop inputs whose widget is gone from the class."""
        if live.level.id in done:
            return
        done.add(live.level.id)
        for node in live.nodes.values():
            if node.inside:
                self._settle(node.inside, done)
            if node.node_class:
                known = {widget.name for widget in node.widgets}
                node.inputs = [slot for slot in node.inputs if slot.widget is None or slot.widget in known]
            for index, slot in enumerate(node.inputs):
                if slot.link is not None:
                    live.links[slot.link].target_slot = index

    def apply_primitives(self, replace_text: Callable[[str], str]) -> None:
        """Give the widgets that primitives lead to the primitives' values."""
        for live in (self.root, *self.subgraphs.values()):
            for node in live.in_order():
                if node.node.type == "PrimitiveNode" and node.node_class is None:
                    self._apply_primitive(node, replace_text)

    def _apply_primitive(self, node: LiveNode, replace_text: Callable[[str], str]) -> None:
        targets = []
        for link_id in node.node.outputs[0].links if node.node.outputs else ():
            link = node.level.links.get(link_id)
            target = node.level.nodes.get(link.target) if link else None
            if link is None or target is None or link.target_slot >= len(target.inputs):
                continue
            targets.append((target, target.inputs[link.target_slot]))
        if not targets:
            return
        if node.level is not self.root:
            raise self.fail(
                f"{node.describe()} is a primitive inside a subgraph, which ComfyUI itself cannot send; "
                "replace it by a node such as PrimitiveInt or promote the widget"
            )
        widgets = [widget for target, slot in targets if (widget := target.widget(slot.widget))]
        saved = node.node.values
        if not isinstance(saved, list) or not (saved or widgets):
            raise self.fail(f"{node.describe()} has no value; set one on the canvas and save")
        value = saved[0] if saved else widgets[0].value
        value = values.merged(value, [widget.spec for widget in widgets])
        if value and node.node.properties.get("Run widget replace on values"):
            value = replace_text(value)
        for widget in widgets:
            widget.put(values.changed(widget.spec, value))

    def sync_promoted(self) -> None:
        """Copy what subgraph nodes show into the widgets they were promoted from, outer levels first."""
        used: set[str] = set()
        waiting = [self.root]
        while waiting:
            for node in waiting.pop().nodes.values():
                if node.inside and node.inside.level.id not in used:
                    used.add(node.inside.level.id)
                    waiting.append(node.inside)
        for live in (self.root, *(live for key, live in self.subgraphs.items() if key in used)):
            for node in live.nodes.values():
                if not node.inside:
                    continue
                for widget in node.widgets:
                    port = next((port for port in node.inside.level.inputs if port.name == widget.name), None)
                    for link_id in port.links if port else ():
                        link = node.inside.links.get(link_id)
                        target = node.inside.nodes.get(link.target) if link else None
                        if link and target and link.origin == INPUT_NODE and link.target_slot < len(target.inputs):
                            inner = target.widget(target.inputs[link.target_slot].widget)
                            if inner:
                                inner.put(widget.value)


def _merge(declared: list[LiveInput], node: Node) -> list[LiveInput]:
    """Return the declared inputs with the links that the file has for them by name, then the file's further inputs."""
    saved = {slot.name: slot for slot in node.inputs}
    for slot in declared:
        if slot.name in saved:
            slot.link = saved[slot.name].link
    known = {slot.name for slot in declared}
    extra = [LiveInput(slot.name, slot.type, slot.link, slot.widget) for slot in node.inputs if slot.name not in known]
    return [*declared, *extra]
