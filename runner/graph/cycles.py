"""Nodes that wait for each other: found in any mapping of a node to the nodes it needs, and put into words."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping


def find_cycle(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the nodes of one cycle, each feeding the next, the first one again at the end; empty when there is none.

    Equal mappings with ordered values give equal answers.
    """
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def cycle_words(names: Iterable[str]) -> str:
    """Return what to say of a cycle, given what to call its nodes in `find_cycle`'s order; no nodes, no words."""
    path = " -> ".join(names)
    return f"the links {path} make a cycle, so none of these nodes can run; cut one of them" if path else ""
