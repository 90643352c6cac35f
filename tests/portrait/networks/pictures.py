"""The pictures on which the networks are compared with OpenCV's: the same numbers on every machine, nothing resized."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

ROOT = Path(__file__).parents[3]


def pictures() -> dict[str, np.ndarray]:
    """Name -> `[H, W, 3]`, RGB, uint8: photographs and renders with one face, several, or none, 160 to 1024 px."""
    astronaut = skimage.data.astronaut()
    found = {
        "astronaut": astronaut,
        "astronaut, twice as large": astronaut.repeat(2, 0).repeat(2, 1),
        "astronaut, half as large": astronaut.reshape(256, 2, 256, 2, 3).mean((1, 3)).astype(np.uint8),
        "astronaut, odd sides": astronaut[11:400, 37:470],
        "astronaut, a strip": astronaut[60:200, 120:310],
        "astronaut four times": np.tile(astronaut, (2, 2, 1)),
        "coffee": skimage.data.coffee(),
        "cat": skimage.data.chelsea(),
        "rocket": skimage.data.rocket(),
    }
    for path in sorted((ROOT / "tests" / "data" / "people").glob("*.jpg")):
        found[path.name] = np.array(Image.open(path).convert("RGB"))
    return {name: np.ascontiguousarray(picture) for name, picture in found.items()}


def square(picture: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The 112 px square about a face's middle, cut and not resized, inside the picture."""
    x, y = int(row[0] + row[2] / 2), int(row[1] + row[3] / 2)
    left = min(max(0, x - 56), picture.shape[1] - 112)
    top = min(max(0, y - 56), picture.shape[0] - 112)
    return np.ascontiguousarray(picture[top : top + 112, left : left + 112])
