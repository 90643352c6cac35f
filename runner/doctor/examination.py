"""The whole examination: one report of a host and of the graphs that shall run on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...portrait.errors import PortraitError
from ..assets import required_models, required_packs
from .finding import Finding, Level
from .graphs import check_graph
from .knowledge import knowledge, within
from .models import check_models
from .packs import check_own, check_packs
from .room import check_room
from .site import Site
from .subject import Subject, orders_of, read_subject
from .traps import check_traps


@dataclass(frozen=True)
class Report:
    """Everything that was looked at, in the order of a report."""

    host: str
    running: bool
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing has to be mended."""
        return not any(one.level == Level.ERROR for one in self.findings)

    def data(self) -> dict[str, Any]:
        """Return the report as JSON data."""
        findings = [{**asdict(one), "level": one.level.value} for one in self.findings]
        return {"host": self.host, "running": self.running, "healthy": self.healthy, "findings": findings}


def examine(site: Site, files: Sequence[Path] = (), read: bool = False) -> Report:
    """Look at a host, and at what graphs need of it; with `read`, large model files are read for their hash.

    A graph that cannot be read is a finding too; nothing is raised for what is wrong.
    """
    subjects: list[Subject] = []
    unread: list[Finding] = []
    for file in files:
        try:
            subjects.append(read_subject(file))
            declared = [subjects[-1].ui] if subjects[-1].ui else []
            required_models(declared)
            required_packs(declared)
        except PortraitError as error:
            subjects = [one for one in subjects if one.path is not file]
            unread.append(Finding("graphs", Level.ERROR, file.name, "cannot be used", str(error)))
    drawn = [subject.ui for subject in subjects if subject.ui]
    orders = orders_of(site.object_info)
    models = required_models(drawn)
    findings = [*check_host(site), check_own(site), *check_packs(site, required_packs(drawn))]
    findings += check_models(site, models, read)
    for subject in subjects:
        findings += check_graph(subject, site.object_info)
    findings += [*unread, *check_traps(site, subjects, orders), *check_room(site, models, subjects, orders)]
    return Report(site.name, site.running, tuple(findings))


def check_host(site: Site) -> Iterator[Finding]:
    """Yield the host's version against those that were tried, and what it runs on."""
    known = knowledge()["host"]
    data = {"version": site.version, "minimum": known["minimum"], "tried": known["tried"]}
    if not site.version:
        yield Finding(
            "host", Level.WARNING, "ComfyUI", "unknown version", "It may be older than 0.3.75: update it.", data=data
        )
    elif within(site.version, f"<{known['minimum']}"):
        message = f"Its node interface is older than {known['minimum']}: update ComfyUI."
        yield Finding("host", Level.ERROR, "ComfyUI", site.version, message, data=data)
    elif within(site.version, f">{known['tried']}"):
        message = f"It is newer than {known['tried']}, the newest that was tried."
        yield Finding("host", Level.NOTE, "ComfyUI", site.version, message, data=data)
    else:
        yield Finding("host", Level.OK, "ComfyUI", site.version, data=data)
    runs = [f"Python {site.python}" if site.python else "", f"torch {site.torch}" if site.torch else "", site.device]
    words = ", ".join(filter(None, runs))
    if words:
        note = "It has no GPU: fine for the pocket models, slow for others." if site.accelerated is False else ""
        yield Finding("host", Level.OK, "runs on", words, note)
    if not site.running:
        message = "It does not run, so what its nodes say could not be asked; start it and name it with --host."
        yield Finding("host", Level.NOTE, "running", "no", message)
