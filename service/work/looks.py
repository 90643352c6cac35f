"""The looks to choose from: the pose and tone presets that come with the pack."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from ...portrait import disk, presets
from ...portrait import poses as pose_library
from ..errors import StudioError

USUAL = ("head-front", "warm-film")
"""The look that is chosen when a page opens."""
FRAMINGS = ("head", "half", "full")
"""What of a person is in the picture, as the names of poses begin."""
_PORTRAIT = Path(presets.__file__).parent


@cache
def poses() -> tuple[str, ...]:
    """Return the names of the pose presets, the closest first: a head, a half, a whole figure."""
    return tuple(sorted(_pose_files(), key=lambda name: (FRAMINGS.index(name.partition("-")[0]), name)))


@cache
def tones() -> tuple[str, ...]:
    """Return the names of the tone presets."""
    return tuple(sorted(_tone_files()))


def _pose_files() -> dict[str, Path]:
    return presets.files([_PORTRAIT / "poses" / "presets"], (".json",))


def _tone_files() -> dict[str, Path]:
    return presets.files([_PORTRAIT / "tones" / "presets"], (".toml",))


def title(name: str, language: str) -> str:
    """Return what a look is called in a language, in English where it has no other name."""
    titles = _titles().get(name, {})
    return titles.get(language) or titles.get("en") or name


@cache
def _titles() -> dict[str, dict[str, str]]:
    return {name: pose_library.load(name).title for name in poses()} | {
        name: disk.read_toml(file)["title"] for name, file in _tone_files().items()
    }


def fingerprint(kind: str, name: str) -> str:
    """Return a hash of all that a pose or tone preset is, except what it is called."""
    file = (_pose_files() if kind == "pose" else _tone_files())[name]
    told = disk.read_toml(file) if kind == "tone" else json.loads(file.read_text("utf-8"))
    told.pop("title")
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def check(what: str, names: list[str], offered: tuple[str, ...]) -> list[str]:
    """Return the names once each, in order. Raises StudioError for one that is not offered."""
    if not names or set(names) - set(offered):
        raise StudioError("unknown_look", 422, what=what)
    return list(dict.fromkeys(names))
