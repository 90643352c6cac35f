"""Faces of a photo, each with the pixels in which it is seen well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .decoding import Patch
from .faces import Face, detect_all
from .originals import AnyPhoto, Original, as_photo

# A face whose box has a shorter side in the reduced photo is read from the file. Measured against whole photos of
# 48 MP (benchmarks/phone_photos.py): at 300 px likeness differs by less than .006 and sharpness by less than a tenth,
# at 150 px sharpness is a fifth lower, at 65 px likeness differs by .07.
CLEAR = 320
# The side of the region that is read, in face sides: room for the detector to find the face anew.
REACH = 2.2
TOGETHER = 4  # photos looked at in one go


@dataclass(frozen=True)
class CloseUp:
    """One face: `face` in pixels of the whole photo, and `seen`, the same one in `pixels` (RGB uint8 `[h, w, 3]`)."""

    face: Face
    pixels: np.ndarray
    seen: Face


def close_ups(photo: AnyPhoto, min_score: float = 0.6) -> list[CloseUp]:
    """Return the faces of a photo, the largest first; `min_score` is that of faces.detect.

    Raises PhotoError when the photo's file is needed and not to be had any more.
    """
    return close_ups_of([photo], min_score)[0]


def close_ups_of(photos: Sequence[AnyPhoto], min_score: float = 0.6) -> list[list[CloseUp]]:
    """Return the faces of each photo as `close_ups` does; TOGETHER photos are in memory at once."""
    found: list[list[CloseUp]] = []
    for start in range(0, len(photos), TOGETHER):
        some = [as_photo(photo) for photo in photos[start : start + TOGETHER]]
        found += found_in([photo.pixels for photo in some], [photo.original for photo in some], min_score)
    return found


def found_in(
    pixels: Sequence[np.ndarray], originals: Sequence[Original | None], min_score: float = 0.6
) -> list[list[CloseUp]]:
    """Return the faces of photos whose pixels are at hand; see close_ups."""
    found = detect_all(pixels, min_score)
    return [_finer(*each, min_score) for each in zip(pixels, originals, found, strict=True)]


def _finer(pixels: np.ndarray, original: Original | None, found: list[Face], min_score: float) -> list[CloseUp]:
    if original is None:
        return [CloseUp(face, pixels, face) for face in found]
    whole = Patch(pixels, 0.0, 0.0, original.size[0] / pixels.shape[1])
    clear = [CloseUp(placed(face, whole), pixels, face) for face in found if face.side >= CLEAR]
    small = [placed(face, whole) for face in found if face.side < CLEAR]
    if small:
        patches = original.regions([_around(face) for face in small], round(CLEAR * REACH))
        seen = detect_all([patch.pixels for patch in patches], min_score)
        clear += [_closer(*each) for each in zip(small, patches, seen, strict=True)]
    return sorted(clear, key=lambda one: (-one.face.area, one.face.box[0], one.face.box[1]))


def placed(face: Face, patch: Patch) -> Face:
    """Return a face of a patch in pixels of the whole photo."""
    return _moved(face, patch.scale, patch.left, patch.top)


def within(face: Face, patch: Patch) -> Face:
    """Return a face of the whole photo in pixels of a patch."""
    return _moved(face, 1 / patch.scale, -patch.left / patch.scale, -patch.top / patch.scale)


def _closer(face: Face, patch: Patch, found: list[Face]) -> CloseUp:
    expected = within(face, patch)
    same = [
        other
        for other in found
        if math.dist(other.centre, expected.centre) < 0.35 * expected.side and 0.5 < other.side / expected.side < 2
    ]
    if not same:
        return CloseUp(face, patch.pixels, expected)
    seen = min(same, key=lambda other: math.dist(other.centre, expected.centre))
    return CloseUp(placed(seen, patch), patch.pixels, seen)


def _around(face: Face) -> tuple[int, int, int, int]:
    (x, y), reach = face.centre, face.side * REACH / 2
    return math.floor(x - reach), math.floor(y - reach), math.ceil(x + reach), math.ceil(y + reach)


def _moved(face: Face, scale: float, left: float, top: float) -> Face:
    x, y, wide, high = face.box
    points = tuple((left + scale * at, top + scale * down) for at, down in face.landmarks)
    return Face((left + scale * x, top + scale * y, scale * wide, scale * high), points, face.score)
