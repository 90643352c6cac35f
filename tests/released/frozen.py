"""Graphs as they were released, byte for byte: packed, since each is kept for ever."""

from __future__ import annotations

import json
from pathlib import Path

from ..packing import pack, unpacked

HERE = Path(__file__).parent
HASHES: dict[str, str] = json.loads((HERE / "hashes.json").read_text("utf-8"))
"""The file name of every frozen graph, and its sha256."""


def path(name: str) -> Path:
    """Return the frozen graph with this file name as a file of its own, in a folder that ends with the process."""
    return unpacked(HERE) / name


def freeze(name: str, raw: bytes) -> None:
    """Keep `raw` under this file name."""
    pack(HERE / f"{name}.gz", raw)
