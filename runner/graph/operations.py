"""What a migration can do to a graph file: each operation works on one decoded level, and keeps its links whole.

Every operation names a node `type`, and may name one `node` by its id. `orders` has the widgets of a class in the
order of their saved values (runner/graph/widgets.py).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..client import node_name
from .document import GraphError
from .widgets import COMPANION, Orders, places

LevelJson = dict[str, Any]
NodeJson = dict[str, Any]
Operation = Mapping[str, Any]

STRUCTURAL = ("rename_input", "add_widget", "remove_widget", "move_widget", "replace_node")
KEYS: dict[str, tuple[set[str], set[str]]] = {
    "rename_node": ({"to"}, set()),
    "rename_input": ({"input", "to"}, set()),
    "add_widget": ({"widget", "kind", "default"}, {"before"}),
    "remove_widget": ({"widget"}, set()),
    "move_widget": ({"widget"}, {"before"}),
    "change_default": ({"widget", "from", "to"}, set()),
    "replace_node": ({"to", "inputs", "outputs"}, {"widgets"}),
    "connect": ({"input", "source", "output"}, set()),
    "insert_node": ({"new", "id", "output", "input", "inputs", "outputs", "values"}, {"title"}),
}


def perform(operation: Operation, level: LevelJson, orders: Orders) -> int:
    """Do one operation on one level, in place; return how many nodes it changed.

    Raises GraphError when a node does not tell where its values stand, ValueError for an operation that is none.
    """
    needed, possible = KEYS.get(str(operation.get("do")), (None, None))
    if needed is None or possible is None:
        raise ValueError(f"there is no operation {operation.get('do')!r}")
    given = set(operation) - {"do", "type", "node"}
    if not needed <= given <= needed | possible or "type" not in operation:
        raise ValueError(f"the operation {operation['do']!r} takes type, {', '.join(sorted(needed | possible))}")
    change = _CHANGES[operation["do"]]
    return sum(change(node, level, operation, orders) is not False for node in _chosen(operation, level))


def evolved(operation: Operation, orders: Orders) -> dict[str, Sequence[str]]:
    """Return the widgets of every class as they are after an operation, for nodes that do not name them."""
    kind, new = str(operation["type"]), dict(orders)
    names = list(new.get(kind, ()))
    do = operation["do"]
    if do in ("rename_node", "replace_node"):
        made = [one["name"] for one in operation.get("inputs", ()) if one.get("widget")]
        new[str(operation["to"])] = made if do == "replace_node" else names
    elif names and do == "rename_input":
        new[kind] = [operation["to"] if name == operation["input"] else name for name in names]
    elif names and do in ("add_widget", "remove_widget", "move_widget"):
        rest = [name for name in names if name != operation["widget"]]
        before = operation.get("before")
        at = rest.index(before) if before in rest else len(rest)
        new[kind] = rest if do == "remove_widget" else [*rest[:at], str(operation["widget"]), *rest[at:]]
    return new


def _chosen(operation: Operation, level: LevelJson) -> list[NodeJson]:
    return [
        node
        for node in level["nodes"]
        if node["type"] == operation["type"] and str(operation.get("node", node["id"])) == str(node["id"])
    ]


def _rename_node(node: NodeJson, _level: LevelJson, operation: Operation, _orders: Orders) -> None:
    node["type"] = operation["to"]
    properties = node.get("properties") or {}
    if properties.get("Node name for S&R") == operation["type"]:
        properties["Node name for S&R"] = operation["to"]


def _rename_input(node: NodeJson, _level: LevelJson, operation: Operation, _orders: Orders) -> bool:
    old, new = operation["input"], operation["to"]
    changed = False
    for slot in node.get("inputs") or ():
        if slot.get("name") == old:
            slot |= {key: new for key in ("name", "localized_name") if slot.get(key) == old}
            changed = True
        if (slot.get("widget") or {}).get("name") == old:
            slot["widget"]["name"] = new
    values = node.get("widgets_values")
    if isinstance(values, dict) and old in values:
        node["widgets_values"] = {new if key == old else key: value for key, value in values.items()}
        changed = True
    return changed


def _add_widget(node: NodeJson, level: LevelJson, operation: Operation, orders: Orders) -> None:
    widget, before = operation["widget"], operation.get("before")
    values = node.setdefault("widgets_values", [])
    if isinstance(values, dict):
        values.setdefault(widget, operation["default"])
    else:
        found = _places(node, orders)
        index = found.index(before) if before in found else len(values)
        values.insert(index, copy.deepcopy(operation["default"]))
    slots = node.setdefault("inputs", [])
    if any(slot.get("widget") for slot in slots):
        slot = {"name": widget, "type": operation["kind"], "widget": {"name": widget}, "link": None}
        slots.insert(_slot(node, before, len(slots)), slot)
        _renumber(node, level)


def _remove_widget(node: NodeJson, level: LevelJson, operation: Operation, orders: Orders) -> None:
    widget = operation["widget"]
    values = node.get("widgets_values")
    if isinstance(values, dict):
        values.pop(widget, None)
    elif values:
        kept = [place not in (widget, widget + COMPANION) for place in _places(node, orders)]
        node["widgets_values"] = [value for value, keep in zip(values, kept, strict=True) if keep]
    for slot in [slot for slot in node.get("inputs") or () if (slot.get("widget") or {}).get("name") == widget]:
        _unlink(level, slot.get("link"))
        node["inputs"].remove(slot)
    _renumber(node, level)


def _move_widget(node: NodeJson, level: LevelJson, operation: Operation, orders: Orders) -> None:
    widget, before = operation["widget"], operation.get("before")
    values = node.get("widgets_values")
    if isinstance(values, list) and values:
        pairs = list(zip(_places(node, orders), values, strict=True))
        moved = [pair for pair in pairs if pair[0] in (widget, widget + COMPANION)]
        rest = [pair for pair in pairs if pair not in moved]
        index = next((at for at, (place, _) in enumerate(rest) if place == before), len(rest))
        node["widgets_values"] = [value for _, value in rest[:index] + moved + rest[index:]]
    slots = node.get("inputs") or []
    own = next((slot for slot in slots if (slot.get("widget") or {}).get("name") == widget), None)
    if own is not None:
        slots.remove(own)
        slots.insert(_slot(node, before, len(slots)), own)
        _renumber(node, level)


def _change_default(node: NodeJson, _level: LevelJson, operation: Operation, orders: Orders) -> bool:
    """Give the new default to a widget that still has the old one; what a user set stays."""
    values, widget = node.get("widgets_values"), operation["widget"]
    if isinstance(values, list):
        found = _places(node, orders) if values else []
        key: Any = found.index(widget) if widget in found else None
    else:
        key = widget if isinstance(values, dict) and widget in values else None
    if key is None or values is None or not _equal(values[key], operation["from"]):
        return False
    values[key] = copy.deepcopy(operation["to"])
    return True


def _replace_node(node: NodeJson, level: LevelJson, operation: Operation, orders: Orders) -> None:
    """Put a node of another class in a node's place.

    `inputs` lists the new sockets and widgets in order: {name, kind, from (the old input), widget (true when it is
    one), default}; `outputs` lists {name, kind, from (the old output's index)}.
    """
    found = _places(node, orders) if isinstance(node.get("widgets_values"), list) and node["widgets_values"] else []
    held = node.get("widgets_values")
    saved = dict(zip(found, held, strict=True)) if isinstance(held, list) and found else dict(held or {})
    old_slots = {slot["name"]: slot for slot in node.get("inputs") or ()}
    slots, values, used = [], [], set()
    for entry in operation["inputs"]:
        source = old_slots.get(entry.get("from", ""), {})
        used.add(entry.get("from"))
        slot = {"name": entry["name"], "type": entry["kind"], "link": source.get("link")}
        if entry.get("widget"):
            slot["widget"] = {"name": entry["name"]}
            values.append(saved.get(entry.get("from"), copy.deepcopy(entry.get("default"))))
            companion = f"{entry.get('from')}{COMPANION}"
            values += [saved[companion]] if companion in saved else []
        slots.append(slot)
    for name, slot in old_slots.items():
        if name not in used:
            _unlink(level, slot.get("link"))
    outputs = node.get("outputs") or []
    fresh = []
    for index, entry in enumerate(operation["outputs"]):
        links = (outputs[entry["from"]].get("links") or []) if entry.get("from", len(outputs)) < len(outputs) else []
        for link in _links(level, links):
            _set(link, "origin_slot", index)
        fresh.append({"name": entry["name"], "type": entry["kind"], "links": links})
    kept = {entry.get("from") for entry in operation["outputs"]}
    for index, output in enumerate(outputs):
        if index not in kept:
            for identity in list(output.get("links") or ()):
                _unlink(level, identity)
    _rename_node(node, level, operation, orders)
    node.update(inputs=slots, outputs=fresh, widgets_values=values)
    _renumber(node, level)


def _connect(node: NodeJson, level: LevelJson, operation: Operation, _orders: Orders) -> bool:
    """Link an output, by its name, of the node `source` (an id, or a class) to an input that has no link yet."""
    sources = [one for one in level["nodes"] if str(operation["source"]) in (str(one["id"]), one["type"])]
    outputs: list[tuple[int, dict[str, Any]]] = [
        (place, output)
        for one in sources
        for place, output in enumerate(one.get("outputs") or ())
        if output["name"] == operation["output"]
    ]
    slots = [(place, slot) for place, slot in enumerate(node.get("inputs") or ()) if slot["name"] == operation["input"]]
    if not outputs or not slots or slots[0][1].get("link") is not None:
        return False
    _link(level, sources[0], outputs[0][0], node, slots[0][0])
    return True


def _insert_node(node: NodeJson, level: LevelJson, operation: Operation, _orders: Orders) -> bool:
    """Put a new node behind an output, by its name, of a node: what the output led to comes from the new node's first.

    `inputs` lists the sockets and widgets of the new node as {name, kind, widget (true when it is one)}, `outputs` as
    {name, kind}; `input` is the socket that the old output now leads to, `values` are the widgets'. Where its `id` is
    taken it gets another.
    """
    slots = [place for place, output in enumerate(node.get("outputs") or ()) if output["name"] == operation["output"]]
    if not slots or any(one["type"] == operation["new"] for one in level["nodes"]):
        return False
    taken = {one["id"] for one in level["nodes"]}
    numbers = [key for key in taken if isinstance(key, int)]
    left, top = list(node.get("pos") or (0, 0))[:2]
    high = list(node.get("size") or (0, 100))[1]
    fresh: NodeJson = {
        "id": operation["id"] if operation["id"] not in taken else max(numbers) + 1,
        "type": operation["new"],
        "pos": [left, top + high + 70],
        "size": [210, 40 + 24 * len(operation["inputs"])],
        "flags": {},
        "order": node.get("order", 0),
        "mode": node.get("mode", 0),
        "inputs": [
            {"name": one["name"], "type": one["kind"], "link": None}
            | ({"widget": {"name": one["name"]}} if one.get("widget") else {})
            for one in operation["inputs"]
        ],
        "outputs": [{"name": one["name"], "type": one["kind"], "links": []} for one in operation["outputs"]],
        "properties": {"Node name for S&R": operation["new"]},
        "widgets_values": copy.deepcopy(operation["values"]),
    } | ({"title": operation["title"]} if "title" in operation else {})
    output = node["outputs"][slots[0]]
    fresh["outputs"][0]["links"] = list(output.get("links") or ())
    for link in _links(level, output.get("links")):
        _set(link, "origin_id", fresh["id"])
        _set(link, "origin_slot", 0)
    output["links"] = []
    level["nodes"].append(fresh)
    target = next(place for place, slot in enumerate(fresh["inputs"]) if slot["name"] == operation["input"])
    _link(level, node, slots[0], fresh, target)
    state = level.get("state")
    holder, key = (state, "lastNodeId") if isinstance(state, dict) else (level, "last_node_id")
    holder[key] = max([holder.get(key) or 0, *numbers, fresh["id"]])
    return True


def _link(level: LevelJson, origin: NodeJson, origin_slot: int, target: NodeJson, target_slot: int) -> None:
    """Lead a new link from an output to an input that has none."""
    # The top level holds links as lists, a subgraph as objects.
    state, output = level.get("state"), origin["outputs"][origin_slot]
    last = state.get("lastLinkId") if isinstance(state, dict) else level.get("last_link_id")
    identity = 1 + max([last or 0, *(_get(link, "id") for link in level.get("links") or () if link is not None)])
    values = (identity, origin["id"], origin_slot, target["id"], target_slot)
    if isinstance(state, dict):
        level["links"].append(dict(zip(_FIELDS, values, strict=True)) | {"type": output["type"]})
        state["lastLinkId"] = identity
    else:
        level["links"].append([*values, output["type"]])
        level["last_link_id"] = identity
    target["inputs"][target_slot]["link"] = identity
    known: list[Any] = output.get("links") or []
    output["links"] = [*known, identity]


_CHANGES: dict[str, Callable[[NodeJson, LevelJson, Operation, Orders], bool | None]] = {
    "rename_node": _rename_node,
    "rename_input": _rename_input,
    "add_widget": _add_widget,
    "remove_widget": _remove_widget,
    "move_widget": _move_widget,
    "change_default": _change_default,
    "replace_node": _replace_node,
    "connect": _connect,
    "insert_node": _insert_node,
}


def _places(node: NodeJson, orders: Orders) -> list[str]:
    found = places(node, orders)
    if not found and node.get("widgets_values"):
        raise GraphError(
            f"{node_name(node['id'], node.get('title'), node['type'])} does not say which of its values is which: open "
            "the graph in ComfyUI and save it with Workflow > Save"
        )
    return found


def _slot(node: NodeJson, before: str | None, end: int) -> int:
    names = [(slot.get("widget") or {}).get("name") for slot in node["inputs"]]
    return names.index(before) if before is not None and before in names else end


def _equal(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


_FIELDS = {"id": 0, "origin_id": 1, "origin_slot": 2, "target_id": 3, "target_slot": 4}


def _get(link: Any, field: str) -> Any:
    return link[_FIELDS[field]] if isinstance(link, list) else link[field]


def _set(link: Any, field: str, value: Any) -> None:
    link[_FIELDS[field] if isinstance(link, list) else field] = value


def _links(level: LevelJson, identities: Any) -> Iterator[Any]:
    wanted = set(identities or ())
    yield from (link for link in level.get("links") or () if link is not None and _get(link, "id") in wanted)


def _unlink(level: LevelJson, identity: int | None) -> None:
    """Take a link out of a level, and out of both of its ends."""
    if identity is None:
        return
    level["links"] = [link for link in level["links"] if link is None or _get(link, "id") != identity]
    for node in level["nodes"]:
        for slot in node.get("inputs") or ():
            if slot.get("link") == identity:
                slot["link"] = None
        for output in node.get("outputs") or ():
            if identity in (output.get("links") or ()):
                output["links"] = [link for link in output["links"] if link != identity]
    for port in (*(level.get("inputs") or ()), *(level.get("outputs") or ())):
        if identity in (port.get("linkIds") or ()):
            port["linkIds"] = [link for link in port["linkIds"] if link != identity]


def _renumber(node: NodeJson, level: LevelJson) -> None:
    """Point every link that ends at a node at the slot that holds it."""
    at = {slot["link"]: index for index, slot in enumerate(node.get("inputs") or ()) if slot.get("link") is not None}
    for link in _links(level, at):
        _set(link, "target_slot", at[_get(link, "id")])
