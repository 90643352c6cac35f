"""What the doctor knows beforehand (knowledge.toml), and versions compared by their numbers."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]


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
    return tomllib.loads(Path(__file__).with_name("knowledge.toml").read_text("utf-8"))


@cache
def traps() -> tuple[Trap, ...]:
    """Return the known traps."""
    return tuple(Trap(**{**row, "nodes": tuple(row.get("nodes", ()))}) for row in knowledge()["trap"])


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, without zeros at the end; empty when it has none."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    parts = [int(part) for part in found[1].split(".")] if found else []
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


def within(version: str, bounds: str) -> bool:
    """Tell whether a version keeps all bounds of a range such as ">=8, <8.28.3". Raises ValueError for another text."""
    for bound in filter(None, (part.strip() for part in bounds.split(","))):
        found = re.fullmatch(r"(<=|>=|<|>|==)\s*([\w.-]+)", bound)
        if not found:
            raise ValueError(f"{bound!r} is no bound of a version")
        one, other = numbers(version), numbers(found[2])
        holds = {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other, "==": one == other}
        if not holds[found[1]]:
            return False
    return True
