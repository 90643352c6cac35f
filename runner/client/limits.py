"""How much of anything a host may send: limits.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LIMITS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("limits.json").read_text("utf-8"))


def most(kind: str) -> int:
    """Return the limit of a kind in limits.json: bytes, or a count."""
    row = LIMITS[kind]
    return row["bytes"] if "bytes" in row else row["count"]


def words(text: object) -> str:
    """Return a host's own text as one line that fits into a sentence."""
    line = " ".join(str(text)[: 4 * most("words")].split())
    return line if len(line) <= most("words") else f"{line[: most('words')]}..."
