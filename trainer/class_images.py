"""Pictures of the class, which the base model makes once: what prior preservation holds on to (Ruiz et al. 2023)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..portrait.decoding import read_rgb
from . import files, state
from .settings import TrainSettings

PROMPTS = (
    "portrait photo of {class_word}, head and shoulders, front view",
    "portrait photo of {class_word}, head and shoulders, three-quarter view, turned to the left",
    "portrait photo of {class_word}, head and shoulders, three-quarter view, turned to the right",
    "portrait photo of {class_word}, head and shoulders",
)
SEED = 8_000_000
"""The first seed: far from the ones that people type, and from the judged pictures'."""

ClassImages = list[tuple[np.ndarray, str]]
Draw = Callable[[Sequence[str], Sequence[int]], list[np.ndarray]]


def wanted(settings: TrainSettings) -> int:
    """Return how many pictures of the class the settings make use of."""
    return settings.class_images if settings.prior_weight and settings.prior_share else 0


def made(
    folder: Path,
    class_word: str,
    model: Mapping[str, Any],
    size: tuple[int, int],
    settings: TrainSettings,
    draw: Draw,
    say: Callable[[str], None],
) -> ClassImages:
    """Return pictures (RGB, uint8, `size` is width and height) of a class with their captions.

    They are kept in `folder` with what they were made from, and made again only when that has changed: `model` says
    which model draws. `draw` makes a picture of every text and seed.
    """
    count = wanted(settings)
    if not count:
        return []
    facts = {
        "class_word": class_word,
        **model,
        "size": list(size),
        "count": count,
        "seed": SEED,
        "steps": settings.sample_steps,
        "cfg": settings.sample_cfg,
    }
    known = _load(folder, facts)
    if known is not None:
        return known
    say(f"drawing {count} pictures of the class")
    texts = [PROMPTS[index % len(PROMPTS)].format(class_word=class_word) for index in range(count)]
    pictures = draw(texts, [SEED + index for index in range(count)])
    _save(folder, facts, pictures, texts)
    return list(zip(pictures, texts, strict=True))


def _save(folder: Path, facts: Mapping[str, Any], pictures: Sequence[np.ndarray], captions: Sequence[str]) -> None:
    """Keep the pictures; the list is written last."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(pictures):
        files.save_picture(folder / f"class-{index:03d}.png", picture)
    state.write(folder / "class.json", json.dumps({**facts, "captions": list(captions)}, indent=1).encode())


def _load(folder: Path, facts: Mapping[str, Any]) -> ClassImages | None:
    """Return the pictures that are kept, or None when there are none made from these `facts`."""
    try:
        known = json.loads((folder / "class.json").read_text("utf-8"))
        captions = known.pop("captions")
        if known != dict(facts):
            return None
        names = [folder / f"class-{index:03d}.png" for index in range(len(captions))]
        return [(read_rgb(name, ["PNG"]), text) for name, text in zip(names, captions, strict=True)]
    except (OSError, ValueError, KeyError):
        return None
