"""The model files that graphs name, as a host has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..assets import DIFFERENT, MISSING, ModelState, RequiredModel, licence_words, size_words, state_of
from .finding import Finding, Severity
from .host_facts import HostFacts


def check_models(facts: HostFacts, wanted: Sequence[RequiredModel], read: bool = False) -> Iterator[Finding]:
    """Yield how each model stands; with `read`, large files are read for their hash."""
    for model in wanted:
        if facts.folders is not None:
            state = state_of(model, facts.folders, read)
            yield _local(model, state)
            yield from _hidden(model, state)
        else:
            yield _far(facts, model)


def _data(model: RequiredModel, state: str, checked: bool) -> dict[str, object]:
    keys = ("folder", "role", "size", "license", "non_commercial", "source", "url", "optional")
    return {**{key: getattr(model, key) for key in keys}, "state": state, "hashed": checked}


def _name(model: RequiredModel) -> str:
    return f"{model.folder}/{model.file}"


def _local(model: RequiredModel, state: ModelState) -> Finding:
    data = _data(model, state.state, state.checked)
    level = Severity.WARNING if model.optional else Severity.ERROR
    if state.state == MISSING:
        return _missing(model, data)
    if state.state == DIFFERENT:
        was = (
            f"{state.size:,} bytes instead of {model.size:,}" if not state.sha256 else f"sha256 {state.sha256[:12]}..."
        )
        message = f"The file of this name is another one ({was}): move it away and get the right one: {_way(model)}."
        return Finding("models", level, _name(model), "wrong hash", message, data=data)
    notes = []
    if not model.sha256:
        notes.append("The graph gives no hash.")
    elif not state.checked:
        notes.append(f"Not hashed ({size_words(state.size)}): --hashes reads it once.")
    return Finding("models", Severity.OK, _name(model), "present", " ".join([*notes, *_marks(model)]), data=data)


def _far(facts: HostFacts, model: RequiredModel) -> Finding:
    names = facts.listed(model.folder) if facts.listed else []
    if model.file not in names and model.file.replace("/", "\\") not in names:
        return _missing(model, _data(model, MISSING, False))
    note = "Not hashed: the host's files cannot be seen from here." if model.sha256 else ""
    words = " ".join([*([note] if note else []), *_marks(model)])
    return Finding("models", Severity.OK, _name(model), "present", words, data=_data(model, "present", False))


def _marks(model: RequiredModel) -> list[str]:
    return [f"NON-COMMERCIAL ({model.license})."] if model.non_commercial else []


def _missing(model: RequiredModel, data: dict[str, object]) -> Finding:
    level = Severity.NOTE if model.optional else Severity.ERROR
    role = f"{model.role}, " if model.role else ""
    message = f"{role}{size_words(model.size)}, {licence_words(model)}: {_way(model)}."
    return Finding("models", level, _name(model), "missing", message, data=data)


def _way(model: RequiredModel) -> str:
    if model.url and model.sha256:
        return "portrait-studio models get GRAPH"
    if model.source.startswith("http"):
        return f"get it from {model.source}"
    return model.source or "the graph does not say where it is from"


def _hidden(model: RequiredModel, state: ModelState) -> Iterator[Finding]:
    """Yield the copies that the host never sees, since another of the same name comes before them."""
    for other in state.hidden:
        if state.file is not None and (other.stat().st_size != state.size or state.state == DIFFERENT):
            message = (
                f"The host loads the one in {_short(state.file.parent)}, and never the different one in "
                f"{_short(other.parent)}: keep one."
            )
            yield Finding("models", Severity.WARNING, _name(model), "hides another", message)


def _short(folder: object) -> str:
    return "/".join(str(folder).replace("\\", "/").split("/")[-3:])
