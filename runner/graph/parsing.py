"""UI graphs as files: read from JSON or out of a picture, and checked before anybody relies on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from ...portrait import reading
from ...portrait.presets import shown
from .collecting import collection_paused
from .cycles import cycle_words, find_cycle
from .document import BYPASS, INPUT_NODE, OUTPUT_NODE, GraphError, Level, Link, Node, Port, Slot, UIGraph, is_api
from .expansion import limits, refuse_explosion, refuse_nesting

VERSIONS = (0.4, 1)


def read(path: str | Path) -> UIGraph:
    """Read a UI graph from a JSON file or from a PNG or WebP that ComfyUI saved.

    Raises GraphError, in one sentence, when the file is missing, is not JSON, is in API format or is broken inside.
    """
    path = Path(path)
    try:
        raw = reading.read(path, "graph")
    except reading.ReadError as error:
        raise GraphError(f"The graph {path.name} cannot be read: {error}.") from error
    if raw[:8] == b"\x89PNG\r\n\x1a\n" or (raw[:4] == b"RIFF" and raw[8:12] == b"WEBP"):
        return parse(_embedded(raw, path.name), path.name)
    return parse(raw, path.name)


def parse(raw: bytes | str | Mapping[str, Any], source: str = "graph") -> UIGraph:
    """Check a UI graph given as JSON text or as the decoded mapping, and return it.

    Raises GraphError when it is not JSON, is in API format, has an unknown version, duplicate ids, broken links or a
    cycle.
    """
    if isinstance(raw, Mapping):
        data: Any = dict(raw)
    else:
        try:
            data = reading.parse_json(raw)
        except ValueError as error:
            raise GraphError(f"{source} is not a JSON file ({error}); save the graph from ComfyUI again.") from error
    with collection_paused():
        return _Parser(source).graph(data)


def _embedded(raw: bytes, name: str) -> str:
    from PIL import Image

    from ...portrait.decoding import opened

    try:
        with opened(raw) as picture:
            text = picture.info.get("workflow")
            if text is None:
                # Animated WebP carries "workflow:{...}" in the EXIF text tags.
                tags = (value for value in picture.getexif().values() if isinstance(value, str))
                text = next((tag.partition(":")[2] for tag in tags if tag.startswith("workflow:")), None)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise GraphError(f"The picture {name} cannot be opened ({error}).") from error
    if not isinstance(text, str):
        raise GraphError(f"The picture {name} contains no workflow; use one that ComfyUI saved, or its JSON file.")
    return text


class _Parser:
    """Turns decoded JSON into a UIGraph or says why not; `source` opens every sentence."""

    def __init__(self, source: str):
        self.source = source

    def fail(self, what: str) -> GraphError:
        return GraphError(f"{self.source}: {what}.")

    def graph(self, data: Any) -> UIGraph:
        if is_api(data):
            raise self.fail(
                "this is a graph in API format where a UI graph is expected; "
                "load it in ComfyUI and save it with Workflow > Save"
            )
        if not isinstance(data, dict) or not isinstance(data.get("nodes"), list):
            raise self.fail("this is not a ComfyUI graph (it has no list of nodes)")
        version = data.get("version")
        if isinstance(version, bool) or version not in VERSIONS:
            raise self.fail(f"unknown graph version {shown(version)}; known are 0.4 and 1: save it from ComfyUI again")
        root = self.level(data, "", "", arrays=version == 0.4)
        subgraphs: dict[str, Level] = {}
        definitions = data.get("definitions") or {}
        listed = definitions.get("subgraphs") if isinstance(definitions, dict) else None
        for definition in self.sequence(listed, "definitions.subgraphs"):
            level = self.subgraph(definition)
            if level.id in subgraphs:
                raise self.fail(f"two subgraphs have the id {level.id}")
            subgraphs[level.id] = level
        graph = UIGraph(self.source, data, root, subgraphs)
        refuse_nesting(graph)
        refuse_explosion(graph)
        for level in graph.levels():
            self.refuse_cycles(level, subgraphs)
        return graph

    def sequence(self, value: Any, what: str) -> list:
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fail(f"{what} is not a list")
        return value

    def subgraph(self, data: Any) -> Level:
        if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not data["id"]:
            raise self.fail("a subgraph definition has no id")
        name = data.get("name")
        level = self.level(data, data["id"], name if isinstance(name, str) else data["id"], arrays=False)
        level.inputs = self.ports(data.get("inputs"), level)
        level.outputs = self.ports(data.get("outputs"), level)
        if max(len(level.inputs), len(level.outputs)) > limits()["ports"]:
            raise self.fail(f"subgraph {level.name!r} has more than {limits()['ports']} inputs or outputs")
        for link in level.links.values():
            if link.origin == INPUT_NODE and link.origin_slot >= len(level.inputs):
                raise self.fail(f"link {link.id} in subgraph {level.name!r} starts at an input that does not exist")
            if link.target == OUTPUT_NODE and link.target_slot >= len(level.outputs):
                raise self.fail(f"link {link.id} in subgraph {level.name!r} ends at an output that does not exist")
        return level

    def ports(self, listed: Any, level: Level) -> list[Port]:
        ports = []
        for port in self.sequence(listed, f"the inputs or outputs of subgraph {level.name!r}"):
            if not isinstance(port, dict) or not isinstance(port.get("name"), str):
                raise self.fail(f"an input or output of subgraph {level.name!r} has no name")
            links = self.sequence(port.get("linkIds"), f"linkIds of {port['name']!r} in subgraph {level.name!r}")
            ports.append(Port(port["name"], _type(port.get("type")), [link for link in links if _is_id(link)]))
        return ports

    def level(self, data: dict, identity: str, name: str, arrays: bool) -> Level:
        where = f" in subgraph {name!r}" if identity else ""
        level = Level(identity, name, {}, {})
        for item in self.sequence(data.get("nodes"), f"nodes{where}"):
            node = self.node(item, where)
            if node.id in level.nodes:
                raise self.fail(f"two nodes have the id {node.id}{where}")
            if identity and node.id in (INPUT_NODE, OUTPUT_NODE):
                raise self.fail(f"node id {node.id}{where} is reserved for the subgraph's own inputs and outputs")
            level.nodes[node.id] = node
        for item in self.sequence(data.get("links"), f"links{where}"):
            # The oldest frontends left a null where a link was deleted.
            if item is None:
                continue
            link = self.link(item, arrays, where)
            if link.id in level.links:
                raise self.fail(f"two links have the id {link.id}{where}")
            level.links[link.id] = link
        self.refuse_broken(level, where)
        return level

    def node(self, item: Any, where: str) -> Node:
        if not isinstance(item, dict) or not _is_node_id(item.get("id")):
            raise self.fail(f"a node{where} has no id")
        identity = str(item["id"])
        if not isinstance(item.get("type"), str) or not item["type"]:
            raise self.fail(f"node {identity}{where} has no type")
        mode = item.get("mode", 0)
        if mode is None:
            mode = 0
        if not isinstance(mode, int) or isinstance(mode, bool) or not 0 <= mode <= BYPASS:
            raise self.fail(f"node {identity}{where} has the unknown mode {shown(mode)}")
        values = item.get("widgets_values")
        properties = item.get("properties")
        title = item.get("title")
        return Node(
            id=identity,
            type=item["type"],
            title=title if isinstance(title, str) else "",
            mode=mode,
            inputs=[self.slot(slot, identity, where) for slot in self.sequence(item.get("inputs"), f"inputs{where}")],
            outputs=[self.output(slot) for slot in self.sequence(item.get("outputs"), f"outputs{where}")],
            values=values if isinstance(values, list | dict) else [],
            properties=properties if isinstance(properties, dict) else {},
        )

    def slot(self, item: Any, node: str, where: str) -> Slot:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise self.fail(f"an input of node {node}{where} has no name")
        link = item.get("link")
        if link is not None and not _is_id(link):
            raise self.fail(f"input {item['name']!r} of node {node}{where} has the impossible link {link!r}")
        widget = item.get("widget")
        name = widget.get("name") if isinstance(widget, dict) else None
        return Slot(item["name"], _type(item.get("type")), link, name if isinstance(name, str) else None)

    def output(self, item: Any) -> Port:
        # An output's own list of links only orders the prompt: what is wrong in it does no harm.
        known = item if isinstance(item, dict) else {}
        links = known.get("links")
        named = known.get("name")
        held = [link for link in links if _is_id(link)] if isinstance(links, list) else []
        return Port(named if isinstance(named, str) else "", _type(known.get("type")), held)

    def link(self, item: Any, arrays: bool, where: str) -> Link:
        if arrays and isinstance(item, list) and len(item) >= 5:
            identity, origin, origin_slot, target, target_slot = item[:5]
        elif not arrays and isinstance(item, dict):
            keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
            identity, origin, origin_slot, target, target_slot = (item.get(key) for key in keys)
        else:
            raise self.fail(f"a link{where} has the wrong shape")
        if not _is_id(identity):
            raise self.fail(f"a link{where} has no id")
        if not _is_node_id(origin) or not _is_node_id(target) or not _is_id(origin_slot) or not _is_id(target_slot):
            raise self.fail(f"link {identity}{where} has an impossible end")
        if min(origin_slot, target_slot) < 0:
            raise self.fail(f"link {identity}{where} has an impossible end")
        return Link(identity, str(origin), origin_slot, str(target), target_slot)

    def refuse_broken(self, level: Level, where: str) -> None:
        for node in level.nodes.values():
            for slot in node.inputs:
                if slot.link is None:
                    continue
                link = level.links.get(slot.link)
                if link is None:
                    raise self.fail(
                        f"input {slot.name!r} of {level.describe(node)} has link {slot.link}, which is gone"
                    )
                if link.target != node.id:
                    raise self.fail(
                        f"input {slot.name!r} of {level.describe(node)} has link {slot.link}, "
                        f"which ends at node {link.target}"
                    )
                inside = level.id and link.origin == INPUT_NODE
                if not inside and link.origin not in level.nodes:
                    raise self.fail(
                        f"input {slot.name!r} of {level.describe(node)} is linked to node {link.origin}, which is gone"
                    )

    def refuse_cycles(self, level: Level, subgraphs: Mapping[str, Level]) -> None:
        """Refuse a cycle of plain nodes; one through a subgraph need not be one and is looked for after expansion."""
        plain = {node.id: node for node in level.nodes.values() if node.type not in subgraphs}
        needs = {
            node.id: [level.links[slot.link].origin for slot in node.inputs if slot.link is not None]
            for node in plain.values()
        }
        cycle = find_cycle({node: [origin for origin in needs[node] if origin in plain] for node in plain})
        if words := cycle_words(level.describe(plain[node]) for node in cycle):
            raise self.fail(words)


def _is_id(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_node_id(value: Any) -> TypeGuard[int | str]:
    return _is_id(value) or (isinstance(value, str) and value != "")


def _type(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "*" if value in (0, None) else "COMBO" if isinstance(value, list) else str(value)
