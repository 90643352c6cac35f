"""The graphs that come with the studio, found by name."""

from __future__ import annotations

import re
from pathlib import Path

from .migration import newest
from .widgets import SHIPPED

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(\.v[0-9]+)?")


def located(given: Path, folder: Path = SHIPPED) -> Path:
    """Return the file that somebody means: the one at this path, or the shipped graph of this name.

    `portrait-starter` is the newest version of that graph, `portrait-starter.v1` that very one. What is neither a file
    nor a name is returned as it was given.
    """
    name = str(given)
    if given.exists() or not _NAME.fullmatch(name):
        return given
    exact = folder / f"{name}.json"
    return exact if exact.is_file() else newest(name, folder) or given


def advice(given: Path, folder: Path = SHIPPED) -> str:
    """Return what to do about a graph that cannot be found: a plain word may be meant as a name."""
    if not _NAME.fullmatch(str(given)):
        return "check its name and place"
    names = sorted({file.stem.partition(".")[0] for file in folder.glob("*.json")})
    return f"give the path of a file, or one of the studio's own graphs: {', '.join(names)}"
