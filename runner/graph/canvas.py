"""The graph as it stands on the canvas after loading: nodes with live widgets, promoted widgets and settled links.

This mirrors what ComfyUI's frontend does between opening a file and queueing it, where it changes what is sent: widget
values are placed by position, inputs found by name, subgraph widgets promoted and primitives applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from . import values
from .classes import NodeClasses, frontend
from .document import GraphError, Node, UIGraph
from .frontends import Frontend
from .growing import grown
from .live import Cell, LiveInput, LiveLevel, LiveNode, LiveWidget
from .promotion import promotion_of

# Sampler names had a prefix once; the frontend removes it in the root graph.
_SAMPLERS = ("KSampler", "KSamplerAdvanced")


class Canvas:
    """A loaded graph. `root` is the level a person sees first; `subgraphs` the definitions by id."""

    def __init__(self, graph: UIGraph, object_info: Mapping[str, Any], frontend: Frontend):
        self.source = graph.source
        self.classes = NodeClasses(object_info, frontend.widget_types)
        self.frontend = frontend
        self.promotion = promotion_of(frontend, self.fail)
        self.subgraphs = {
            level.id: LiveLevel(level, ports=[replace(port) for port in level.inputs])
            for level in graph.subgraphs.values()
        }
        self.instances: dict[str, list[LiveNode]] = {key: [] for key in self.subgraphs}
        self.root = LiveLevel(graph.root)
        for level in self.promotion.order([*self.subgraphs.values()]):
            self._load(level)
            self.promotion.announce(level, self.instances[level.level.id])
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
                self.promotion.show(created)
            self._fill(created)
        self.promotion.migrate(live, self.instances)

    def _create(self, node: Node, live: LiveLevel) -> LiveNode:
        kind = frontend()["renamed"].get(node.type, node.type)
        if kind in self.subgraphs:
            inside = self.subgraphs[kind]
            inputs = _merge([LiveInput(port.name, port.type) for port in inside.ports], node)
            if not self.promotion.foreign_inputs:
                inputs = inputs[: len(inside.ports)]
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
            as_saved = self.frontend.does("sends_uploads_as_saved")
            for widget in node_class.widgets:
                spec = replace(widget, kind="COMBO") if widget.kind == "FILE" and as_saved else widget
                created.widgets.append(LiveWidget(widget.name, spec, Cell(values.accepted(widget, widget.default))))
            return created
        inputs = [LiveInput(slot.name, slot.type, slot.link, slot.widget) for slot in node.inputs]
        return LiveNode(node, live, None, inputs, [output.type for output in node.outputs])

    def _fill(self, node: LiveNode) -> None:
        """Place the saved widget values."""
        saved = node.node.values
        if node.inside and isinstance(saved, list):
            self.promotion.fill(node, saved)
            return
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
        if node.level is not self.root and not self.frontend.does("sends_inner_primitives"):
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
        """Copy what subgraphs' nodes show into the widgets they were promoted from, where the frontend does."""
        self.promotion.sync(self.root, self.subgraphs)


def _merge(declared: list[LiveInput], node: Node) -> list[LiveInput]:
    """Return the declared inputs with the links that the file has for them by name, then the file's further inputs."""
    saved = {slot.name: slot for slot in node.inputs}
    for slot in declared:
        if slot.name in saved:
            slot.link = saved[slot.name].link
    known = {slot.name for slot in declared}
    extra = [LiveInput(slot.name, slot.type, slot.link, slot.widget) for slot in node.inputs if slot.name not in known]
    return [*declared, *extra]
