"""Pose presets: JSON files that hold a pose, its framing and the words that describe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import presets, reading
from ..errors import PortraitError
from .openpose import Fit, Pose, parse

FOLDER = Path(__file__).parent / "presets"
SUFFIXES = (".json",)

FRAMINGS = ("head and shoulders", "half body", "full body")
VIEWS = {
    "front": "front view",
    "three-quarter left": "three-quarter view, turned to the left",
    "three-quarter right": "three-quarter view, turned to the right",
    "profile left": "profile view, turned to the left",
    "profile right": "profile view, turned to the right",
    "back three-quarter left": "seen from behind, turned to the left",
    "back three-quarter right": "seen from behind, turned to the right",
}
"""View -> prompt words; left and right are sides of the picture."""


@dataclass(frozen=True)
class PosePreset:
    """A pose by name.

    `title` maps language codes to what people read; `aspect` is (w, h) in smallest integers, the shape of picture that
    the pose was composed for; `words` says the gesture.
    """

    name: str
    title: dict[str, str]
    framing: str
    view: str
    words: str
    aspect: tuple[int, int]
    pose: Pose

    @property
    def prompt(self) -> str:
        """Framing, view and gesture as prompt words."""
        return ", ".join(part for part in (self.framing, VIEWS[self.view], self.words) if part)

    @property
    def fit(self) -> Fit:
        """How it goes best onto a canvas of another shape: a head may come closer, a body must not lose its limbs."""
        return "cover" if self.framing == "head and shoulders" else "contain"


def names(folders: Sequence[Path] = (FOLDER,)) -> list[str]:
    """Return the names of all presets in `folders`, sorted; files are not opened."""
    return list(presets.files(folders, SUFFIXES))


def load(name: str, folders: Sequence[Path] = (FOLDER,)) -> PosePreset:
    """Read a preset; a later folder wins over an earlier one.

    Raises PortraitError when there is no such name (with the nearest ones) or the file is not a preset.
    """
    found = presets.files(folders, SUFFIXES)
    path = found[presets.choose("pose preset", name, found)]
    try:
        document = reading.read_json(path, "preset")
    except reading.ReadError as error:
        raise PortraitError(f"The pose preset {path.name} cannot be read ({error}); repair or remove it.") from None
    try:
        return _preset(path.stem, document)
    except PortraitError as error:
        raise PortraitError(f"The pose preset {path.name} is not usable: {error}") from None


def _preset(name: str, document: Any) -> PosePreset:
    if not isinstance(document, dict):
        raise PortraitError("it must be one JSON object.")
    width, height = _pair(document, "canvas")
    title = document.get("title", {"en": name})
    words = document.get("words", "")
    if not isinstance(title, dict) or not isinstance(title.get("en"), str):
        raise PortraitError("'title' must be an object with at least 'en'.")
    if not isinstance(words, str):
        raise PortraitError("'words' must be text.")
    return PosePreset(
        name=name,
        title=title,
        framing=presets.choose("framing", str(document.get("framing")), FRAMINGS),
        view=presets.choose("view", str(document.get("view")), VIEWS),
        words=words,
        aspect=_pair(document, "aspect"),
        pose=parse({"people": document.get("people"), "canvas_width": width, "canvas_height": height}),
    )


def _pair(document: dict[str, Any], key: str) -> tuple[int, int]:
    value = document.get(key)
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in value)
    ):
        raise PortraitError(f"'{key}' must be two positive whole numbers, [width, height].")
    return value[0], value[1]
