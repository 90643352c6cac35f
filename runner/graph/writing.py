"""Graphs as files: JSON in which a short node is one line, half the size of a line a value, and a diff can be read."""

from __future__ import annotations

import json
from typing import Any

LINE = 400  # letters


def in_lines(data: Any, *, ascii_only: bool = False) -> str:
    """Return JSON in lines of at most LINE letters, but for single texts that are longer; it ends with a line break."""
    return _lines(data, ascii_only) + "\n"


def _lines(data: Any, ascii_only: bool) -> str:
    whole = json.dumps(data, ensure_ascii=ascii_only, separators=(",", ":"))
    if len(whole) <= LINE or not isinstance(data, dict | list):
        return whole
    if isinstance(data, list):
        return "[\n" + ",\n".join(_lines(one, ascii_only) for one in data) + "\n]"
    keys = (json.dumps(str(key), ensure_ascii=ascii_only) for key in data)
    return (
        "{\n"
        + ",\n".join(f"{key}:{_lines(one, ascii_only)}" for key, one in zip(keys, data.values(), strict=True))
        + "\n}"
    )
