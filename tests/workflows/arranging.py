"""Where the nodes inside a block stand: in columns along the links, ordered so that few links cross."""

from __future__ import annotations

from typing import Any

GAP, ROW, TITLE = 70, 24, 30
INPUT, OUTPUT = -10, -20


def arrange(level: dict[str, Any]) -> None:
    """Place the nodes of a subgraph definition, notes above them, and its own inputs and outputs at the sides."""
    nodes = {node["id"]: node for node in level["nodes"] if node["type"] != "MarkdownNote"}
    notes = [node for node in level["nodes"] if node["type"] == "MarkdownNote"]
    edges = [
        (one["origin_id"], one["origin_slot"], one["target_id"], one["target_slot"])
        for one in level["links"]
        if one["origin_id"] in nodes and one["target_id"] in nodes
    ]
    columns = _columns(nodes, edges)
    _sort(columns, edges)
    x = 0.0
    for column in columns:
        y = 0.0
        for key in column:
            nodes[key]["pos"] = [round(x), round(y + TITLE)]
            y += nodes[key]["size"][1] + TITLE + ROW
        x += max(nodes[key]["size"][0] for key in column) + GAP
    y = -40.0
    for note in reversed(notes):
        y -= note["size"][1] + 40
        note["pos"] = [0, round(y)]
    level["inputNode"]["bounding"] = [-260, 0, 140, 40 + 20 * len(level["inputs"])]
    level["outputNode"]["bounding"] = [round(x) + 40, 0, 140, 40 + 20 * len(level["outputs"])]
    for index, node in enumerate(sorted(level["nodes"], key=lambda one: (one["pos"][0], one["pos"][1]))):
        node["order"] = index


def _columns(nodes: dict[int, Any], edges: list[tuple[int, int, int, int]]) -> list[list[int]]:
    """Return the nodes by how many lie before them; a node with nothing before it stands just before what it feeds."""
    depth: dict[int, float] = {}

    def measure(key: int) -> float:
        if key not in depth:
            depth[key] = max((measure(origin) + 1 for origin, _, target, _ in edges if target == key), default=0)
        return depth[key]

    for key in nodes:
        measure(key)
    fed = {target for _, _, target, _ in edges}
    for key in nodes:
        after = [depth[target] for origin, _, target, _ in edges if origin == key]
        if key not in fed and after and nodes[key]["type"] != "PortraitOpenKit":
            depth[key] = max(0, min(after) - 1)
    # The kit is opened in a column of its own, and what it holds goes from there to the right.
    opened = [key for key in nodes if nodes[key]["type"] == "PortraitOpenKit"]
    for key in nodes:
        if opened and key not in opened and depth[key] == 0:
            depth[key] = 0.5
    levels = sorted(set(depth.values()))
    return [[key for key in nodes if depth[key] == level] for level in levels]


def _sort(columns: list[list[int]], edges: list[tuple[int, int, int, int]]) -> None:
    """Order every column by where its links come from and lead to, a few times over."""
    for sweep in range(8):
        place = {key: index for column in columns for index, key in enumerate(column)}
        forth = sweep % 2 == 0

        def middle(key: int, place: dict[int, int] = place, forth: bool = forth) -> float:
            near = [
                place[origin] + slot / 100 if forth else place[target] + into / 100
                for origin, slot, target, into in edges
                if (target if forth else origin) == key
            ]
            return sum(near) / len(near) if near else place[key]

        for column in columns if forth else reversed(columns):
            column.sort(key=middle)
