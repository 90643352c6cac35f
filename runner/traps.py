"""The traps of ComfyUI's protocol and what the runner does about each, read from traps.toml."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]


@dataclass(frozen=True)
class Trap:
    """One trap: its number in the project's list, what happens, and how the runner meets it."""

    number: int
    title: str
    handling: str


def traps() -> list[Trap]:
    """Return every known trap, by number."""
    text = Path(__file__).with_name("traps.toml").read_text("utf-8")
    return sorted((Trap(**row) for row in tomllib.loads(text)["trap"]), key=lambda trap: trap.number)
