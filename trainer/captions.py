"""Captions from what a photo proves: trigger and class word, framing, view, and nothing that was guessed.

What a caption names can be changed by the prompt later; what it leaves out is learned as part of the person. So the
framing and the view are named wherever they are measured beyond doubt. Words and ranges are data, in captions.json.
"""

from __future__ import annotations

import functools
import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np

from ..portrait.errors import PortraitError
from ..portrait.poses.library import VIEWS

FILE = Path(__file__).with_name("captions.json")
MAX_WORD = 60
_SYNTAX = frozenset(',;:()[]{}<>|\\/"*')  # what prompts give a meaning of their own


def caption(
    trigger: str, class_word: str, yaw: float | None = None, crop_ratio: float | None = None, monochrome: bool = False
) -> str:
    """Return the caption of a crop.

    `yaw` in degrees, positive when the nose points to the right of the picture; `crop_ratio` is the side of the crop
    over that of the face box; None leaves the word out, as do values near the border between two words.

    Raises PortraitError when trigger or class word is not a word that a prompt can hold.
    """
    words = vocabulary()
    subject = " ".join(part for part in (checked("trigger", trigger), checked("class word", class_word)) if part)
    parts = [words["template"].format(subject=subject)]
    if crop_ratio is not None:
        parts += _within(words["framing"], "crop", crop_ratio)
    if yaw is not None:
        parts += [VIEWS[view] for view in _within(words["view"], "yaw", yaw)]
    if monochrome:
        parts.append(words["monochrome"]["words"])
    return ", ".join(parts)


def checked(what: str, text: str) -> str:
    """Return a trigger or class word with single spaces.

    Raises PortraitError when it is empty, longer than 60 characters, or holds a sign that prompts read otherwise.
    """
    word = " ".join(text.split())
    invisible = any(unicodedata.category(sign) in ("Cc", "Cf", "Cs") for sign in word)
    if not word or len(word) > MAX_WORD or invisible or _SYNTAX & set(word):
        raise PortraitError(
            f"The {what} {text[:80]!r} is not a word that a prompt can hold; use letters and digits, such as "
            f"{'anb3ll' if what == 'trigger' else 'woman'}."
        )
    return word


def is_monochrome(image: np.ndarray) -> bool:
    """Return whether a picture `[H, W, 3]` (RGB, uint8) has no colour: its channels differ by 1% of white on average,
    or less.
    """
    chroma = image.max(-1).astype(np.int16) - image.min(-1)
    return float(chroma.mean()) / 255 <= vocabulary()["monochrome"]["most_chroma"]


@functools.cache
def vocabulary() -> dict[str, Any]:
    """Return the words of captions.json and what they ask for."""
    return json.loads(FILE.read_text("utf-8"))


def _within(rows: list[dict[str, Any]], key: str, value: float) -> list[str]:
    return [row["words"] for row in rows if row[key][0] <= value <= row[key][1]]
