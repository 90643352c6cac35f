"""The whole examination: one report of a host and of the graphs that shall run on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...portrait.errors import PortraitError
from ..assets import required_models, required_packs, version_of, within
from .finding import Finding, Severity
from .graph_under_test import GraphUnderTest, orders_of, read_graph
from .graphs import check_graph
from .host_facts import HostFacts
from .knowledge import knowledge
from .models import check_models
from .packs import check_own, check_packs
from .restorers import check_restorers
from .room import check_room
from .traps import check_traps


@dataclass(frozen=True)
class Examination:
    """Everything that was looked at, in the order of a report."""

    host: str
    running: bool
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing has to be mended."""
        return not any(one.level == Severity.ERROR for one in self.findings)

    def data(self) -> dict[str, Any]:
        """Return the report as JSON data."""
        findings = [{**asdict(one), "level": one.level.value} for one in self.findings]
        return {"host": self.host, "running": self.running, "healthy": self.healthy, "findings": findings}


def examine(facts: HostFacts, files: Sequence[Path] = (), read: bool = False) -> Examination:
    """Look at a host, and at what graphs need of it; with `read`, large model files are read for their hash.

    A graph that cannot be read is a finding too; nothing is raised for what is wrong.
    """
    graphs: list[GraphUnderTest] = []
    unread: list[Finding] = []
    for file in files:
        try:
            graphs.append(read_graph(file))
            declared = [graphs[-1].ui] if graphs[-1].ui else []
            required_models(declared)
            required_packs(declared)
        except PortraitError as error:
            graphs = [one for one in graphs if one.path is not file]
            unread.append(Finding("graphs", Severity.ERROR, file.name, "cannot be used", str(error)))
    drawn = [graph.ui for graph in graphs if graph.ui]
    orders = orders_of(facts.object_info)
    models = required_models(drawn)
    findings = [*check_host(facts), check_own(facts), *check_packs(facts, required_packs(drawn))]
    findings += [*check_models(facts, models, read), *check_restorers(facts)]
    for graph in graphs:
        findings += check_graph(graph, facts.object_info, facts.frontend)
    findings += [*unread, *check_traps(facts, graphs, orders), *check_room(facts, models, graphs, orders)]
    return Examination(facts.name, facts.running, tuple(findings))


def check_host(facts: HostFacts) -> Iterator[Finding]:
    """Yield the host's version against those that were tried, and what it runs on."""
    known = knowledge()["host"]
    data = {"version": facts.version, "minimum": known["minimum"], "tried": known["tried"]}
    if version_of(facts.version) is None:
        yield Finding(
            "host", Severity.WARNING, "ComfyUI", "unknown version", "It may be older than 0.3.75: update it.", data=data
        )
    elif within(facts.version, f"<{known['minimum']}"):
        message = f"Its node interface is older than {known['minimum']}: update ComfyUI."
        yield Finding("host", Severity.ERROR, "ComfyUI", facts.version, message, data=data)
    elif within(facts.version, f">{known['tried']}"):
        message = f"It is newer than {known['tried']}, the newest that was tried."
        yield Finding("host", Severity.NOTE, "ComfyUI", facts.version, message, data=data)
    else:
        yield Finding("host", Severity.OK, "ComfyUI", facts.version, data=data)
    runs = [
        f"Python {facts.python}" if facts.python else "",
        f"torch {facts.torch}" if facts.torch else "",
        facts.device,
    ]
    words = ", ".join(filter(None, runs))
    if words:
        note = "It has no GPU: fine for the pocket models, slow for others." if facts.accelerated is False else ""
        yield Finding("host", Severity.OK, "runs on", words, note)
    if not facts.running:
        message = "It is not running, so its nodes could not be asked; start it, and give its address with --host."
        yield Finding("host", Severity.NOTE, "running", "no", message)
