"""sha256 of model files, remembered beside them by size and time, so that gigabytes are read once."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from ...portrait import reading
from ...portrait.disk import sha256
from ..client import OutputError
from ..jobs import output

MEMORY = ".portrait-studio.sha256.json"  # in each folder: file name -> [size, mtime in ns, sha256]


def known_hash(file: Path) -> str:
    """Return the sha256 of a file if it was read since the file last changed, else an empty string."""
    stat = file.stat()
    entry = _memory(file.parent).get(file.name)
    if isinstance(entry, list) and entry[:2] == [stat.st_size, stat.st_mtime_ns] and len(entry) == 3:
        return str(entry[2])
    return ""


def hash_of(file: Path) -> str:
    """Return the sha256 of a file, read when it has to be, and remember it where the folder can be written."""
    found = known_hash(file)
    if found:
        return found
    stat = file.stat()
    found = sha256(file)
    memory = _memory(file.parent)
    here = {name: entry for name, entry in memory.items() if (file.parent / name).exists()}
    here[file.name] = [stat.st_size, stat.st_mtime_ns, found]
    with contextlib.suppress(OutputError):
        output.replace(file.parent / MEMORY, json.dumps(here, indent=1).encode())
    return found


def _memory(folder: Path) -> dict[str, Any]:
    try:
        known = reading.read_json(folder / MEMORY, "notes", links=False)
    except reading.ReadError:
        return {}
    return known if isinstance(known, dict) else {}
