"""One choice for many parameters: what a graph's parameter `family` sets (extra.portrait_studio.families)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .document import BYPASS, MUTED, UIGraph
from .parameters import Parameter, declared, parameters

FAMILY, CHECKPOINT, CUSTOM = "family", "checkpoint", "custom"


def with_family(graph: UIGraph, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a graph with those that its chosen family stands for; what is set by name counts.

    A checkpoint that is named without a family is the caller's own affair: the family is then custom, so that nothing
    is held against the checkpoint. A stage that is muted or bypassed is left alone. Raises GraphError as `parameters`
    does.
    """
    families = declared(graph).get("families", {})
    if not families:
        return dict(settings)
    if FAMILY not in settings:
        return {**({FAMILY: CUSTOM} if CHECKPOINT in settings else {}), **settings}
    implied = families.get(str(settings[FAMILY]), {})
    known = parameters(graph)
    return {**{name: value for name, value in implied.items() if _runs(graph, known[name])}, **settings}


def _runs(graph: UIGraph, parameter: Parameter) -> bool:
    """Whether no node that a parameter sets, and no block around one, is muted or bypassed."""
    for path, _ in parameter.targets:
        level = graph.root
        for step in path.split(":"):
            node = level.nodes[step]
            if node.mode in (MUTED, BYPASS):
                return False
            level = graph.subgraphs.get(node.type, level)
    return True
