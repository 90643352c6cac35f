"""The pack itself and the packs that graphs stand on, as a host has them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from ..assets import InstalledPack, RequiredPack, installed_packs, names_of, pin_of, pins, same_version
from ..client import PACK_NODE, parse_json
from ..demo import ROOT
from .finding import Finding, Severity
from .host_facts import Failure, HostFacts
from .knowledge import knowledge

OWN = "portrait-studio"
_GET = "install it with ComfyUI-Manager, or link it: python3 install.py demo --comfyui DIR"


def check_own(facts: HostFacts) -> Finding:
    """Return how this pack itself stands: there, loaded, and of the version of this command line."""
    here = next((one.version for one in installed_packs([ROOT.parent]) if one.folder == ROOT), "")
    place = facts.pack([OWN])
    there = PACK_NODE in (facts.object_info or {}) if facts.running else place is not None
    if facts.failure([OWN]) and not (facts.running and there):
        return _failed("pack", Severity.ERROR, OWN, facts)
    if not there:
        state = "not loaded" if place else "missing"
        way = "the host has not loaded it: start ComfyUI again and look at its log" if place else _GET
        return Finding("pack", Severity.ERROR, OWN, state, f"The nodes of this pack are not on the host: {way}.")
    if place is None:
        return _by_its_graphs(facts, here)
    data = {"version": place.version, "expected": here}
    if same_version(place.version, here):
        return Finding("pack", Severity.OK, OWN, here, data=data)
    message = f"The host has {place.version or 'an unknown version'} and this command line is {here}: update the older."
    return Finding("pack", Severity.WARNING, OWN, "other version", message, data=data)


def _by_its_graphs(facts: HostFacts, here: str) -> Finding:
    """Find the version of the pack on a far host from the graphs that it offers: they are files of the pack."""
    folder = str((facts.object_info or {})[PACK_NODE].get("python_module", "")).partition(".")[2]
    own = {file.stem: _digest(file.read_bytes()) for file in (ROOT / "workflows").glob("*.json")}
    offered: dict[str, str] = {}
    with suppress(ValueError, TypeError, KeyError):
        if facts.served:
            names = parse_json(facts.served("/workflow_templates"))[folder]
            base = f"/api/workflow_templates/{quote(folder)}"
            if sorted(names) == sorted(own):  # else there is no need to ask for each
                offered = {name: _digest(facts.served(f"{base}/{quote(name)}.json")) for name in names}
    if own == offered:
        return Finding("pack", Severity.OK, OWN, here, "The graphs that the host offers are those of this version.")
    message = f"The graphs that the host offers are not those of {here}: one of the two is older, so update it."
    return Finding("pack", Severity.WARNING, OWN, "other version", message)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_packs(facts: HostFacts, wanted: Sequence[RequiredPack]) -> Iterator[Finding]:
    """Yield how each required pack stands, then the pinned ones that are there, then other packs that did not load."""
    told = {OWN, *(name for pack in wanted for name in names_of(pack.name))}
    for pack in wanted:
        yield _check(facts, pack)
    for pin in pins():
        if told.isdisjoint(names_of(pin.name)) and (facts.pack(names_of(pin.name)) or facts.loaded(names_of(pin.name))):
            yield _check(facts, RequiredPack(pin.name, pin.version, optional=True))
            told |= set(names_of(pin.name))
    own = facts.pack([OWN])
    mine = {place.folder.name for name in told if (place := facts.pack([name]))} | ({own.folder.name} if own else set())
    for folder, failure in facts.failures.items():
        if folder not in mine | told:
            message = f"None of these graphs needs it. The host says: {failure.reason}."
            yield Finding("packs", Severity.NOTE, folder, "failed to import", message, failure.traceback)


def _check(facts: HostFacts, pack: RequiredPack) -> Finding:
    level = Severity.NOTE if pack.optional else Severity.ERROR
    names = names_of(pack.name)
    place, loaded, failure = facts.pack(names), facts.loaded(names), facts.failure(names)
    absent = [node for node in pack.nodes if node not in (facts.object_info or {})] if facts.running else []
    data = {"version": place.version if place else "", "expected": pack.version, "missing_nodes": absent}
    if not loaded and place and place.disabled:
        return Finding("packs", level, pack.name, "switched off", "Switch it on in ComfyUI-Manager.", data=data)
    if not loaded and (failure or (facts.running and place)):
        return _failed("packs", level, pack.name, facts)
    if not loaded and not place and (absent or not facts.running or not pack.nodes):
        return Finding("packs", level, pack.name, "missing", _where(pack), data=data)
    if absent:
        nodes = ", ".join(absent[:4]) + (" ..." if len(absent) > 4 else "")
        message = f"It has no {nodes}: use {pack.version or 'the version that the graph was made with'}."
        return Finding("packs", level, pack.name, "lacks nodes", message, data=data)
    return _present(facts, pack, data)


def _where(pack: RequiredPack) -> str:
    pin = pin_of(pack.name)
    source = pack.repository or (pin.repository if pin else "source unknown")
    licence = f", {pin.license}" if pin else ""
    way = "portrait-studio packs install GRAPH, or ComfyUI-Manager" if pin else "ask whoever made the graph"
    return f"{pack.version or 'any version'} ({source}{licence}): {way}."


def _present(facts: HostFacts, pack: RequiredPack, data: dict[str, Any]) -> Finding:
    place = facts.pack(names_of(pack.name))
    if place is None or not place.version:
        return Finding("packs", Severity.OK, pack.name, "present", "Its version cannot be seen from here.", data=data)
    commit = place.commit()[:10]
    shown = f"{place.version} ({commit})" if commit else place.version
    if pack.version and not same_version(place.version, pack.version):
        message = f"The graphs were tried with {pack.version}; another version may name or order things differently."
        return Finding("packs", Severity.WARNING, pack.name, shown, message, data=data)
    unknown = "Whether it loads shows once ComfyUI has run."
    return Finding("packs", Severity.OK, pack.name, shown, "" if facts.running or facts.has_log else unknown, data=data)


def _failed(section: str, level: Severity, name: str, facts: HostFacts) -> Finding:
    """Return the finding on a pack that is there and whose nodes are not."""
    failure, place = facts.failure(names_of(name)), facts.pack(names_of(name))
    if failure is None:
        unknown = (
            "" if facts.has_log else " If it happens again, its log will say why; this one does not go back far enough."
        )
        message = f"It is in custom_nodes, and the host has not loaded it: start ComfyUI again.{unknown}"
        return Finding(section, level, name, "not loaded", message)
    way = f"{_way(name, failure, place)}, and start ComfyUI again."
    message = f"{failure.reason}: {way}"
    return Finding(section, level, name, "failed to import", message, failure.traceback, {"reason": failure.reason})


def _way(name: str, failure: Failure, place: InstalledPack | None) -> str:
    for remedy in knowledge()["remedy"]:
        if name == remedy["pack"] and remedy["words"] in failure.reason:
            return remedy["advice"]
    # A dotted name that is not found belongs to a package that is: nothing that could be installed beside it.
    if re.search(r"No module named '\w+'", failure.reason):
        listed = place and (place.folder / "requirements.txt").is_file()
        what = (
            f"pip install -r custom_nodes/{place.folder.name}/requirements.txt" if place and listed else "see its page"
        )
        return f"install the Python packages that it needs with ComfyUI's own Python ({what})"
    return "fix what it says below, or update the pack"
