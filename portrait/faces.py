"""Where the faces are: YuNet at any picture size, and the choice among several faces.

Pictures are RGB uint8 arrays `[H, W, 3]`; coordinates are pixels from the top left corner, x before y.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from . import workers
from .errors import PortraitError
from .face import Face

if TYPE_CHECKING:
    import torch

    Picture = np.ndarray | torch.Tensor
    """`[H, W, 3]`, RGB, uint8: an array, or a tensor on any device."""

CHOICES = ("all", "largest", "leftmost", "rightmost", "topmost", "centre", "likeness")


class FaceError(PortraitError):
    """Faces cannot be looked for, or were asked for in a way that does not exist."""


def detect(image: Picture, min_score: float = 0.6, refine: bool = True) -> list[Face]:
    """Return the faces of one picture `[H, W, 3]` (RGB, uint8), the largest first.

    Equal pictures give equal lists. `min_score` is YuNet's score, 0..1. `refine` looks at each face again at a fixed
    size and turned level, which is what landmarks, roll and likeness need; the boxes alone are right without it.

    Raises FaceError when the array is not such a picture.
    """
    return detect_all([image], min_score, refine)[0]


def detect_all(images: Sequence[Picture], min_score: float = 0.6, refine: bool = True) -> list[list[Face]]:
    """Return the faces of each picture as `detect` does, faster than one by one.

    The pictures may differ in size. Tensors are searched on the device that they are on: together on a card, where
    beside other pictures the numbers of a face may differ by rounding (about 1e-4 px), and one for each core on a
    processor.

    Raises FaceError when one is not such a picture.
    """
    import torch

    from .face_search import search

    for image in images:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype not in (np.uint8, torch.uint8):
            raise FaceError(
                f"Faces are looked for in RGB uint8 pictures [H, W, 3], not in {image.dtype} {list(image.shape)}."
            )
    if len(images) > 1 and all(isinstance(image, np.ndarray) or image.device.type == "cpu" for image in images):
        return list(workers.each(images, lambda image: search([image], min_score, refine)[0]))
    return search(images, min_score, refine)


def refine_all(images: Sequence[Picture], found: Sequence[Sequence[Face]], min_score: float = 0.6) -> list[list[Face]]:
    """Return faces that `detect_all` found without refining, refined in these pictures, in the same order.

    The pictures may be others than those searched, as long as the faces are given in their pixels.
    """
    from .face_search import refined

    return refined(images, found, min_score)


def choose(
    faces: Sequence[Face],
    how: str = "all",
    size: tuple[int, int] = (0, 0),
    max_faces: int = 0,
    likeness: Callable[[Face], float] | None = None,
) -> list[Face]:
    """Return the chosen faces, the best first.

    `how` is one of CHOICES: `all` keeps the given order, every other word picks one face unless `max_faces` asks for
    more. `size` is (width, height) of the picture, needed for `centre`; `likeness` says how much a face looks like the
    person, needed for `likeness`; `max_faces` 0 means no limit for `all` and one face otherwise.

    Raises FaceError for an unknown word or a missing likeness.
    """
    if how not in CHOICES:
        raise FaceError(f"Faces cannot be chosen by {how!r}; choose one of {', '.join(CHOICES)}.")
    if how == "likeness" and likeness is None:
        raise FaceError("Choosing a face by likeness needs a subject or reference photos; connect one of them.")
    keys: dict[str, Callable[[Face], float]] = {
        "all": lambda face: 0.0,
        "largest": lambda face: -face.area,
        "leftmost": lambda face: face.centre[0],
        "rightmost": lambda face: -face.centre[0],
        "topmost": lambda face: face.centre[1],
        "centre": lambda face: math.dist(face.centre, (size[0] / 2, size[1] / 2)),
        "likeness": lambda face: -likeness(face) if likeness else 0.0,
    }
    ranked = sorted(faces, key=keys[how])
    limit = max_faces or (len(ranked) if how == "all" else 1)
    return ranked[:limit]


def overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the intersection over union of two boxes `(x, y, width, height)`, 0..1."""
    wide = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    high = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    if wide <= 0 or high <= 0:
        return 0.0
    shared = wide * high
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)
