"""Known traps that apply to a host, its packs and graphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..assets import names_of, within
from .finding import Finding, Severity
from .graph_under_test import GraphUnderTest, PlacedNode
from .host_facts import HostFacts
from .knowledge import Trap, traps

_SHOWN = 3


def check_traps(
    facts: HostFacts, graphs: Sequence[GraphUnderTest], orders: Mapping[str, Sequence[str]]
) -> Iterator[Finding]:
    """Yield every trap that applies. One whose pack or version is not known is a warning at most."""
    for trap in traps():
        sure = _applies(trap, facts)
        if sure is None:
            continue
        level = Severity(trap.level) if sure else min(Severity(trap.level), Severity.WARNING, key=list(Severity).index)
        if not trap.nodes:
            yield _finding(trap, level, "")
            continue
        if not graphs and sure:
            set_so = f" where {trap.input} is above {trap.above:g}" if trap.above is not None else ""
            yield _finding(trap, Severity.NOTE, f"It applies to graphs with {trap.nodes[0]} and the like{set_so}. ")
        certain = _where(trap, graphs, orders, True)
        unsure = _where(trap, graphs, orders, None)
        if certain:
            yield _finding(trap, level, f"{certain}. ")
        elif unsure and level != Severity.NOTE:
            yield _finding(
                trap, Severity.WARNING, f"Look at {trap.input}, which cannot be read from the file: {unsure}. "
            )


def _where(
    trap: Trap, graphs: Sequence[GraphUnderTest], orders: Mapping[str, Sequence[str]], wanted: bool | None
) -> str:
    """Return the nodes of graphs that fall into a trap (`wanted` True), or may (None), in words."""
    told = []
    for graph in graphs:
        placed = [node for node in graph.nodes(orders) if node.type in trap.nodes]
        nodes = [node for node in placed if _holds(trap, node) is wanted]
        told += [f"{graph.name}: {_words(nodes)}"] if nodes else []
    return "; ".join(told)


def _applies(trap: Trap, facts: HostFacts) -> bool | None:
    """Say whether the host and its packs are those of a trap: None for no, False where a version is not known."""
    sure = True
    if trap.argument and trap.argument not in facts.arguments:
        return None
    if trap.host:
        held = within(facts.version, trap.host)
        if held is False:
            return None
        sure = sure and bool(held)
    if trap.pack:
        names = names_of(trap.pack)
        place = facts.pack(names)
        if (place is None or place.disabled) and not facts.loaded(names):
            return None
        held = within(place.version if place else "", trap.versions)
        if trap.versions and held is False:
            return None
        sure = sure and (not trap.versions or bool(held))
    return sure


def _holds(trap: Trap, node: PlacedNode) -> bool | None:
    """Say whether a node's input is as a trap says; None where the file does not have its value."""
    if not trap.input:
        return True
    try:
        value = node.value(trap.input)
    except KeyError:
        return None
    if trap.above is not None:
        return isinstance(value, int | float) and value > trap.above
    return value == trap.equal


def _words(nodes: Sequence[PlacedNode]) -> str:
    words = ", ".join(node.words for node in nodes[:_SHOWN])
    return words + (f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else "")


def _finding(trap: Trap, level: Severity, where: str) -> Finding:
    message = f"{trap.title}. {where}{trap.advice[0].upper()}{trap.advice[1:]}."
    return Finding("traps", level, trap.id, "applies", message, data={"source": trap.source})
