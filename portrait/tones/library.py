"""Tone presets: TOML or JSON files (or a bare .cube) that hold a look, its words and how to sample with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import disk, presets, reading
from ..errors import PortraitError
from . import skin
from .grade import Grade
from .lut import identity, read_cube

FOLDER = Path(__file__).parent / "presets"
SUFFIXES = (".toml", ".json", ".cube")

_KEYS = ("title", "words", "negative", "denoise", "cfg", "skin_protection", "skin_limit", "lut")
_RANGES = {"denoise": (0.0, 1.0), "cfg": (1.0, 30.0), "skin_protection": (0.0, 1.0), "skin_limit": (0.5, 20.0)}


@dataclass(frozen=True)
class TonePreset:
    """A look by name.

    `title` maps language codes to what people read. `words` and `negative` are prompt words; `denoise` (0..1) and `cfg`
    are for the image-to-image pass that follows the LUT. `skin_protection` is 0..1. `skin_limit` is the most CIEDE2000
    by which the tone, protection included, may change skin beyond its lightness; None exempts looks that are meant to
    (black and white, sepia). `lut` is the unprotected LUT.
    """

    name: str
    title: dict[str, str]
    words: str
    negative: str
    denoise: float
    cfg: float
    skin_protection: float
    skin_limit: float | None
    lut: np.ndarray

    def protected_lut(self, amount: float | None = None) -> np.ndarray:
        """Return the LUT with skin held by `amount` (0..1, None for the preset's own)."""
        amount = self.skin_protection if amount is None else amount
        source = identity(len(self.lut)).astype(np.float64)
        return skin.protect(source, self.lut.astype(np.float64), amount).astype(np.float32)


def names(folders: Sequence[Path] = (FOLDER,)) -> list[str]:
    """Return the names of all presets in `folders`, sorted; files are not opened."""
    found = presets.files(folders, SUFFIXES)
    return list(found)


def load(name: str, folders: Sequence[Path] = (FOLDER,)) -> TonePreset:
    """Read a preset; a later folder wins over an earlier one, and in one folder .toml over .json over .cube.

    Raises PortraitError when there is no such name (with the nearest ones), or naming the file and what is wrong in it.
    """
    found = presets.files(folders, SUFFIXES)
    path = found[presets.choose("tone preset", name, found)]
    try:
        table = {"lut": {"file": path.name}} if path.suffix.lower() == ".cube" else _table(path)
        return _preset(path, table)
    except PortraitError as error:
        raise PortraitError(f"The tone preset {path.name} is not usable: {error}") from None


def _table(path: Path) -> Any:
    try:
        if path.suffix.lower() == ".json":
            return reading.read_json(path, "preset")
        return disk.parse_toml(reading.read_text(path, "preset"))
    except RecursionError:
        raise PortraitError("it is nested too deeply.") from None
    except (reading.ReadError, ValueError) as error:
        raise PortraitError(f"it cannot be read ({error}).") from None


def _preset(path: Path, table: Any) -> TonePreset:
    if not isinstance(table, dict):
        raise PortraitError("it must be a table of settings.")
    for key in table:
        presets.choose("setting", key, _KEYS)
    title = table.get("title", {"en": path.stem})
    if not isinstance(title, dict) or not isinstance(title.get("en"), str):
        raise PortraitError("'title' must hold at least 'en'.")
    limit = table.get("skin_limit", "exempt")
    return TonePreset(
        name=path.stem,
        title=title,
        words=_text(table, "words"),
        negative=_text(table, "negative"),
        denoise=_number(table, "denoise", 0.3),
        cfg=_number(table, "cfg", 7.0),
        skin_protection=_number(table, "skin_protection", 0.5),
        skin_limit=None if limit == "exempt" else _number(table, "skin_limit", 20.0),
        lut=_lut(path, table.get("lut", {})),
    )


def _lut(path: Path, table: Any) -> np.ndarray:
    if isinstance(table, str):
        table = {"file": table}
    if not isinstance(table, Mapping):
        raise PortraitError("'lut' must be a table of settings or the name of a .cube file.")
    if "file" not in table:
        return Grade.read(table).lut()
    name = table["file"]
    if len(table) > 1 or not isinstance(name, str):
        raise PortraitError("'lut' names a file and nothing else, or holds settings.")
    if Path(name).name != name or Path(name).suffix.lower() != ".cube":
        raise PortraitError(f"the LUT file {name!r} must be a .cube in the preset's own folder.")
    return read_cube(path.with_name(name))


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise PortraitError(f"'{key}' must be text.")
    return value


def _number(table: Mapping[str, Any], key: str, default: float) -> float:
    low, high = _RANGES[key]
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise PortraitError(f"'{key}' is {value!r}; it must be a number from {low:g} to {high:g}.")
    return float(value)
