"""Presets are files in folders: listing them, and finding one by name with a helpful refusal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from .errors import PortraitError

MOST_SHOWN = 60  # characters of a name that an error repeats


def shown(value: object) -> str:
    """Return a value from outside as an error shows it: a text quoted, control characters escaped, none too long."""
    if isinstance(value, str) and len(value) > MOST_SHOWN:
        value = f"{value[: MOST_SHOWN - 20]}...{value[-10:]}"
    text = repr(value)
    return text if len(text) <= 4 * MOST_SHOWN else f"{text[: 4 * MOST_SHOWN]}..."


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Return up to `count` of `names` that look most like `name`, best first; all of them when few."""
    known = list(names)
    if len(known) <= count:
        return known
    folded = {known_name.casefold(): known_name for known_name in known}
    return [folded[hit] for hit in difflib.get_close_matches(name.casefold(), folded, count, cutoff=0.3)]


def choose(kind: str, name: str, names: Iterable[str]) -> str:
    """Return `name` if it is one of `names`.

    Raises PortraitError naming the nearest valid ones; ComfyUI does not check the value of a combo by itself.
    """
    known = list(names)
    if name in known:
        return name
    near = nearest(name, known)
    hint = f"did you mean {' or '.join(repr(hit) for hit in near)}?" if near else f"there are {len(known)} of them."
    raise PortraitError(f"There is no {kind} named {shown(name)}; {hint}")


def refusal(kind: str, name: str | None, names: Iterable[str]) -> str | None:
    """Return the sentence with which `choose` would refuse, None if it would not; no name yet is not a fault."""
    try:
        if name is not None:
            choose(kind, name, names)
    except PortraitError as error:
        return str(error)
    return None


def files(folders: Sequence[Path], suffixes: Sequence[str]) -> dict[str, Path]:
    """Return stem -> file of every preset in `folders`, sorted by name; a later folder wins over an earlier one.

    Folders that do not exist are skipped; hidden files too. Within a folder, the order of `suffixes` decides between
    two files of one name: the first wins.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            continue
        for suffix in reversed(suffixes):
            for path in sorted(folder.iterdir()):
                if path.suffix.lower() == suffix and not path.name.startswith(".") and path.is_file():
                    found[path.stem] = path
    return dict(sorted(found.items()))


def fingerprint(name: str | None, folders: Sequence[Path], suffixes: Sequence[str]) -> tuple[str | None, int]:
    """Return what changes when another preset is chosen or its file is saved again: its name and time in ns."""
    path = files(folders, suffixes).get(name or "")
    return name, path.stat().st_mtime_ns if path else 0
