"""What the doctor knows beforehand, read from knowledge.toml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...portrait.disk import read_toml


@dataclass(frozen=True)
class Trap:
    """Something that goes wrong where everything that it names comes together; see knowledge.toml."""

    id: str
    level: str
    title: str
    advice: str
    source: str
    host: str = ""
    pack: str = ""
    versions: str = ""
    nodes: tuple[str, ...] = ()
    input: str = ""
    above: float | None = None
    equal: Any = None
    argument: str = ""


@cache
def knowledge() -> dict[str, Any]:
    """Return knowledge.toml."""
    return read_toml(Path(__file__).with_name("knowledge.toml"))


@cache
def traps() -> tuple[Trap, ...]:
    """Return the known traps."""
    return tuple(Trap(**{**row, "nodes": tuple(row.get("nodes", ()))}) for row in knowledge()["trap"])
