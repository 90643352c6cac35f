"""The graphs that come with the studio, found by name.

ComfyUI's template browser shows the name of a file, so each is called what a person would call it. A graph's own name
and version stand in it.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

from .widgets import SHIPPED

_NAME = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*)(?:\.v([0-9]+))?")
APP = ".app.json"  # a graph once more, which ComfyUI opens as a form


def graphs(folder: Path = SHIPPED) -> dict[tuple[str, int], Path]:
    """Return the files of the graphs in a folder by name and major version."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        if not file.name.endswith(APP) and (key := _key(file, file.stat().st_mtime_ns)):
            found[key] = file
    return found


@lru_cache
def _key(file: Path, _changed: int) -> tuple[str, int] | None:
    try:
        studio = json.loads(file.read_bytes())["extra"]["portrait_studio"]
        return str(studio["name"]), int(str(studio["version"]).partition(".")[0])
    except (ValueError, TypeError, KeyError):
        return None


def newest(name: str, folder: Path = SHIPPED) -> Path | None:
    """Return the file of the newest version of a shipped graph, or None when no graph of that name is shipped."""
    return max(((key, file) for key, file in graphs(folder).items() if key[0] == name), default=(None, None))[1]


def located(given: Path, folder: Path = SHIPPED) -> Path:
    """Return the file that somebody means: the one at this path, or the shipped graph of this name.

    `portrait-starter` is the newest version of that graph, `portrait-starter.v1` that very one, also with the folder
    and ending that its file once had. What is neither a file nor a name is returned as it was given.
    """
    if given.exists():
        return given
    former = given.parent.name == SHIPPED.name and given.suffix == ".json"
    known = _NAME.fullmatch(given.stem if former else str(given))
    if not known:
        return given
    name, version = known.groups()
    found = newest(name, folder) if version is None else graphs(folder).get((name, int(version)))
    return found or given


def advice(given: Path, folder: Path = SHIPPED) -> str:
    """Return what to do about a graph that cannot be found: a plain word may be meant as a name."""
    if not _NAME.fullmatch(str(given)):
        return "check its name and place"
    names = sorted({name for name, _ in graphs(folder)})
    return f"give the path of a file, or one of the studio's own graphs: {', '.join(names)}"
