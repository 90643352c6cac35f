"""Face restoration networks on a host's disk: which they are, and what their licences allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...portrait.restore import networks
from .finding import Finding, Severity
from .host_facts import HostFacts

_DEEPEST = 3  # folders within folders, as far as artists sort them


def check_restorers(facts: HostFacts) -> Iterator[Finding]:
    """Yield what is known of each network in models/facerestore_models that Restore Face can read.

    By the names of its tensors where the host's files can be seen, else by its own name.
    """
    if facts.folders is not None:
        for name, path in _files(facts.folders.of(networks.FOLDER)):
            yield _local(name, path)
        return
    for name in facts.listed(networks.FOLDER) if facts.listed else []:
        network = networks.called(name) if name.lower().endswith(networks.SUFFIX) else None
        if network is not None:
            yield _known(name, network, " By its name: the host's files cannot be seen from here.")


def _files(folders: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """Yield the .safetensors files of the folders; of two of one name the first, which is the one that is loaded."""
    seen: set[str] = set()
    for folder in folders:
        for depth in range(_DEEPEST):
            for path in sorted(folder.glob("*/" * depth + f"*{networks.SUFFIX}")):
                name = path.relative_to(folder).as_posix()
                if name not in seen:
                    seen.add(name)
                    yield name, path


def _local(name: str, path: Path) -> Finding:
    try:
        network = networks.recognised(networks.look_at(path).shapes)
    except networks.RestoreError as error:
        return Finding("models", Severity.WARNING, _subject(name), "cannot be read", str(error))
    if network is None:
        message = "Restore Face may refuse it; its licence is not known here."
        return Finding("models", Severity.NOTE, _subject(name), "unknown network", message)
    return _known(name, network, "")


def _known(name: str, network: networks.RestorationNetwork, note: str) -> Finding:
    data = {key: getattr(network, key) for key in ("name", "commercial", "licence", "source")}
    mark = "NON-COMMERCIAL. " if network.commercial == "no" else ""
    return Finding("models", Severity.NOTE, _subject(name), network.name, mark + network.sentence + note, data=data)


def _subject(name: str) -> str:
    return f"{networks.FOLDER}/{name}"
