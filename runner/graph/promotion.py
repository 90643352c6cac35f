"""How the node of a subgraph shows widgets of the nodes inside: three ways, by the frontend that is followed.

After ComfyUI_frontend's SubgraphNode.ts, and since 1.46 core/graph/subgraph/migration/proxyWidgetMigration.ts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count, zip_longest

from ...portrait.reading import parse_json
from .document import INPUT_NODE, GraphError, Link, Port
from .frontends import Frontend
from .live import Cell, LiveInput, LiveLevel, LiveNode, LiveWidget

Instances = Mapping[str, Sequence[LiveNode]]

# Since 1.46 a subgraph's node that was saved before may call a widget "27: seed", by the node it is on.
_OLD_NAME = re.compile(r"\s*(\d+)\s*:\s*(.+)")


def promotion_of(frontend: Frontend, fail: Callable[[str], GraphError]) -> Copies:
    """Return the way of a frontend; `fail` makes the error for something that cannot be read."""
    return {"copies": Copies, "shown": Shown, "kept": OwnValues}[frontend.promotion](frontend, fail)


class Copies:
    """Each node has copies, whose values go inside when the prompt is made; copies of a text share one value."""

    foreign_inputs = True

    def __init__(self, frontend: Frontend, fail: Callable[[str], GraphError]):
        self.by_link = frontend.does("finds_inputs_by_link")
        self.fail = fail

    def order(self, levels: Sequence[LiveLevel]) -> Sequence[LiveLevel]:
        """Return the definitions in the order in which they are loaded."""
        return levels

    def widget_at(self, inside: LiveLevel, link_id: int) -> tuple[LiveNode, LiveInput, LiveWidget | None] | None:
        """Return the node, the input and the widget that a link from the subgraph's own inputs leads to."""
        link = inside.links.get(link_id)
        target = inside.nodes.get(link.target) if link else None
        if link is None or target is None:
            return None
        if self.by_link:
            slot = next((slot for slot in target.inputs if slot.link == link_id), None)
        else:
            slot = target.inputs[link.target_slot] if link.target_slot < len(target.inputs) else None
        return (target, slot, target.widget(slot.widget)) if slot else None

    def show(self, node: LiveNode) -> None:
        """Show on a subgraph's node the widgets that its inputs lead to."""
        assert node.inside is not None
        for port in node.inside.ports:
            for link_id in port.links:
                found = self.widget_at(node.inside, link_id)
                if found and found[2]:
                    self.put_on(node, port.name, found[2])
                    break

    def put_on(self, node: LiveNode, name: str, widget: LiveWidget) -> None:
        """Show a widget at the input of that name."""
        slot = next(slot for slot in node.inputs if slot.name == name)
        node.widgets.insert(sum(other.widget is not None for other in node.inputs), self.shown(name, widget))
        slot.widget = name

    def shown(self, name: str, widget: LiveWidget) -> LiveWidget:
        """Return what stands for a widget on the subgraph's node."""
        if widget.spec.kind == "TEXT":
            return LiveWidget(name, widget.spec, widget.cell)
        return _own(name, widget)

    def announce(self, inside: LiveLevel, instances: Sequence[LiveNode]) -> None:
        """Show widgets on the nodes that were loaded before the definition they stand for.

        The frontend then finds a widget only when it is named like the input.
        """
        for node in instances:
            for port in inside.ports:
                link = inside.links.get(port.links[0]) if port.links else None
                target = inside.nodes.get(link.target) if link else None
                widget = target.widget(port.name) if target else None
                if widget:
                    self.put_on(node, port.name, widget)

    def fill(self, node: LiveNode, saved: list) -> None:
        """Place the saved values of a subgraph's node.

        Widgets that `proxyWidgets` lists as the node's own have their values by name; its other entries show widgets of
        inner nodes, whose values are saved in the definition.
        """
        for widget, value in zip([widget for widget in node.widgets if widget.spec.saved], saved, strict=False):
            widget.put(value)
        listed = self.proxies(node)
        if not listed:
            return
        own = {name for owner, name, _ in listed if owner == "-1"}
        named = {name for _, name, _ in listed}
        node.widgets = [widget for widget in node.widgets if widget.name in own or widget.name not in named]
        for (owner, name, _), value in zip(listed, saved, strict=False):
            widget = node.widget(name)
            if owner == "-1" and widget and value is not None:
                widget.put(value)

    def proxies(self, node: LiveNode) -> list[tuple[str, str, str]]:
        """Return what `proxyWidgets` lists: the inner node ("-1": the subgraph's own), the widget, and in graphs of
        1.41 to 1.45 the node deeper inside that has it. Raises GraphError for what is not made so."""
        listed = node.node.properties.get("proxyWidgets") or []
        try:
            listed = parse_json(listed) if isinstance(listed, str) else listed
            found = [(owner, name, *source) for owner, name, *source in listed]
        except (ValueError, TypeError) as error:
            raise self._unreadable(node) from error
        if not all(len(entry) < 4 and all(isinstance(part, str) for part in entry) for entry in found):
            raise self._unreadable(node)
        return [(entry[0], entry[1], entry[2] if len(entry) == 3 else "") for entry in found]

    def _unreadable(self, node: LiveNode) -> GraphError:
        return self.fail(f"the proxyWidgets of {node.describe()} cannot be read; remove and promote them again")

    def migrate(self, level: LiveLevel, instances: Instances) -> None:
        """Do what the frontend does to the subgraphs' nodes of a level once all of it is loaded: nothing here."""

    def sync(self, root: LiveLevel, subgraphs: Mapping[str, LiveLevel]) -> None:
        """Copy what subgraphs' nodes show into the widgets they were promoted from, outer levels first."""
        used: set[str] = set()
        waiting = [root]
        while waiting:
            for node in waiting.pop().nodes.values():
                if node.inside and node.inside.level.id not in used:
                    used.add(node.inside.level.id)
                    waiting.append(node.inside)
        for live in (root, *(live for key, live in subgraphs.items() if key in used)):
            for node in live.nodes.values():
                for widget in node.widgets if node.inside else ():
                    for inner in _fed(node, widget.name):
                        inner.put(widget.value)


class Shown(Copies):
    """Each node shows the inner widgets themselves, which all nodes of a subgraph share; saved values are ignored."""

    foreign_inputs = False

    def order(self, levels: Sequence[LiveLevel]) -> Sequence[LiveLevel]:
        """Return the definitions with those first that others use."""
        waiting = {level.level.id: level for level in levels}
        ordered: list[LiveLevel] = []
        while waiting:
            ready = [
                level
                for level in waiting.values()
                if not any(node.type in waiting for node in level.level.nodes.values() if node.type != level.level.id)
            ]
            for level in ready:
                ordered.append(waiting.pop(level.level.id))
        return ordered

    def shown(self, name: str, widget: LiveWidget) -> LiveWidget:
        """Return the inner widget under the name of the input."""
        return LiveWidget(name, widget.spec, widget.cell)

    def announce(self, inside: LiveLevel, instances: Sequence[LiveNode]) -> None:
        """No node is loaded before the definition it stands for."""

    def fill(self, node: LiveNode, saved: list) -> None:
        """The values are those of the inner widgets."""
        self.proxies(node)

    def sync(self, root: LiveLevel, subgraphs: Mapping[str, LiveLevel]) -> None:
        """Nothing is copied."""


class OwnValues(Shown):
    """Each node keeps values of its own, and what `proxyWidgets` lists becomes inputs of the subgraph."""

    def __init__(self, frontend: Frontend, fail: Callable[[str], GraphError]):
        super().__init__(frontend, fail)
        # The inputs that primitives became, by subgraph and primitive.
        self.replaced: dict[tuple[str, str], Port] = {}

    def shown(self, name: str, widget: LiveWidget) -> LiveWidget:
        """Return a widget that starts with the inner one's value and goes its own way."""
        return _own(name, widget)

    def fill(self, node: LiveNode, saved: list) -> None:
        """Place the saved values in the order of the inputs that have widgets; they are kept as they are."""
        shown = [widget for slot in node.inputs if (widget := node.widget(slot.widget))]
        for widget, value in zip(shown, saved, strict=False):
            widget.cell.value = value

    def migrate(self, level: LiveLevel, instances: Instances) -> None:
        """Turn what `proxyWidgets` lists into inputs, with the values saved in its order; primitives come last."""
        for node in level.nodes.values():
            if node.inside is None:
                continue
            saved = node.node.values if isinstance(node.node.values, list) else []
            listed = [(*entry, value) for entry, value in zip_longest(self.proxies(node), saved) if entry]
            listed.sort(key=lambda entry: self._primitive(node, entry[0]) is not None)
            others = instances[node.inside.level.id]
            for owner, name, source, value in listed:
                primitive = self._primitive(node, owner)
                slot = (
                    self._input_for_primitive(node, primitive, name, others)
                    if primitive
                    else self._input_for(node, owner, name, source, others)
                )
                widget = node.widget(slot.widget) if slot else None
                if widget and value is not None:
                    widget.cell.value = value

    def _primitive(self, node: LiveNode, owner: str) -> LiveNode | None:
        assert node.inside is not None
        found = node.inside.nodes.get(owner)
        return found if found and found.node.type == "PrimitiveNode" and found.node_class is None else None

    def _input_for_primitive(
        self, node: LiveNode, primitive: LiveNode, name: str, instances: Iterable[LiveNode]
    ) -> LiveInput | None:
        """Return the input that takes the place of a primitive; it starts with the primitive's value."""
        assert node.inside is not None
        known = self.replaced.get((node.inside.level.id, primitive.id))
        if known is None:
            links = [node.inside.links.get(link) for output in primitive.node.outputs[:1] for link in output.links]
            ends = [(node.inside.nodes[link.target], link.id) for link in links if link]
            targets = [(end, slot) for end, link_id in ends for slot in end.inputs if slot.link == link_id]
            kinds = {primitive.outputs[0], *(slot.type for _, slot in targets)} - {"*"} if targets else set()
            if not targets or len(kinds) > 1:
                return None
            known = self._new_port(node.inside, targets, primitive.node.title or name, instances)
            self.replaced[node.inside.level.id, primitive.id] = known
            values = primitive.node.values
            for other in instances if isinstance(values, list) and values else ():
                if widget := other.widget(known.name):
                    widget.cell.value = values[0]
        return next((slot for slot in node.inputs if slot.name == known.name), None)

    def _input_for(
        self, node: LiveNode, owner: str, name: str, source: str, instances: Iterable[LiveNode]
    ) -> LiveInput | None:
        """Return the input that shows a widget of the inner node `owner`; it is made where there is none."""
        assert node.inside is not None
        target = node.inside.nodes.get(owner)
        if owner == "-1" or target is None:
            return next((slot for slot in node.inputs if owner == "-1" and slot.name == name), None)
        while self._slot_of(target, name, source) is None and (old := _OLD_NAME.fullmatch(name)):
            source, name = old[1], old[2]
        held = next((port for port in node.inside.ports if self._leads_to(node.inside, port) == (owner, name)), None)
        slot = self._slot_of(target, name, source)
        if held is None:
            if slot is None:
                return None
            held = self._new_port(node.inside, [(target, slot)], name, instances)
        return next((slot for slot in node.inputs if slot.name == held.name), None)

    def _leads_to(self, inside: LiveLevel, port: Port) -> tuple[str, str] | None:
        """Return the node inside, and its widget or the input of a block, that an input of the subgraph leads to."""
        for link_id in port.links:
            found = self.widget_at(inside, link_id)
            if found and (found[0].inside or found[2]):
                return found[0].id, found[1].name if found[0].inside else str(found[1].widget)
        return None

    def _slot_of(self, target: LiveNode, name: str, source: str) -> LiveInput | None:
        """Return the input of an inner node whose widget has that name, or of a block inside that shows it."""
        if not target.inside:
            return next((slot for slot in target.inputs if slot.widget == name and target.widget(name)), None)
        for port, slot in zip(target.inside.ports, target.inputs, strict=False):
            leads = self._leads_to(target.inside, port)
            if leads == (source, name) if source else slot.name == name or (leads and leads[1] == name):
                return slot if slot.widget else None
        return None

    def _new_port(
        self, inside: LiveLevel, targets: Sequence[tuple[LiveNode, LiveInput]], name: str, instances: Iterable[LiveNode]
    ) -> Port:
        """Give the subgraph an input that feeds inputs of inner nodes, whatever fed them before."""
        taken = {port.name for port in inside.ports}
        free = next(one for one in chain([name], (f"{name}_{i}" for i in count(1))) if one not in taken)
        made = Port(free, targets[0][1].type, [])
        for target, slot in targets:
            gone, slot.link = slot.link, max(inside.links, default=0) + 1
            inside.links[slot.link] = Link(slot.link, INPUT_NODE, len(inside.ports), target.id, 0)
            made.links.append(slot.link)
            if gone is not None:
                inside.links.pop(gone, None)
                for port in inside.ports:
                    port.links = [link for link in port.links if link != gone]
        inside.ports.append(made)
        widget = next((widget for target, slot in targets if (widget := target.widget(slot.widget))), None)
        for node in instances:
            node.inputs.append(LiveInput(free, made.type))
            if widget:
                self.put_on(node, free, widget)
        return made


def _own(name: str, widget: LiveWidget) -> LiveWidget:
    spec = replace(widget.spec, kind="COMBO") if widget.spec.kind == "FILE" else widget.spec
    return LiveWidget(name, spec, Cell(widget.value))


def _fed(node: LiveNode, name: str) -> Iterator[LiveWidget]:
    """Yield the inner widgets that the input of that name feeds."""
    assert node.inside is not None
    port = next((port for port in node.inside.ports if port.name == name), None)
    for link_id in port.links if port else ():
        link = node.inside.links.get(link_id)
        target = node.inside.nodes.get(link.target) if link else None
        if link and target and link.origin == INPUT_NODE and link.target_slot < len(target.inputs):
            inner = target.widget(target.inputs[link.target_slot].widget)
            if inner:
                yield inner
