"""Files of a job on this machine: names kept inside their folder, whole or not at all, never one over another."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...portrait import disk
from ..client import OutputError

MAX_NAME_BYTES = 180  # most file systems allow 255; room is left for a counter, ".json" and the unfinished file's name
PROBE_BYTES = 1 << 20

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)


def safe_name(name: str, default: str = "image") -> str:
    """Return `name` as a plain file name that every system takes: no folder, no `..`, no control character.

    Letters of every script, spaces and emoji stay. The result is at most MAX_NAME_BYTES long in UTF-8 and keeps its
    ending.
    """
    name = unicodedata.normalize("NFC", _FORBIDDEN.sub("_", name))
    name = re.sub(r"\.{2,}", "_", name).strip(" .")
    if _RESERVED.match(name):
        name = f"_{name}"
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > 16:
        stem, ending = name, ""
    ending = f".{ending}" if ending else ""
    room = MAX_NAME_BYTES - len(ending.encode())
    stem = stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .")
    return f"{stem or default}{ending}"


def prepare(folder: Path) -> Path:
    """Make the folder, prove that it can be written, and return it resolved.

    Raises OutputError when it cannot be made, is not a folder, is read-only or has no room.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(PROBE_BYTES))
            probe.flush()
        return folder.resolve()
    except (OSError, ValueError) as error:
        raise OutputError(_sentence(folder, error)) from error


def free_names(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return a path in `folder` for each name, made safe; one that is taken, by an image or a record, gets a counter.

    Raises OutputError when there is none.
    """
    paths: list[Path] = []
    for name in map(safe_name, names):
        stem, ending = Path(name).stem, Path(name).suffix
        for counter in range(1, 100_000):
            path = folder / (name if counter == 1 else f"{stem} ({counter}){ending}")
            if path not in paths and not os.path.lexists(path) and not os.path.lexists(record_path(path)):
                paths.append(path)
                break
        else:
            raise OutputError(f"The folder {folder.name!r} holds too many files called {name!r}: choose another --out")
    return paths


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses within the block into an OutputError."""
    try:
        yield
    except OSError as error:
        raise OutputError(_sentence(folder, error)) from error


def replace(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all, over what was there. Raises OutputError."""
    if path.is_dir():
        raise OutputError(f"{path.name!r} is a folder: give the name of a file in --out")
    try:
        disk.write(path, data)
    except OSError as error:
        raise OutputError(_sentence(path.parent, error)) from error


def record_path(image: Path) -> Path:
    """Return where the record of an image is kept: beside it, `portrait.png` -> `portrait.png.json`."""
    return image.with_name(f"{image.name}.json")


def _sentence(folder: Path, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"The output folder {folder.name!r} is full: free some space or choose another --out"
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"The output folder {folder.name!r} cannot be made, since a file has that name: choose another --out"
    reason = getattr(error, "strerror", None) or str(error)
    return f"The output folder {folder.name!r} cannot be written ({reason}): choose another --out"
