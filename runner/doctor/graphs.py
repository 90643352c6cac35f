"""The graphs themselves: whole, of a version that is known, and accepted by the host's own nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.version import Version

from ...portrait.errors import PortraitError
from .. import graph as graphs
from ..graph import identity, newest, refuse_surplus
from ..jobs import nodes_of
from .finding import Finding, Severity
from .graph_under_test import GraphUnderTest

# What packs and models lack has sections of its own.
_ELSEWHERE = ("node_missing", "model_missing")


def check_graph(graph: GraphUnderTest, object_info: Mapping[str, Any] | None, frontend: str = "") -> Iterator[Finding]:
    """Yield what is wrong with a graph, or that nothing is; with `object_info` a host's own nodes are asked.

    `frontend` is the version of the host's frontend.
    """
    found = list(_version(graph)) if graph.ui else []
    if any(one.level == Severity.ERROR for one in found):
        yield from found
        return
    if object_info is not None and graph.ui:
        told = graphs.check(graph.ui, object_info, frontend=frontend)
        found += [_of(one, graph) for one in told if _of_the_graph(one, graph)]
    elif object_info is not None and graph.api:
        told = graphs.check_prompt(nodes_of(graph.api.prompt), object_info)
        found += [_of(one, graph) for one in told if one.kind != "model_missing"]
    if not any(one.level == Severity.ERROR for one in found):
        note = "" if object_info is not None else "Its inputs can be checked once the host runs."
        yield Finding("graphs", Severity.OK, graph.name, "can be read", note)
    yield from found


def _of_the_graph(finding: graphs.Problem, graph: GraphUnderTest) -> bool:
    assert graph.ui is not None
    required = graphs.declared(graph.ui).get("requires", {}).get("packs", ())
    packed = {node for pack in required for node in pack.get("nodes", ())}
    if finding.kind == "node_missing":
        return not any(repr(node) in finding.message for node in packed)
    return finding.kind not in _ELSEWHERE


def _of(finding: graphs.Problem, graph: GraphUnderTest) -> Finding:
    level = Severity.ERROR if finding.level == "error" else Severity.WARNING
    return Finding("graphs", level, graph.name, finding.kind.replace("_", " "), finding.message)


def _version(graph: GraphUnderTest) -> Iterator[Finding]:
    """Yield whether a graph of ours is of an older or a newer version, and a widget too many."""
    assert graph.ui is not None
    name = graphs.declared(graph.ui).get("name")
    if not isinstance(name, str) or newest(name) is None:
        return
    try:
        _, version, file = identity(graph.ui)
        refuse_surplus(graph.ui)
    except PortraitError as error:
        yield Finding("graphs", Severity.ERROR, graph.name, "cannot be used", str(error))
        return
    latest = str(graphs.declared(graphs.read(file))["version"])
    if Version(version) < Version(latest):
        message = f"It is {name} {version}, and {latest} is there: portrait-studio graph migrate {graph.name}"
        yield Finding("graphs", Severity.NOTE, graph.name, "older version", message, data={"version": version})
