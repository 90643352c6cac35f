"""UI graph -> API prompt, equal to what the frontend posts, and the pruning that a prompt needs before submission."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..client import prompt_node_name
from . import values
from .canvas import Canvas
from .classes import UNDEFINED, canvas_inputs, frontend
from .collecting import collection_paused
from .cycles import cycle_words, find_cycle
from .document import BYPASS, INPUT_NODE, MUTED, UIGraph
from .expansion import limits
from .frontends import frontend_for
from .live import LiveNode, LiveWidget


@dataclass(slots=True)
class ExpandedNode:
    """A node at one place of the expanded graph; `parent` is the subgraph node it is in, `inside` what is in it."""

    id: str
    live: LiveNode
    parent: ExpandedNode | None
    siblings: dict[str, ExpandedNode]
    inside: dict[str, ExpandedNode]


def to_api(
    graph: UIGraph,
    object_info: Mapping[str, Any],
    *,
    seed: int | None = None,
    now: datetime | None = None,
    frontend: str = "",
) -> dict[str, Any]:
    """Return the prompt that ComfyUI's frontend would post for this graph on the host of `object_info`.

    `frontend` is the version that the host has; where it is not known, the one that saved the graph counts. Node ids
    are those of the file, also where newer frontends number nodes of different subgraphs again. `seed` decides {a|b}
    alternatives in prompt texts, which the frontend takes at random; `now` is the time for %date:...% in file names,
    the present by default.

    Raises GraphError for what cannot be converted faithfully: classes the host lacks (by name), group nodes, nodes that
    need a live browser, alternatives without a seed, a cycle through subgraphs.
    """
    with collection_paused():
        canvas = Canvas(graph, object_info, frontend_for(graph, frontend))
        return Conversion(canvas, seed, now).prompt()


def prune(prompt: Mapping[str, Any], object_info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prompt without what a host need not, or must not, see.

    Left out are nodes that no output node needs (ComfyUI's worker dies of one that has no inputs), keys that are not
    nodes, and inputs that only the canvas reads. Nodes of classes that the host does not know are kept, so that it can
    name them.
    """
    nodes = {key: node for key, node in prompt.items() if isinstance(node, dict) and "class_type" in node}
    wanted = [
        key
        for key, node in nodes.items()
        if node["class_type"] not in object_info or object_info[node["class_type"]].get("output_node")
    ]
    kept: set[str] = set()
    while wanted:
        key = wanted.pop()
        if key in kept or key not in nodes:
            continue
        kept.add(key)
        wanted += [str(value[0]) for value in (nodes[key].get("inputs") or {}).values() if is_link(value)]
    pruned = {}
    for key, node in nodes.items():
        if key in kept:
            info = object_info.get(node["class_type"])
            idle = canvas_inputs(node["class_type"], info) if info else set()
            inputs = {name: value for name, value in (node.get("inputs") or {}).items() if name not in idle}
            pruned[key] = {**node, "inputs": inputs}
    return pruned


def is_link(value: Any) -> bool:
    """Say whether an input's value in a prompt is a link, [node id, output index]."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], int)


def prompt_cycle(prompt: Mapping[str, Any]) -> str:
    """Return what to say of a cycle in an API prompt, each node by its title or class; empty when there is none."""
    needs = {
        key: [str(value[0]) for value in (node.get("inputs") or {}).values() if is_link(value)]
        for key, node in prompt.items()
    }
    return cycle_words(prompt_node_name(prompt, key) for key in find_cycle(needs))


class Conversion:
    """A loaded graph on its way to a prompt; with `keep_foreign`, nodes that cannot be sent are kept to be checked."""

    def __init__(
        self, canvas: Canvas, seed: int | None = None, now: datetime | None = None, keep_foreign: bool = False
    ) -> None:
        self.canvas = canvas
        self.chance = None if seed is None else random.Random(seed)
        self.now = now or datetime.now()
        self.keep_foreign = keep_foreign
        self.known: dict[tuple[str, str], LiveNode] = {}
        self.setters: dict[int, dict[str, list[ExpandedNode]]] = {}
        self.hops = 0
        self.nodes = self._expand()

    def active(self) -> list[ExpandedNode]:
        """Return the nodes that are sent: neither virtual nor muted nor bypassed."""
        return [node for node in self.nodes if not node.live.virtual and node.live.node.mode not in (MUTED, BYPASS)]

    def prompt(self) -> dict[str, Any]:
        """Return the API prompt. Raises GraphError as `to_api` does."""
        self.canvas.apply_primitives(self._replace_names)
        self.canvas.sync_promoted()
        nodes = self.active()
        if not self.keep_foreign:
            self._refuse_foreign(nodes)
        output = {node.id: self._node(node) for node in nodes}
        for sent in output.values():
            gone = [name for name, value in sent["inputs"].items() if is_link(value) and value[0] not in output]
            for name in gone:
                del sent["inputs"][name]
        if words := prompt_cycle(output):
            raise self.canvas.fail(words)
        # A browser lists the keys of an object that look like integers first, in rising order.
        whole = sorted((key for key in output if key.isdecimal() and str(int(key)) == key), key=int)
        first = set(whole)
        return {key: output[key] for key in [*whole, *(key for key in output if key not in first)]}

    def _expand(self) -> list[ExpandedNode]:
        found: list[ExpandedNode] = []
        skip_off = self.canvas.frontend.does("leaves_out_what_is_off")

        def enter(nodes: list[LiveNode], parent: ExpandedNode | None, siblings: dict[str, ExpandedNode]) -> None:
            for live in nodes:
                path = f"{parent.id}:{live.id}" if parent else live.id
                node = siblings[live.id] = ExpandedNode(path, live, parent, siblings, {})
                if live.inside and not (skip_off and parent is None and live.node.mode in (MUTED, BYPASS)):
                    enter(list(live.inside.nodes.values()), node, node.inside)
                found.append(node)

        enter(self.canvas.root.in_order(), None, {})
        return found

    def _refuse_foreign(self, nodes: list[ExpandedNode]) -> None:
        """Refuse nodes that this host does not have, and those whose value only a browser can make."""
        unknown: dict[str, list[str]] = {}
        for node in nodes:
            kind = node.live.node.type
            if node.live.node_class is None:
                unknown.setdefault(kind, []).append(node.id)
            elif kind in frontend()["live"]:
                raise self.canvas.fail(f"{node.live.describe()} cannot be sent: {frontend()['live'][kind]}")
        groups = [kind for kind in unknown if kind.startswith(("workflow>", "workflow/"))]
        if groups:
            listed = ", ".join(repr(kind) for kind in groups)
            raise self.canvas.fail(f"group nodes ({listed}) are not converted; on the canvas, turn them into subgraphs")
        if unknown:
            listed = ", ".join(f"{kind} (node {', '.join(ids)})" for kind, ids in unknown.items())
            raise self.canvas.fail(f"this host has no node class {listed}; install the packs they come from")

    def _node(self, node: ExpandedNode) -> dict[str, Any]:
        live = node.live
        linked: dict[str, Any] = {}
        for index, slot in enumerate(live.inputs):
            found = self._resolve(node, index)
            if found is not None:
                linked[slot.name] = found[0]
        inputs: dict[str, Any] = {}
        for widget in live.widgets:
            if widget.spec.sent and (widget.name in linked or widget.value is not UNDEFINED):
                inputs[widget.name] = None if widget.name in linked else self._value(live, widget)
        inputs |= linked
        return {"inputs": inputs, "class_type": live.kind, "_meta": {"title": live.title}}

    def _value(self, live: LiveNode, widget: LiveWidget) -> Any:
        """Return what a widget sends."""
        value = widget.value
        if widget.spec.dynamic and isinstance(value, str):
            try:
                return values.choose(value, self.chance)
            except values.UndecidedError:
                raise self.canvas.fail(
                    f"{widget.name!r} of {live.describe()} offers {{a|b}} alternatives; give a seed to choose by"
                ) from None
            except values.NestedError:
                raise self.canvas.fail(
                    f"the {{a|b}} alternatives in {widget.name!r} of {live.describe()} are nested more than "
                    f"{values.MOST_BRACES} deep; take some braces out"
                ) from None
        if widget.name == "filename_prefix" and live.node.type in frontend()["filename_prefix"]:
            return self._replace_names(value) if isinstance(value, str) else value
        return values.sent(value)

    def _replace_names(self, template: Any) -> Any:
        if not isinstance(template, str):
            return template
        return values.replace_names(template, self._find, self.now)

    def _find(self, owner: str, name: str) -> Any:
        """Return the value of a widget by its node's search name or title."""
        if not self.known:
            for node in self.canvas.every_node():
                if isinstance(node.search_name, str):
                    self.known.setdefault(("name", node.search_name), node)
                self.known.setdefault(("title", node.title), node)
        found = self.known.get(("name", owner)) or self.known.get(("title", owner))
        widget = found.widget(name) if found else None
        if widget is None:
            raise KeyError(name)
        return widget.value

    def _resolve(self, node: ExpandedNode, slot: int) -> tuple[Any] | None:
        """Follow an input to what feeds it: a boxed [node id, output] or subgraph widget value, or None.

        Reroutes, bypassed nodes and subgraph boundaries are passed through on the way.
        """
        seen: set[tuple[str, str, int]] = set()
        wanted: str | None = None
        upstream = True
        while (node.id, "in" if upstream else "out", slot) not in seen:
            seen.add((node.id, "in" if upstream else "out", slot))
            self.hops += 1
            if self.hops > limits()["hops"]:
                raise self.canvas.fail(
                    f"its links lead through more than {limits()['hops']:,} reroutes and subgraphs in all; "
                    "shorten the chains of reroutes"
                )
            live = node.live
            if upstream:
                link_id = live.inputs[slot].link if slot < len(live.inputs) else None
                if link_id is None:
                    return None
                link = live.level.links[link_id]
                if node.parent and link.origin == INPUT_NODE:
                    outer = node.parent.live.inputs[link.origin_slot]
                    if outer.link is None:
                        widget = node.parent.live.widget(outer.widget)
                        return None if widget is None else (values.sent(widget.value),)
                    node, slot, wanted = node.parent, link.origin_slot, None
                    continue
                wanted = wanted if wanted is not None else live.inputs[slot].type
                node, slot, upstream = node.siblings[link.origin], link.origin_slot, False
            elif live.node.mode == MUTED and self.canvas.frontend.does("muted_nodes_give_nothing"):
                return None
            elif live.node.mode == BYPASS:
                index = self._bypass(live, slot, wanted or "*")
                if index is None:
                    return None
                slot, wanted, upstream = index, None, True
            elif live.inside:
                port = live.inside.level.outputs[slot] if slot < len(live.inside.level.outputs) else None
                link = (
                    next((live.inside.links[i] for i in port.links if i in live.inside.links), None) if port else None
                )
                if link is None:
                    return None
                if not node.inside and live.node.mode == MUTED:
                    return None
                if link.origin not in node.inside:
                    raise self.canvas.fail(f"output {slot} of {live.describe()} is fed by no node inside the subgraph")
                node, slot = node.inside[link.origin], link.origin_slot
            elif live.virtual:
                if live.node.type == "GetNode":
                    node, slot = self._setter(node), 0
                if slot >= len(node.live.inputs) or node.live.inputs[slot].link is None:
                    return None
                upstream = True
            else:
                return ([node.id, slot],)
        raise self.canvas.fail(f"{node.live.describe()} feeds itself")

    def _setter(self, node: ExpandedNode) -> ExpandedNode:
        """Return the SetNode whose name a GetNode has."""
        name = _first(node.live)
        setters = self.setters.get(id(node.siblings))
        if setters is None:
            setters = self.setters[id(node.siblings)] = {}
            for other in node.siblings.values():
                if other.live.node.type == "SetNode":
                    setters.setdefault(repr(_first(other.live)), []).append(other)
        found = setters.get(repr(name), [])
        if len(found) != 1:
            count = "no SetNode has" if not found else "several SetNodes have"
            raise self.canvas.fail(f"{node.live.describe()} gets {name!r}, but {count} that name beside it")
        return found[0]

    def _bypass(self, live: LiveNode, slot: int, wanted: str) -> int | None:
        """Return the input that a bypassed node passes on to an output, chosen as the frontend chooses."""
        types = [other.type for other in live.inputs]
        if wanted in ("*", ""):
            return slot if len(types) > slot else 0
        given = live.outputs[slot] if slot < len(live.outputs) else "*"
        if slot < len(types) and fits(types[slot], given) and fits(types[slot], wanted):
            return slot
        if wanted in types:
            return types.index(wanted)
        return next((i for i, type_ in enumerate(types) if fits(type_, given) and fits(type_, wanted)), None)


def fits(one: str, other: str) -> bool:
    """Say whether a link may join the two types: equal, any (`*` or empty), or sharing a name in comma lists."""
    if one in ("*", "", "0") or other in ("*", "", "0"):
        return True
    return not set(one.lower().split(",")).isdisjoint(other.lower().split(","))


def _first(live: LiveNode) -> Any:
    saved = live.node.values
    return (saved[0] if saved else None) if isinstance(saved, list) else next(iter(saved.values()), None)
