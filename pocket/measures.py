"""Numbers about portraits: faces, sharpness, and the colours of hair, clothes and background.

Pictures are RGB uint8 [H, W, 3].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..portrait import faces, identity
from ..portrait.colour_spaces import to_lab
from ..portrait.faces import Face

GOOD = 0.8
"""The score of YuNet from which a face counts."""


def found(picture: np.ndarray) -> list[Face]:
    """Return the faces that YuNet is sure of, the largest first."""
    return [face for face in faces.detect(picture, 0.5, refine=False) if face.score >= GOOD]


def direction(picture: np.ndarray) -> np.ndarray | None:
    """Return SFace's unit vector of the largest face, or None."""
    seen = faces.detect(picture, 0.5)
    return identity.embed(picture, seen[0]) if seen else None


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Return the peak signal to noise ratio of two pictures in dB."""
    error = np.square(first.astype(np.float64) - second.astype(np.float64)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def gradient_energy(picture: np.ndarray, face: Face) -> float:
    """Return the mean squared step of luma (0..1) between neighbouring pixels within the face box."""
    luma = picture @ np.array((0.299, 0.587, 0.114)) / 255
    x, y, width, height = (round(v) for v in face.box)
    part = luma[max(y, 0) : y + height, max(x, 0) : x + width]
    return float((np.square(np.diff(part, axis=0)).mean() + np.square(np.diff(part, axis=1)).mean()) / 2)


def regions(picture: np.ndarray, face: Face) -> dict[str, np.ndarray]:
    """Return the median colour (CIELAB) of hair, garment and background as a face says where they must be.

    Hair: a band over the brow, up to a quarter of the face's height above its box. Garment: .55 to .95 of the face's
    height below the chin, a third of its width to either side. Background: the two upper corners. What is outside the
    picture is left out.
    """
    lab = to_lab(picture / 255)
    height, width = lab.shape[:2]
    x, y, w, h = face.box

    def median(left: float, top: float, right: float, bottom: float) -> np.ndarray | None:
        box = lab[
            max(0, round(top)) : min(height, round(bottom)), max(0, round(left)) : min(width, round(right))
        ].reshape(-1, 3)
        return np.median(box, axis=0) if len(box) >= 6 else None

    corner = max(8, width // 10)
    areas = {
        "hair": median(x + 0.2 * w, y - 0.25 * h, x + 0.8 * w, y - 0.02 * h),
        "garment": median(x - 0.35 * w, y + 1.55 * h, x + 1.35 * w, y + 1.95 * h),
        "background": _mean(median(0, 0, corner, corner), median(width - corner, 0, width, corner)),
    }
    return {name: colour for name, colour in areas.items() if colour is not None}


def _mean(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    return None if first is None or second is None else (first + second) / 2


def nearest_word(colour: np.ndarray, centres: Mapping[str, Sequence[np.ndarray]]) -> str:
    """Return the word one of whose known colours is the nearest (CIE76)."""
    return min(centres, key=lambda word: min(float(np.linalg.norm(colour - centre)) for centre in centres[word]))


def lab_shift(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return how far the mean colour and its spread moved: mean L, a, b and mean chroma, in CIELAB units [4]."""

    def facts(picture: np.ndarray) -> np.ndarray:
        lab = to_lab(picture.reshape(-1, 3) / 255)
        return np.append(lab.mean(0), np.hypot(lab[:, 1], lab[:, 2]).mean())

    return facts(after) - facts(before)
