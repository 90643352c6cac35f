"""Blemishes: small round spots of blood in the skin. What is brown, such as a mole or a freckle, is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from ..crops import smooth_step
from .blur import blurred, blurred_within

# Lengths are in distances between the eyes, 63 mm in the mean (N. A. Dodgson, 2004).
FINEST = 0.018  # sigma of the look at a spot: a millimetre
AROUND = 0.11  # sigma of the skin that a spot is compared with
SMALLEST, LARGEST = 0.015, 0.19  # diameter, 1 to 12 mm: a smaller spot is a pore, a larger one a flush
ROUND = 0.42  # least share of its own box that a spot fills: a line is a vein or a crease
LONGEST = 2.6  # longest box of a spot over its shorter side
# In density. Redness that a photograph shows is from 0.08 on; noise counts by its spread within the skin.
LEAST, OVER_NOISE = 0.08, 2.5
PEAK = 1.3  # the reddest pixel of a spot, in thresholds
WELL_INSIDE = 0.7  # mean of the skin mask in a spot: the rim of a lip is none
BROWN = 1.5  # a spot with more melanin than so many times its blood is a mole or a freckle
DEEP = 0.5  # a spot darker than this is not a blemish, whatever its colour


@dataclass(frozen=True)
class Blemish:
    """A spot: its middle x, y and its diameter, in pixels of the crop."""

    x: float
    y: float
    diameter: float


def find(parts: torch.Tensor, skin: torch.Tensor, eye_distance: float) -> tuple[list[Blemish], torch.Tensor]:
    """Return the blemishes and where they are, soft, `[H, W]`, 0..1.

    `parts` are shading, blood and melanin `[3, H, W]`; `skin` `[H, W]` is 0..1; `eye_distance` is in pixels.
    """
    from scipy import ndimage

    raised, threshold = _raised(parts, skin, eye_distance)
    blood = raised[1].cpu().numpy()
    labels, count = cast("tuple[np.ndarray, int]", ndimage.label(blood > threshold))
    kept, found = np.zeros(count + 1, bool), []
    deep = raised.cpu().numpy()
    solid = skin.cpu().numpy()
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        inside = labels[place] == number
        if not _is_blemish(inside, deep[(slice(None), *place)], solid[place], threshold, eye_distance):
            continue
        kept[number] = True
        rows, columns = np.nonzero(inside)
        diameter = 2 * float(np.sqrt(inside.sum() / np.pi))
        found.append(Blemish(place[1].start + columns.mean() + 0.5, place[0].start + rows.mean() + 0.5, diameter))
    where = torch.from_numpy(kept[labels].astype(np.float32)).to(parts.device)
    grow = max(0.8, 1.4 * FINEST * eye_distance)
    return found, smooth_step(0.1, 0.45, blurred(where[None], grow)[0]) if found else where


def _raised(parts: torch.Tensor, skin: torch.Tensor, eye_distance: float) -> tuple[torch.Tensor, float]:
    """Return how far each part `[3, H, W]` lies above the skin around, and the threshold for blood.

    What is raised does not count as skin around: two more looks leave it out.
    """
    fine = blurred_within(parts, skin, max(0.6, FINEST * eye_distance / 2))
    weight = skin
    solid = skin > 0.5
    raised, threshold = torch.zeros_like(parts), LEAST
    for _ in range(3):
        raised = fine - blurred_within(parts, weight, AROUND * eye_distance)
        inside = raised[1][solid]
        if len(inside):
            spread = float((inside - inside.median()).abs().median()) * 1.4826  # of a normal distribution
            threshold = max(LEAST, OVER_NOISE * spread)
        weight = skin * smooth_step(threshold, threshold / 2, raised[1].clamp_min(0))
    return raised * (skin > 0.05), threshold


def _is_blemish(inside: np.ndarray, raised: np.ndarray, skin: np.ndarray, threshold: float, unit: float) -> bool:
    area = int(inside.sum())
    high, wide = inside.shape
    diameter = 2 * np.sqrt(area / np.pi)
    shading, blood, melanin = (float(plane[inside].mean()) for plane in raised)
    return bool(
        area >= 3
        and SMALLEST * unit <= diameter <= LARGEST * unit
        and max(high, wide) <= LONGEST * min(high, wide)
        and area >= ROUND * high * wide
        and float(skin[inside].mean()) > WELL_INSIDE
        and float(raised[1][inside].max()) > PEAK * threshold
        and melanin < BROWN * blood
        and shading < DEEP
    )
