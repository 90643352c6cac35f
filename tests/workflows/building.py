"""Builds a graph of blocks (subgraphs) out of a plain graph, as its plan says.

A plain graph is drawn node by node; plain/NAME.toml says which nodes go into which block, which of their widgets an
artist gets to see on it, and where the blocks stand. The prompt of what is built means the same as that of the plain
graph.
"""

from __future__ import annotations

import copy
import uuid
from typing import Any

from .arranging import INPUT, OUTPUT, arrange
from .wiring import KIT, OPEN_KIT, Block, PlanError, Source, Wiring, slot_of

HOME = uuid.UUID("6f1c1f0e-3f51-5a3e-9d0c-2f6b6a6c7a11")  # of the ids of definitions


class Builder(Wiring):
    """A plain graph, its plan, and what becomes of both."""

    def definition_id(self, block: Block) -> str:
        """Return the id of a block's definition: the same in every build."""
        return str(uuid.uuid5(HOME, f"{self.name}/{block.definition}"))

    def definition(self, block: Block) -> dict[str, Any]:
        """Return the subgraph definition that a block stands for."""
        nodes = {own: self._bare(copy.deepcopy(self.nodes[plain])) for own, plain in block.nodes.items()}
        if self.opens_kit(block):
            nodes[OPEN_KIT] = self._fresh("PortraitOpenKit", OPEN_KIT)
        if block.puts:
            nodes[KIT] = self._fresh("PortraitKit", KIT)
        inputs, outputs = self.ports(block)
        links: list[dict[str, Any]] = []

        def link(origin: int, origin_slot: int, target: int, target_slot: int, kind: str) -> int:
            identity = len(links) + 1
            values = (identity, origin, origin_slot, target, target_slot, kind)
            keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
            links.append(dict(zip(keys, values, strict=True)))
            if target != OUTPUT:
                nodes[target]["inputs"][target_slot]["link"] = identity
            if origin != INPUT:
                nodes[origin]["outputs"][origin_slot]["links"].append(identity)
            return identity

        def feed(port: dict[str, Any], node: int, slot: int) -> None:
            at = next(index for index, one in enumerate(inputs) if one is port)
            port["linkIds"].append(link(INPUT, at, node, slot, port["type"]))

        for port in inputs:
            if port["type"] == "PORTRAIT_KIT":
                for key in (OPEN_KIT, KIT):
                    if key in nodes:
                        feed(port, key, 0)
        for (node, name), (kind, what) in block.feeds.items():
            slot = slot_of(nodes[node], name)
            if kind == "inside":
                origin, out = what
                link(origin, out, node, slot, nodes[origin]["outputs"][out]["type"])
            elif kind == "kit":
                out = next(i for i, one in enumerate(nodes[OPEN_KIT]["outputs"]) if one["name"] == what)
                link(OPEN_KIT, out, node, slot, nodes[OPEN_KIT]["outputs"][out]["type"])
            else:
                feed(next(port for port in inputs if port["name"] == what), node, slot)
        for shown, port in zip(self.promoted(block), inputs[len(inputs) - len(self.promoted(block)) :], strict=True):
            for node, name in shown["places"]:
                feed(port, node, slot_of(nodes[node], name))
        for index, port in enumerate(outputs):
            given = block.outputs[index]
            origin, slot = ((KIT, 0) if block.puts else (OPEN_KIT, 0)) if given == "kit" else given
            port["linkIds"].append(link(origin, slot, OUTPUT, index, port["type"]))
        notes = [self._bare(copy.deepcopy(self.nodes[key])) for key in block.plan["nodes"] if key not in block.nodes]
        made = {
            "id": self.definition_id(block),
            "version": 1,
            "state": {
                "lastGroupId": 0,
                "lastNodeId": max([*nodes, *(note["id"] for note in notes)]),
                "lastLinkId": len(links),
                "lastRerouteId": 0,
            },
            "revision": 0,
            "config": {},
            "name": block.definition,
            "inputNode": {"id": INPUT, "bounding": []},
            "outputNode": {"id": OUTPUT, "bounding": []},
            "inputs": inputs,
            "outputs": outputs,
            "widgets": [],
            "nodes": [*nodes.values(), *notes],
            "groups": [],
            "links": links,
            "extra": {},
        }
        arrange(made)
        return made

    def ports(self, block: Block) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the inputs (the kit, wires, widgets) and outputs (the kit, the rest) of a block's definition."""

        def port(way: str, name: str, kind: str, label: str = "") -> dict[str, Any]:
            identity = str(uuid.uuid5(HOME, f"{self.name}/{block.definition}/{way}/{name}"))
            made = {"id": identity, "name": name, "type": kind, "linkIds": [], "pos": [0, 0]}
            return made | ({"label": label} if label else {})

        inputs = [
            port("in", name, self.nodes[source[0]]["outputs"][source[1]]["type"])
            for name, source in block.wires.items()
        ]
        if block.kit:  # first, but where links would cross
            inputs.insert((block.first or block).plan.get("kit_at", 0), port("in", "kit", "PORTRAIT_KIT"))
        for shown in self.promoted(block):
            node, key = shown["places"][0]
            slot = self.nodes[block.nodes[node]]["inputs"][slot_of(self.nodes[block.nodes[node]], key)]
            inputs.append(port("in", shown["name"], slot["type"], shown["label"]))
        outputs: list[dict[str, Any]] = []
        for given in block.outputs:
            if given == "kit":
                outputs.append(port("out", "kit", "PORTRAIT_KIT"))
                continue
            node, out = given
            output = self.nodes[block.nodes[node]]["outputs"][out]
            wanted = self.plan.get("names", {}).get(f"{block.nodes[node]}.{out}") or output["type"].lower()
            taken = sum(one["name"].split(" ")[0] == wanted for one in outputs)
            outputs.append(port("out", f"{wanted} {taken + 1}" if taken else wanted, output["type"]))
        return inputs, outputs

    def values(self, block: Block) -> list[Any]:
        """Return the values of the widgets that a block shows, in their order."""
        found = []
        for shown in self.promoted(block):
            held = [self.value(self.nodes[block.nodes[node]], key) for node, key in shown["places"]]
            if any(one != held[0] for one in held):
                raise PlanError(f"{block.title}: {shown['name']} stands for different values, {held}")
            found.append(held[0])
        return found

    def refuse_hidden(self, block: Block) -> None:
        """Raise PlanError when a second instance has a value of its own that its block does not show."""
        if block.first is None:
            return
        shown = {place for one in self.promoted(block) for place in one["places"]}
        for own, plain in block.nodes.items():
            for slot in self.nodes[plain]["inputs"]:
                key = (slot.get("widget") or {}).get("name")
                if key is None or (own, key) in shown or (plain, key) in self.sources:
                    continue
                mine, model = (self.value(self.nodes[node], key) for node in (plain, block.first.nodes[own]))
                if mine != model:
                    raise PlanError(f"{block.title} has {key} {mine!r} in node {plain}, {block.first.title} {model!r}")

    # The top.

    def instance(self, block: Block) -> dict[str, Any]:
        """Return the node on top that stands for a block."""
        inputs, outputs = self.ports(block)
        widgets = {shown["name"] for shown in self.promoted(block)}
        plan = (block.first or block).plan
        # For web/js: whose picture the block shows, and whose words.
        told = {"portrait_studio_shows": plan.get("preview"), "portrait_studio_says": plan.get("says")}
        properties = {name: str(node) for name, node in told.items() if node is not None}
        return {
            "id": block.id,
            "type": self.definition_id(block),
            "pos": block.plan["pos"],
            "size": block.plan["size"],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": [
                {key: port[key] for key in ("name", "type", "label") if key in port}
                | ({"widget": {"name": port["name"]}} if port["name"] in widgets else {})
                | {"link": None}
                for port in inputs
            ],
            "outputs": [{"name": port["name"], "type": port["type"], "links": []} for port in outputs],
            "title": block.title,
            "properties": properties,
            "widgets_values": self.values(block),
        } | {key: block.plan[key] for key in ("color", "bgcolor") if key in block.plan}

    def build(self) -> dict[str, Any]:
        """Return the graph of blocks. Raises PlanError where plan and plain graph do not fit."""
        self.resolve()
        top: dict[int, dict[str, Any]] = {}
        definitions = []
        for block in self.blocks:
            self.refuse_hidden(block)
            top[block.id] = self.instance(block)
            if block.first is None:
                definitions.append(self.definition(block))
        for key, plan in self.loose.items():
            top[key] = self._bare(copy.deepcopy(self.nodes[key])) | {
                name: plan[name] for name in ("pos", "size", "title") if name in plan
            }
        links: list[list[Any]] = []

        def link(origin: int, origin_slot: int, target: int, target_slot: int) -> None:
            identity = len(links) + 1
            kind = top[origin]["outputs"][origin_slot]["type"]
            links.append([identity, origin, origin_slot, target, target_slot, kind])
            top[origin]["outputs"][origin_slot]["links"].append(identity)
            top[target]["inputs"][target_slot]["link"] = identity

        def out(source: Source, taker: Block | None) -> tuple[int, int]:
            giver = self.giver(source, taker)
            if giver is None:
                return source
            return giver.id, giver.outputs.index((giver.inside(source[0]), source[1]))

        for block in self.blocks:
            sources = {name: out(source, block) for name, source in block.wires.items()}
            if block.kit:
                giver = next(one for one in self.blocks if one.id == block.kit)
                sources["kit"] = (giver.id, giver.outputs.index("kit"))
            for index, slot in enumerate(top[block.id]["inputs"]):
                if slot["name"] in sources:
                    link(*sources[slot["name"]], block.id, index)
        for key in self.loose:
            for index, slot in enumerate(self.nodes[key]["inputs"]):
                if source := self.sources.get((key, slot["name"])):
                    link(*out(source, None), key, index)
        for note in self.plan.get("note", ()):
            top[note["id"]] = _note(note)
        _order(list(top.values()), links)
        extra = copy.deepcopy(self.plain["extra"])
        extra["portrait_studio"] = self.declaration(extra["portrait_studio"])
        extra.pop("linearData", None)
        extra["ds"] = {"scale": self.plan.get("scale", 0.9), "offset": self.plan.get("offset", [110, 165])}
        extra |= self.bends(links)
        return {
            "id": str(uuid.uuid5(HOME, self.name)),
            "revision": 0,
            "last_node_id": max(top),
            "last_link_id": len(links),
            "nodes": list(top.values()),
            "links": links,
            "groups": [_group(index, one) for index, one in enumerate(self.plan.get("group", ()), 1)],
            "definitions": {"subgraphs": definitions},
            "config": {},
            "extra": extra,
            "version": 0.4,
        }

    def bends(self, links: list[list[Any]]) -> dict[str, Any]:
        """Return the points that the kit's links to some blocks are led over, as the frontend saves them."""
        reroutes: list[dict[str, Any]] = []
        extensions = []
        for bend in self.plan.get("bend", ()):
            link = next(one[0] for one in links if (one[3], one[4]) == (bend["to"], bend.get("input", 0)))
            for number, point in enumerate(bend["points"]):
                made = {"id": len(reroutes) + 1, "pos": point, "linkIds": [link]}
                reroutes.append(made | ({"parentId": len(reroutes)} if number else {}))
            extensions.append({"id": link, "parentId": len(reroutes)})
        return {"reroutes": reroutes, "linkExtensions": extensions} if reroutes else {}

    def declaration(self, studio: dict[str, Any]) -> dict[str, Any]:
        """Return extra.portrait_studio with the places of its nodes in the blocks."""
        for parameter in studio["parameters"].values():
            parameter["targets"] = [
                target | {"node": place} for target in parameter["targets"] for place in self.places(target["node"])
            ]
        for stage in studio["stages"]:
            for key in ("image", "likeness"):
                if key in stage:
                    (stage[key],) = self.places(stage[key])
            stage["nodes"] = [place for node in stage["nodes"] for place in self.places(node)]
        for model in studio["requires"]["models"]:
            model["node"] = self.places(model["node"])[0]
        if "photos" in studio:
            studio["photos"]["node"] = self.places(studio["photos"]["node"])[0]
        return studio

    def _bare(self, node: dict[str, Any]) -> dict[str, Any]:
        for slot in node["inputs"]:
            slot["link"] = None
        for output in node["outputs"]:
            output["links"] = []
            output.pop("slot_index", None)
        return node

    def _fresh(self, kind: str, identity: int) -> dict[str, Any]:
        known = self.plan["kinds"][kind]
        return {
            "id": identity,
            "type": kind,
            "pos": [0, 0],
            "size": [200, 40 + 20 * max(len(known["inputs"]), len(known["outputs"]))],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": [
                {"localized_name": name, "name": name, "type": type_, "link": None, "shape": 7}
                if kind == "PortraitKit"
                else {"localized_name": name, "name": name, "type": type_, "link": None}
                for name, type_ in known["inputs"]
            ],
            "outputs": [
                {"localized_name": name, "name": name, "type": type_, "links": []} for name, type_ in known["outputs"]
            ],
            "title": known["title"],
            "properties": {"Node name for S&R": kind},
            "widgets_values": [],
        }


def _note(plan: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": plan["id"],
        "type": "MarkdownNote",
        "pos": plan["pos"],
        "size": plan["size"],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "title": "Note",
        "properties": {},
        "widgets_values": [plan["text"].strip()],
        "color": "#432",
        "bgcolor": "#653",
    }


def _group(index: int, plan: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": index,
        "title": plan["title"],
        "bounding": plan["box"],
        "color": plan.get("color", "#3f789e"),
        "font_size": 24,
        "flags": {},
    }


def _order(nodes: list[dict[str, Any]], links: list[list[Any]]) -> None:
    waiting = {node["id"]: {link[1] for link in links if link[3] == node["id"]} for node in nodes}
    place = 0
    while waiting:
        key = next(key for key, needs in waiting.items() if not needs & set(waiting))
        next(node for node in nodes if node["id"] == key)["order"] = place
        place += 1
        del waiting[key]
