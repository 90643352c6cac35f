"""Faces of a photo, each with the pixels in which it is seen well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import workers
from .decoding import Patch
from .faces import Face, detect, refine_all
from .originals import AnyPhoto, Original, as_photo

# A face whose box has a shorter side in the reduced photo gets its closer look in pixels of the file. Only that look: a
# search of the region would begin elsewhere than one of the whole photo, and end in other landmarks. The closer look
# itself sees a face at REFINE_SIDE / REFINE_RATIO = 206 px (face_search); the rest is for the sharpness measured.
# benchmarks/phone_photos.py compares likeness, sharpness and training crops with those of whole photos.
CLEAR = 320
# The side of the region that is read, in face sides: room for the closer look (1.4) however far the head leans.
REACH = 2.2


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
    """Return the faces of each photo as `close_ups` does, a few photos at once."""

    def look(photo: AnyPhoto) -> list[CloseUp]:
        photo = as_photo(photo)
        return found_in(photo.pixels, photo.original, min_score)

    return list(workers.each(photos, look))


def found_in(pixels: np.ndarray, original: Original | None, min_score: float = 0.6) -> list[CloseUp]:
    """Return the faces of a photo whose pixels are at hand; see close_ups."""
    if original is None:
        return [CloseUp(face, pixels, face) for face in detect(pixels, min_score)]
    found = detect(pixels, min_score, refine=False)
    small = [face for face in found if face.side < CLEAR]
    whole = Patch(pixels, 0.0, 0.0, original.size[0] / pixels.shape[1])
    seen = [(face, whole) for face in found if face.side >= CLEAR]
    if small:
        boxes = [_around(placed(face, whole)) for face in small]
        patches = original.regions(boxes, round(CLEAR * REACH))
        seen += [(within(placed(face, whole), patch), patch) for face, patch in zip(small, patches, strict=True)]
    refined = refine_all([patch.pixels for _, patch in seen], [[face] for face, _ in seen], min_score)
    made = [CloseUp(placed(face, patch), patch.pixels, face) for (face,), (_, patch) in zip(refined, seen, strict=True)]
    return sorted(made, key=lambda one: (-one.face.area, one.face.box[0], one.face.box[1]))


def placed(face: Face, patch: Patch) -> Face:
    """Return a face of a patch in pixels of the whole photo."""
    return _moved(face, patch.scale, patch.left, patch.top)


def within(face: Face, patch: Patch) -> Face:
    """Return a face of the whole photo in pixels of a patch."""
    return _moved(face, 1 / patch.scale, -patch.left / patch.scale, -patch.top / patch.scale)


def _around(face: Face) -> tuple[int, int, int, int]:
    (x, y), reach = face.centre, face.side * REACH / 2
    return math.floor(x - reach), math.floor(y - reach), math.ceil(x + reach), math.ceil(y + reach)


def _moved(face: Face, scale: float, left: float, top: float) -> Face:
    x, y, wide, high = face.box
    points = tuple((left + scale * at, top + scale * down) for at, down in face.landmarks)
    return Face((left + scale * x, top + scale * y, scale * wide, scale * high), points, face.score)
