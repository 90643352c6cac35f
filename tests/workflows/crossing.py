"""Where LiteGraph draws the links on top of a graph, and which of them cross.

A link is a Bézier curve from the right of one node to the left of another; its control points lie a quarter of the
distance away. Bends (`extra.reroutes`) part it into several.
"""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from typing import Any

Point = tuple[float, float]
SLOT = 20  # NODE_SLOT_HEIGHT
POINTS = 47  # odd, so that no point lies where two like curves cross


def ends(graph: dict[str, Any], link: list[Any]) -> tuple[Point, Point]:
    """Return where a link starts and ends."""
    nodes = {node["id"]: node for node in graph["nodes"]}
    _, origin, out, target, into, *_ = link
    sockets = [slot["name"] for slot in nodes[target]["inputs"] if not slot.get("widget")]
    at = sockets.index(nodes[target]["inputs"][into]["name"])
    (x, y), (width, _) = nodes[origin]["pos"], nodes[origin]["size"]
    left, top = nodes[target]["pos"]
    return (x + width, y + (out + 0.7) * SLOT), (left, top + (at + 0.7) * SLOT)


def way(graph: dict[str, Any], link: list[Any]) -> list[Point]:
    """Return the points of a link, its bends among them."""
    bends = {bend["id"]: bend for bend in graph["extra"].get("reroutes", ())}
    last = next((one["parentId"] for one in graph["extra"].get("linkExtensions", ()) if one["id"] == link[0]), None)
    between: list[Point] = []
    while last is not None:
        between.insert(0, tuple(bends[last]["pos"]))
        last = bends[last].get("parentId")
    start, end = ends(graph, link)
    if between:  # bends are drawn smoothly; the straight lines between them tell enough
        return [start, *between, end]
    reach = math.dist(start, end) / 4
    controls = (start, (start[0] + reach, start[1]), (end[0] - reach, end[1]), end)
    return [_bezier(controls, step / POINTS) for step in range(POINTS + 1)]


def crossings(graph: dict[str, Any]) -> list[tuple[int, int]]:
    """Return the pairs of links that cross; links that leave one output together do not cross there."""
    ways = {link[0]: (link, way(graph, link)) for link in graph["links"]}
    found = []
    for (one, first), (other, second) in combinations(ways.values(), 2):
        together = one[1:3] == other[1:3]
        pairs = ((a, b) for a in pairwise(first) for b in pairwise(second))
        if any(_cross(a, b) for a, b in pairs if not (together and (a[0] == first[0] or b[0] == second[0]))):
            found.append((one[0], other[0]))
    return found


def _bezier(controls: tuple[Point, ...], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    x, y = (sum(w * point[axis] for w, point in zip(weights, controls, strict=True)) for axis in (0, 1))
    return x, y


def _cross(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    (a, b), (c, d) = one, other
    return _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0


def _side(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
