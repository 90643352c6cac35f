"""Draws UI graphs for tests, in the shape the frontend saves them."""

from __future__ import annotations

import uuid
from typing import Any

WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"}


class Sketch:
    """One level of a graph: the root, or with a name a subgraph definition.

    `compressed` leaves out the inputs of widgets that nothing feeds, as graphs inside pictures and of old frontends do.
    """

    def __init__(self, info: dict[str, Any], name: str = "", *, compressed: bool = False):
        self.info = info
        self.compressed = compressed
        self.name = name
        self.id = str(uuid.uuid5(uuid.NAMESPACE_URL, name)) if name else ""
        self.nodes: list[dict] = []
        self.links: list[dict] = []
        self.inputs: list[dict] = []
        self.outputs: list[dict] = []
        self.definitions: list[Sketch] = []
        self.extra: dict[str, Any] = {}

    def add(
        self,
        kind: str | Sketch,
        values: Any = (),
        *,
        node_id: int | str | None = None,
        mode: int = 0,
        title: str = "",
        properties: dict | None = None,
        inputs: list[tuple] | None = None,
        outputs: list[tuple] | None = None,
    ) -> dict:
        """Place a node; known classes get the sockets of /object_info, others those given as (name, type[, widget])."""
        if isinstance(kind, Sketch):
            inputs = [(port["name"], port["type"]) for port in kind.inputs] if inputs is None else inputs
            outputs = [(port["name"], port["type"]) for port in kind.outputs]
            kind = kind.id
        elif kind in self.info:
            entry = self.info[kind]
            declared = {**entry["input"].get("required", {}), **entry["input"].get("optional", {})}
            if inputs is None:
                sockets = {
                    name: isinstance(spec[0], str)
                    and (spec[0] not in WIDGETS or (len(spec) > 1 and bool(spec[1].get("forceInput"))))
                    for name, spec in declared.items()
                }
                inputs = [(name, declared[name][0]) for name, socket in sockets.items() if socket]
                if not self.compressed:
                    inputs += [
                        (name, self._type(declared[name]), name) for name, socket in sockets.items() if not socket
                    ]
            if outputs is None:
                kinds = [made if isinstance(made, str) else "COMBO" for made in entry["output"]]
                outputs = list(zip(entry["output_name"], kinds, strict=True))
        node = {
            "id": len(self.nodes) + 1 if node_id is None else node_id,
            "type": kind,
            "pos": [120 * len(self.nodes), 80],
            "size": [210, 58],
            "flags": {},
            "order": len(self.nodes),
            "mode": mode,
            "inputs": [self._slot(*slot) for slot in inputs or ()],
            "outputs": [{"name": name, "type": type_, "links": []} for name, type_ in outputs or ()],
            "properties": properties or {},
            "widgets_values": list(values) if isinstance(values, tuple | list) else values,
        }
        if title:
            node["title"] = title
        self.nodes.append(node)
        return node

    @staticmethod
    def _slot(name: str, type_: str, widget: str | None = None) -> dict:
        slot: dict[str, Any] = {"name": name, "type": type_, "link": None}
        if widget is not None:
            slot["widget"] = {"name": widget}
        return slot

    def link(
        self, origin: dict | None, slot: int, target: dict | None, name: str | int, link_id: int | None = None
    ) -> int:
        """Join an output to an input by name; None stands for the subgraph's own inputs or outputs."""
        link_id = len(self.links) + 1 if link_id is None else link_id
        if target is None:
            index = next(i for i, port in enumerate(self.outputs) if port["name"] == name)
            self.outputs[index]["linkIds"].append(link_id)
            target_id: Any = -20
        else:
            names = [known["name"] for known in target["inputs"]]
            if name not in names:
                target["inputs"].append(self._slot(str(name), self._widget_type(target, str(name)), str(name)))
                names.append(name)
            index = names.index(name)
            target["inputs"][index]["link"] = link_id
            target_id = target["id"]
        if origin is None:
            self.inputs[slot]["linkIds"].append(link_id)
            kind, origin_id = self.inputs[slot]["type"], -10
        else:
            origin["outputs"][slot]["links"].append(link_id)
            kind, origin_id = origin["outputs"][slot]["type"], origin["id"]
        self.links.append(
            {
                "id": link_id,
                "origin_id": origin_id,
                "origin_slot": slot,
                "target_id": target_id,
                "target_slot": index,
                "type": kind,
            }
        )
        return link_id

    def _widget_type(self, target: dict, name: str) -> str:
        entry = self.info.get(target["type"], {}).get("input", {})
        return self._type({**entry.get("required", {}), **entry.get("optional", {})}.get(name, ["*"]))

    @staticmethod
    def _type(spec: list) -> str:
        return spec[0] if isinstance(spec[0], str) else "COMBO"

    def port(self, name: str, type_: str, *, output: bool = False) -> int:
        """Give a subgraph an input or output and return its index."""
        ports = self.outputs if output else self.inputs
        port_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.name}/{output}/{name}"))
        ports.append({"id": port_id, "name": name, "type": type_, "linkIds": [], "pos": [0, 0]})
        return len(ports) - 1

    def definition(self) -> dict:
        """Return this level as an entry of definitions.subgraphs."""
        return {
            "id": self.id,
            "version": 1,
            "state": {"lastGroupId": 0, "lastNodeId": 99, "lastLinkId": 99, "lastRerouteId": 0},
            "revision": 0,
            "config": {},
            "name": self.name,
            "inputNode": {"id": -10, "bounding": [0, 0, 120, 60]},
            "outputNode": {"id": -20, "bounding": [600, 0, 120, 60]},
            "inputs": self.inputs,
            "outputs": self.outputs,
            "widgets": [],
            "nodes": self.nodes,
            "groups": [],
            "links": self.links,
            "extra": {},
        }

    def graph(self, version: float = 0.4) -> dict:
        """Return the whole as a file's content."""
        keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        data: dict[str, Any] = {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, "graph")),
            "revision": 0,
            "nodes": self.nodes,
            "links": [[link[key] for key in keys] for link in self.links] if version == 0.4 else self.links,
            "groups": [],
            "config": {},
            "extra": self.extra,
            "version": version,
        }
        numbers = [node["id"] for node in self.nodes if isinstance(node["id"], int)]
        last_link = max((link["id"] for link in self.links), default=0)
        if version == 0.4:
            data |= {"last_node_id": max(numbers, default=0), "last_link_id": last_link}
        else:
            last = {
                "lastGroupId": 0,
                "lastNodeId": max(numbers, default=0),
                "lastLinkId": last_link,
                "lastRerouteId": 0,
            }
            data["state"] = last
        if self.definitions:
            data["definitions"] = {"subgraphs": [level.definition() for level in self.definitions]}
        return data
