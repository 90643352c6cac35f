"""What a session makes when nothing is said, by the kind of its checkpoint (defaults.toml)."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from ...portrait import disk
from ..jobs import build
from .errors import SessionError, listed


@dataclass(frozen=True)
class Defaults:
    """The defaults of one kind of checkpoint; `training` and `portraits` are parameters of the two graphs."""

    name: str
    checkpoints: tuple[str, ...]
    graph: str
    poses: tuple[str, ...]
    tones: tuple[str, ...]
    count: int
    training: Mapping[str, Any]
    portraits: Mapping[str, Any]


@cache
def _kinds() -> tuple[Defaults, ...]:
    found: list[dict[str, Any]] = disk.read_toml(Path(__file__).with_name("defaults.toml"))["kind"]
    for one in found:
        one |= {key: tuple(one[key]) for key in ("checkpoints", "poses", "tones")}
    return tuple(Defaults(**one) for one in found)


def defaults_for(checkpoint: str) -> Defaults:
    """Return the defaults for a checkpoint, by the name of its file."""
    name = PurePosixPath(checkpoint.replace("\\", "/")).name
    return next(one for one in _kinds() if any(fnmatch.fnmatchcase(name, pattern) for pattern in one.checkpoints))


def choose_checkpoint(wanted: str, offered: Sequence[str]) -> str:
    """Return the checkpoint to use of those that a host has: the wanted one, the only real one, or the pocket one.

    Raises SessionError when there is none such, or several to choose from.
    """
    if wanted:
        names = [one for one in offered if wanted in (one, PurePosixPath(one.replace("\\", "/")).name)]
        if len(names) != 1:
            raise SessionError(f"The host has no checkpoint {wanted!r}: it has {_quoted(offered)}")
        return names[0]
    real = [one for one in offered if defaults_for(one).name != "pocket"]
    if len(real) > 1:
        raise SessionError(f"The host has several checkpoints, {_quoted(real)}: name one with --checkpoint")
    if not offered:
        raise SessionError(
            "The host has no checkpoint: put one into its models/checkpoints, or make the small ones with the node "
            "Pocket Models"
        )
    return (real or list(offered))[0]


def parameters_of(graph: Path) -> list[str]:
    """Return the names of a graph's parameters. Raises GraphError, PromptError."""
    return [row["name"] for row in build.parameter_rows(graph)]


def graph_settings(graph: Path, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return those of some default settings that a graph has as parameters, as text."""
    known = parameters_of(graph)
    return {name: str(value) for name, value in settings.items() if name in known}


def _quoted(names: Sequence[str]) -> str:
    return listed([repr(one) for one in names]) or "none"
