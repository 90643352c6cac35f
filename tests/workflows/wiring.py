"""What feeds what in a graph of blocks: the plan of a graph beside its plain one.

A plan says which nodes go into which block. What several blocks share goes through a kit: a block `puts` outputs of its
nodes under names into the kit, and the links of later blocks to these outputs are led through it. Every other link
between blocks becomes an input of one and an output of the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from portrait_studio.runner.graph import value_of

OPEN_KIT, KIT = 900, 901
NOTES = ("MarkdownNote", "Note")

Source = tuple[int, int]  # node id and output slot in the plain graph
Fed = tuple[str, Any]  # ("inside", Source of this block) | ("kit", field) | ("wire", port name)


class PlanError(Exception):
    """The plan does not fit the plain graph."""


@dataclass
class Block:
    """One block on top: an instance of a definition."""

    id: int
    title: str
    definition: str
    plan: dict[str, Any]
    nodes: dict[int, int]  # id inside -> id in the plain graph
    kit: int | None  # the block whose kit it takes
    first: Block | None = None  # the block that its definition is made from, if it is not this one
    feeds: dict[tuple[int, str], Fed] = field(default_factory=dict)
    wires: dict[str, Source] = field(default_factory=dict)
    puts: dict[str, Source] = field(default_factory=dict)
    content: dict[str, Source] = field(default_factory=dict)
    outputs: list[Any] = field(default_factory=list)  # (id inside, slot), or "kit"

    def inside(self, plain: int) -> int | None:
        """Return the id inside of a node of the plain graph."""
        return next((own for own, other in self.nodes.items() if other == plain), None)


class Wiring:
    """A plain graph and its plan, and where every input of the blocks gets its value."""

    def __init__(self, plain: dict[str, Any], plan: dict[str, Any], kinds: dict[str, Any]) -> None:
        self.plain, self.plan, self.kinds = plain, plan, kinds
        self.name = plain["extra"]["portrait_studio"]["name"]
        self.nodes = {node["id"]: node for node in plain["nodes"]}
        links = {link[0]: link for link in plain["links"]}
        self.sources: dict[tuple[int, str], Source] = {
            (node["id"], slot["name"]): (links[slot["link"]][1], links[slot["link"]][2])
            for node in plain["nodes"]
            for slot in node["inputs"]
            if slot.get("link") is not None
        }
        self.blocks: list[Block] = []
        for one in plan.get("block", ()):
            self.blocks.append(self._block(one))
        self.loose = {one["node"]: one for one in plan.get("loose", ())}
        self._refuse_forgotten()

    def _block(self, plan: dict[str, Any]) -> Block:
        first = next((block for block in self.blocks if block.definition == plan["name"]), None)
        real = [node for node in plan["nodes"] if self.nodes[node]["type"] not in NOTES]
        nodes = dict(zip(first.nodes if first else real, real, strict=True))
        return Block(plan["id"], plan.get("title", plan["name"]), plan["name"], plan, nodes, plan.get("kit"), first)

    def _refuse_forgotten(self) -> None:
        placed = {node for block in self.blocks for node in block.nodes.values()} | set(self.loose)
        missing = [key for key, node in self.nodes.items() if key not in placed and node["type"] not in NOTES]
        if missing:
            raise PlanError(f"{self.name}: the plan says nothing of node {missing}")

    # What feeds what.

    def resolve(self) -> None:
        """Find out what every input inside the blocks is fed by, and what the blocks give."""
        by_id = {block.id: block for block in self.blocks}
        for block in self.blocks:
            before = by_id[block.kit].content if block.kit else {}
            for own, plain in block.nodes.items():
                for slot in self.nodes[plain]["inputs"]:
                    if source := self.sources.get((plain, slot["name"])):
                        block.feeds[own, slot["name"]] = self._fed(
                            block, before, source, slot["name"], "widget" in slot
                        )
            model = block.first or block
            for name, text in model.plan.get("puts", {}).items():
                node, slot = (int(part) for part in text.split("."))
                source = (block.nodes[node], slot) if node in block.nodes else (node, slot)
                block.puts[name] = source
                block.feeds[KIT, name] = self._fed(block, before, source, name, False)
            block.content = {**before, **block.puts}
            if block.first and block.feeds != block.first.feeds:
                odd = {key for key in block.feeds if block.feeds[key] != block.first.feeds.get(key)}
                raise PlanError(f"{block.title} is fed differently from {block.first.title} at {sorted(odd)}")
        for block in self.blocks:
            for source in block.wires.values():
                self._give(source, block)
        for node in self.loose:
            for slot in self.nodes[node]["inputs"]:
                if source := self.sources.get((node, slot["name"])):
                    self._give(source, None)
        for block in self.blocks:
            if block.first:
                block.first.outputs += [one for one in block.outputs if one not in block.first.outputs]
        for block in self.blocks:
            block.outputs = self._in_order(block)

    def _in_order(self, block: Block) -> list[Any]:
        """Return what a block gives, "kit" first; a plan may name another order, where links would cross."""
        model = block.first or block
        given: list[Any] = ["kit"] if self.gives_kit(block) else []
        given += sorted(one for one in model.outputs if one != "kit")
        wanted = [
            text if text == "kit" else tuple(int(part) for part in text.split("."))
            for text in model.plan.get("gives", ())
        ]
        return sorted(given, key=lambda one: wanted.index(one) if one in wanted else -1)

    def _fed(self, block: Block, before: dict[str, Source], source: Source, taker: str, widget: bool) -> Fed:
        own = block.inside(source[0])
        if own is not None:
            return "inside", (own, source[1])
        for name, held in before.items():
            # The photos that likeness is measured against may be what is worked on too: that link is a picture's.
            if held == source and (name == "references") == (taker == "references"):
                return "kit", name
        for name, held in block.wires.items():
            if held == source:
                return "wire", name
        wanted = self.plan.get("names", {}).get(f"{source[0]}.{source[1]}")
        output = self.nodes[source[0]]["outputs"][source[1]]
        name = wanted or output["type"].lower()
        if name in block.wires:
            name = f"{name} {sum(known.startswith(name) for known in block.wires) + 1}"
        if widget:
            raise PlanError(f"{block.title}: {name} would end in a widget and show it; lead it through a kit")
        block.wires[name] = source
        return "wire", name

    def _give(self, source: Source, taker: Block | None) -> None:
        giver = self.giver(source, taker)
        if giver:
            own = (giver.inside(source[0]), source[1])
            if own not in giver.outputs:
                giver.outputs.append(own)

    def giver(self, source: Source, taker: Block | None) -> Block | None:
        """Return the block that gives an output of the plain graph; None for a node that stands on top itself."""
        if source[0] in self.loose:
            return None
        return next(block for block in self.blocks if block is not taker and source[0] in block.nodes.values())

    def gives_kit(self, block: Block) -> bool:
        """Whether a later block takes this block's kit, or one of a block of the same definition."""
        return any(
            other.kit == one.id for one in self.blocks if one.definition == block.definition for other in self.blocks
        )

    def opens_kit(self, block: Block) -> bool:
        """Whether something inside is fed from the kit, or the kit is passed on as it came."""
        used = any(kind == "kit" for (node, _), (kind, _) in block.feeds.items() if node != KIT)
        through = any(kind == "kit" for (node, _), (kind, _) in block.feeds.items() if node == KIT)
        return used or through or (self.gives_kit(block) and not block.puts)

    def promoted(self, block: Block) -> list[dict[str, Any]]:
        """Return the widgets that a block shows: name, label and the places (id inside, input) they set."""
        model = block.first or block
        found = []
        for text in model.plan.get("shows", ()):
            name, _, places = text.partition("=")
            name, _, label = name.strip().partition("|")
            pairs = [place.strip().split(".", 1) for place in places.split(",")]
            found.append({"name": name, "label": label, "places": [(int(node), key) for node, key in pairs]})
        return found

    def value(self, node: dict[str, Any], widget: str) -> Any:
        """Return a saved value of a node of the plain graph."""
        return value_of(node, widget, self.kinds)

    def places(self, plain: int) -> list[int | str]:
        """Return where a node of the plain graph lies: its own id on top, or ids through a block."""
        if plain in self.loose:
            return [plain]
        return [f"{block.id}:{own}" for block in self.blocks for own, node in block.nodes.items() if node == plain]

    def paths(self) -> dict[str, int]:
        """Return the plain ids of the nodes in blocks, by path."""
        return {f"{one.id}:{own}": node for one in self.blocks for own, node in one.nodes.items()}


def slot_of(node: dict[str, Any], name: str) -> int:
    """Return the place of an input among a node's inputs."""
    return next(index for index, slot in enumerate(node["inputs"]) if slot["name"] == name)
