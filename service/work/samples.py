"""Pictures of the looks to choose from: portraits of our own graph, made by tests/service/look_pictures.py."""

from __future__ import annotations

from pathlib import Path

from . import looks

FOLDER = Path(__file__).with_name("pictures")
MADE_OF = FOLDER / "made_of.json"
"""The fingerprint of the preset that each picture was made of."""


def pose(name: str) -> bytes:
    """Return a portrait in a pose, as WebP. Raises StudioError for one that is not offered."""
    return _read("poses", *looks.check("pose", [name], looks.poses()))


def tone(name: str) -> bytes:
    """Return a portrait in a tone, as WebP. Raises StudioError for one that is not offered."""
    return _read("tones", *looks.check("tone", [name], looks.tones()))


def _read(folder: str, name: str) -> bytes:
    return (FOLDER / folder / f"{name}.webp").read_bytes()
