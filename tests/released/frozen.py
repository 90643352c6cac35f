"""Graphs as they were released, byte for byte: packed with gzip, since each is kept for ever."""

from __future__ import annotations

import atexit
import functools
import gzip
import json
import shutil
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
HASHES: dict[str, str] = json.loads((HERE / "hashes.json").read_text("utf-8"))
"""The file name of every frozen graph, and its sha256."""


def packed(name: str) -> Path:
    """Return where the graph with this file name is kept."""
    return HERE / f"{name}.gz"


def path(name: str) -> Path:
    """Return the frozen graph with this file name as a file of its own, in a folder that ends with the process."""
    file = _folder() / name
    if not file.exists():
        file.write_bytes(gzip.decompress(packed(name).read_bytes()))
    return file


def freeze(name: str, raw: bytes) -> None:
    """Keep `raw` under this file name."""
    packed(name).write_bytes(gzip.compress(raw, 9, mtime=0))


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="released-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
