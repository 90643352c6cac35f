"""Free disk and memory against an estimate of what graphs take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psutil

from ..assets import MISSING, RequiredModel, state_of
from .finding import Finding, Severity
from .graph_under_test import GraphUnderTest
from .host_facts import HostFacts
from .knowledge import knowledge


def check_room(
    facts: HostFacts,
    wanted: Sequence[RequiredModel],
    graphs: Sequence[GraphUnderTest],
    orders: Mapping[str, Sequence[str]],
) -> Iterator[Finding]:
    """Yield how much disk and memory there is, and whether the estimate says that it will do."""
    known = knowledge()["memory"]
    if facts.folders is not None:
        yield _disk(facts, wanted, known)
    if not graphs:
        return
    sizes = [_size(facts, model) for model in wanted if not model.optional]
    side = max((picture_side(graph, orders) for graph in graphs), default=0.0)
    per_value = known["cpu_bytes"] if facts.accelerated is False else known["accelerated_bytes"]
    decode = round(side * side * known["decode_bytes_per_pixel"] * per_value)
    work = max(decode, known["reserve"])
    about = f"the models take {_gb(sum(sizes))}, a picture of about {side:.0f} x {side:.0f} px at once {_gb(work)}"
    if 0 in sizes:
        about = f"at least: {about}"
    if facts.accelerated:
        yield _memory("GPU memory", facts.vram_free, facts.vram_total, max(sizes, default=0) + work, about)
        yield _memory("memory", facts.ram_free, facts.ram_total, sum(sizes), about)
    elif facts.ram_total:
        yield _memory("memory", facts.ram_free, facts.ram_total, sum(sizes) + work, about)


def picture_side(graph: GraphUnderTest, orders: Mapping[str, Sequence[str]]) -> float:
    """Return the side in pixels of a square as large as the largest picture that a graph decodes as a whole.

    0 when it names no size.
    """
    known = knowledge()["memory"]
    side, factor, tiled = 0.0, 1.0, False
    for node in graph.nodes(orders):
        with suppress(KeyError, TypeError, ValueError):
            side = max(side, (float(node.value("width")) * float(node.value("height"))) ** 0.5)
        factor = max(factor, known["enlarges"].get(node.type, 1.0))
        tiled = tiled or node.type in known["tiles"]
    return side if tiled else side * factor


def _disk(facts: HostFacts, wanted: Sequence[RequiredModel], known: Mapping[str, Any]) -> Finding:
    assert facts.folders is not None
    folder = facts.folders.root
    free = psutil.disk_usage(str(folder)).free
    fetch = sum(one.size for one in wanted if not one.optional and state_of(one, facts.folders).state == MISSING)
    need = fetch + known["outputs"]
    words = f"{_gb(fetch)} of models still have to be downloaded." if fetch else ""
    data = {"free": free, "needed": need}
    if free < need:
        return Finding(
            "room",
            Severity.ERROR,
            "disk",
            f"{_gb(free)} free",
            f"About {_gb(need)} are needed: free some space.",
            data=data,
        )
    return Finding("room", Severity.OK, "disk", f"{_gb(free)} free", words, data=data)


def _size(facts: HostFacts, model: RequiredModel) -> int:
    copies = facts.folders.find(model.folder, model.file) if facts.folders else []
    return copies[0].stat().st_size if copies else model.size


def _memory(what: str, free: int, total: int, need: int, about: str) -> Finding:
    there = free or total
    state = f"{_gb(there)} free of {_gb(total)}"
    data = {"free": free, "total": total, "needed": need}
    if need > there:
        message = f"About {_gb(need)} are wanted ({about}): it will be slow, or choose a smaller picture."
        return Finding("room", Severity.WARNING, what, state, message, data=data)
    return Finding("room", Severity.OK, what, state, f"About {_gb(need)} are wanted ({about}).", data=data)


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
