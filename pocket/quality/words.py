"""Whether the words of a prompt show: colours of hair, garment and background, and the tone presets' words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...portrait import tones
from ...portrait.faces import Face
from .. import measures
from ..graphs import text_to_image
from .pictures import HostPictures

REGIONS = {"hair": "hair_colour", "garment": "garment_colour", "background": "background_colour"}


@dataclass
class Followed:
    """Which words show, by region; `judge` counts how often the held-out render itself is judged right."""

    words: dict[str, list[bool]] = field(default_factory=lambda: {name: [] for name in REGIONS})
    judge: dict[str, list[bool]] = field(default_factory=lambda: {name: [] for name in REGIONS})


def colours(
    people: Sequence[dict[str, Any]],
    pictures: Sequence[np.ndarray],
    seen: Sequence[list[Face]],
    renders: Sequence[np.ndarray],
    real: Sequence[list[Face]],
) -> Followed:
    """Compare each region's colour with the other renders' and take the nearest one's word.

    Light, a jacket in front or a fringe mislead that judge, on renders too. So a word counts only where the held-out
    render of the same caption is judged right: there the judge can be trusted. Patterned garments, scenes behind and
    hair that is not there are not judged.
    """
    followed = Followed()
    known = [measures.regions(x, faces[0]) if faces else {} for x, faces in zip(renders, real, strict=True)]
    for i, person in enumerate(people):
        facts = person["attributes"]
        made = measures.regions(pictures[i], seen[i][0]) if seen[i] else {}
        plain = facts["background"] in ("plain", "gradient") and facts["pattern"] == "plain"
        for region, key in REGIONS.items():
            if facts["hair"] in ("bald", "buzz") if region == "hair" else not plain:
                continue
            centres: dict[str, list[np.ndarray]] = {}
            for j, other in enumerate(people):
                if j != i and region in known[j]:
                    centres.setdefault(other["attributes"][key], []).append(known[j][region])
            if facts[key] not in centres:
                continue
            right = region in known[i] and measures.nearest_word(known[i][region], centres) == facts[key]
            followed.judge[region].append(right)
            if right:
                followed.words[region].append(
                    region in made and measures.nearest_word(made[region], centres) == facts[key]
                )
    return followed


def tone_words(pictures: HostPictures, people: Sequence[dict[str, Any]]) -> dict[str, bool]:
    """Make one seed with and without each tone's words: the change must go where the tone's LUT would take it."""
    names = tones.names()[: pictures.count]
    graphs = {}
    for i, name in enumerate(names):
        caption = f"{tones.load(name).words}, {people[i % len(people)]['caption']}"
        graphs[i] = text_to_image([caption], seed=1000 + i % len(people))
    pictures.make("tone", graphs)
    followed = {}
    for i, name in enumerate(names):
        before, after = pictures.open("text", i % len(people)), pictures.open("tone", i)
        wish = measures.lab_shift(before, _graded((before[None] / 255).astype(np.float32), name))
        change = measures.lab_shift(before, after)
        cosine = float(wish @ change / max(np.linalg.norm(wish) * np.linalg.norm(change), 1e-6))
        followed[name] = bool(cosine >= 0.5 and np.linalg.norm(change) >= 0.3 * np.linalg.norm(wish))
    pictures.sheet("tones", [pictures.open("tone", i) for i in range(len(names))], 5)
    return followed


def _graded(picture: np.ndarray, name: str) -> np.ndarray:
    import torch

    graded = tones.apply(torch.from_numpy(picture), tones.load(name).protected_lut())
    return (graded[0].clamp(0, 1).numpy() * 255).round().astype(np.uint8)
