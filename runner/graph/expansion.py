"""How large a graph becomes when its subgraphs are expanded, counted without expanding anything."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from .document import GraphError, Level, UIGraph


@cache
def limits() -> dict[str, int]:
    """Return limits.json: the most `nodes` of an expanded graph, the most `letters` of their ids together, the most
    subgraph `definitions`, `ports` on either side of one, and `sockets` of all subgraph nodes, and the most `hops`
    along links while a prompt is made.
    """
    return json.loads(Path(__file__).with_name("limits.json").read_text("utf-8"))


def refuse_nesting(graph: UIGraph) -> None:
    """Refuse subgraphs that contain themselves, and more definitions than are supported."""
    open_: list[str] = []
    done: set[str] = set()

    def visit(level: Level) -> None:
        if level.id in open_:
            raise _refusal(graph, f"subgraph {level.name!r} contains itself")
        if level.id in done:
            return
        open_.append(level.id)
        for node in level.nodes.values():
            if node.type in graph.subgraphs:
                visit(graph.subgraphs[node.type])
        open_.pop()
        done.add(level.id)

    # Definitions nest as deep as there are definitions, which must stay far below Python's limit.
    most = limits()["definitions"]
    if len(graph.subgraphs) > most:
        raise _refusal(
            graph, f"{len(graph.subgraphs)} subgraph definitions are more than the {most} that are supported"
        )
    for level in graph.levels():
        visit(level)


def refuse_explosion(graph: UIGraph) -> None:
    """Refuse subgraphs within subgraphs that become too many nodes, or nodes with too long ids, when expanded.

    Both are counted without expanding anything: 12 definitions that each hold the next ten times are 10^12 nodes.
    """
    known: dict[str, tuple[int, int]] = {}

    sockets = 0
    for level in graph.levels():
        for node in level.nodes.values():
            sockets += len(graph.subgraphs[node.type].inputs) if node.type in graph.subgraphs else 0
    if sockets > limits()["sockets"]:
        raise _refusal(
            graph,
            f"its subgraph nodes have {sockets:,} inputs together, and the limit is {limits()['sockets']:,}; "
            "use fewer of them",
        )

    def measure(level: Level) -> tuple[int, int]:
        if level.id not in known:
            nodes = letters = 0
            for node in level.nodes.values():
                inner = graph.subgraphs.get(node.type)
                count, inside = measure(inner) if inner else (0, 0)
                # A node inside has the id of the node that it is in, a colon, and its own.
                nodes, letters = nodes + 1 + count, letters + inside + (len(node.id) + 1) * (1 + count)
            known[level.id] = nodes, letters
        return known[level.id]

    nodes, letters = measure(graph.root)
    if nodes > limits()["nodes"]:
        raise _refusal(
            graph,
            f"its subgraphs within subgraphs are {_count(nodes)} nodes when expanded, and the limit is "
            f"{limits()['nodes']:,}; nest fewer of them",
        )
    if letters > limits()["letters"]:
        raise _refusal(
            graph,
            f"the ids of its expanded nodes have {_count(letters)} letters together, and the limit is "
            f"{limits()['letters']:,}; nest fewer subgraphs, or save it from ComfyUI again",
        )


def _refusal(graph: UIGraph, what: str) -> GraphError:
    return GraphError(f"{graph.source}: {what}.")


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**12 else f"more than 10^{len(str(number)) - 1}"
