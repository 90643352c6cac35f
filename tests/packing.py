"""Large files that only machines read, kept packed with gzip so that the tree stays small enough to carry."""

from __future__ import annotations

import atexit
import functools
import gzip
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any


def pack(path: Path, raw: bytes) -> None:
    """Keep `raw` under `path`, which ends in .gz. A file that holds the same already stays as it is."""
    if not path.exists() or gzip.decompress(path.read_bytes()) != raw:
        path.write_bytes(gzip.compress(raw, 9, mtime=0))


def document(path: Path) -> Any:
    """Return the JSON that is kept packed under `path`."""
    return json.loads(gzip.decompress(path.read_bytes()))


@functools.cache
def unpacked(folder: Path) -> Path:
    """Return a folder with every packed file of `folder`, for readers that want files. It ends with the process."""
    made = Path(tempfile.mkdtemp(prefix="unpacked-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    for file in folder.glob("*.gz"):
        (made / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    return made
