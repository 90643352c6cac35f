"""Aspect-ratio buckets: pictures of several shapes at one cost, none of them stretched.

The idea is NovelAI's ("Aspect Ratio Bucketing", 2022): sides are multiples of a step, and the area stays below that of
a square of the resolution.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from PIL import Image

from ..portrait.errors import PortraitError

# Latents are an eighth of the picture, so no step is smaller; an eighth of the resolution keeps buckets few enough for
# a set of ten photos to fill batches, and 64 is the step of SD1.5 and SDXL.
LEAST_STEP = 8
MOST_STEP = 64
MOST_ASPECT = 2.0


def step_for(resolution: int) -> int:
    """Return the step in px that suits a resolution: 64 from 512 on, 32 at 256, never below 8."""
    return min(MOST_STEP, max(LEAST_STEP, resolution // 8 // LEAST_STEP * LEAST_STEP))


@functools.lru_cache(maxsize=64)
def sizes(resolution: int, step: int | None = None) -> tuple[tuple[int, int], ...]:
    """Return all (width, height), the narrowest first: multiples of `step`, area at most `resolution` squared.

    The square is among them. Of each width the tallest is taken, no side is more than twice the other, and every size
    has its mirror.

    Raises PortraitError when the resolution is smaller than the step, or the step no multiple of 8.
    """
    step = step or step_for(resolution)
    if step % LEAST_STEP or resolution < step:
        raise PortraitError(
            f"Buckets of resolution {resolution} in steps of {step} do not exist; use a step that is a multiple of "
            f"{LEAST_STEP} and a resolution of at least that."
        )
    upright, side = [], resolution // step * step
    for width in range(step, side + 1, step):
        height = side**2 // width // step * step
        if width <= height <= MOST_ASPECT * width:
            upright.append((width, height))
    lying = [(height, width) for width, height in reversed(upright) if width != height]
    return (*upright, *lying)


def choose(width: int, height: int, resolution: int, step: int | None = None) -> tuple[int, int]:
    """Return the bucket (width, height) whose shape is nearest to a picture's; of equally near ones the larger."""
    shape = math.log(width / height)
    return min(
        sizes(resolution, step),
        key=lambda size: (round(abs(math.log(size[0] / size[1]) - shape), 9), -size[0] * size[1]),
    )


def fit(image: np.ndarray, mask: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture `[H, W, 3]` (RGB, uint8) and its mask `[H, W]` (0..1) at a size (width, height).

    Both are scaled alike in both directions until they cover the size; what is too much goes at the ends, the mask kept
    in the middle as far as the picture reaches.
    """
    high, wide = image.shape[:2]
    scale = max(size[0] / wide, size[1] / high)
    window = size[0] / scale, size[1] / scale
    centre = _centre(mask)
    left = min(max(0.0, centre[0] - window[0] / 2), wide - window[0])
    top = min(max(0.0, centre[1] - window[1] / 2), high - window[1])
    # Rounding may leave the window a hair outside the picture.
    box = (max(0.0, left), max(0.0, top), min(float(wide), left + window[0]), min(float(high), top + window[1]))
    resized = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, box=box)
    soft = Image.fromarray(mask.astype(np.float32)).resize(size, Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized), np.clip(np.asarray(soft), 0.0, 1.0)


def _centre(mask: np.ndarray) -> tuple[float, float]:
    """Return the mask's centre of gravity, x and y; of an empty mask the middle."""
    high, wide = mask.shape
    total = float(mask.sum())
    if total <= 0:
        return wide / 2, high / 2
    return (
        float(mask.sum(0) @ (np.arange(wide) + 0.5)) / total,
        float(mask.sum(1) @ (np.arange(high) + 0.5)) / total,
    )
