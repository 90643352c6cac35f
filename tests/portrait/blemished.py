"""Faces with blemishes and moles painted on, and the measures of a retouch: contrast of spots, gradient energy."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage.color
from PIL import Image, ImageOps

from portrait_studio.portrait import faces
from portrait_studio.portrait.face import Face
from portrait_studio.portrait.face_parts import eye_distance

from .scenes import astronaut

SUBJECTS = Path(__file__).parents[2] / "pocket" / "subjects"
# The rendered people of light, medium and dark skin; nora has freckles.
SKINS = {"light": "nora", "medium": "leila", "dark": "marcus"}

# In eye distances across and down from the middle between the eyes.
BLEMISHES = ((-0.36, 0.56), (0.38, 0.5), (0.5, 0.74), (-0.5, 0.8), (-0.2, -0.62), (0.22, -0.58))
ON_CHEEKS = BLEMISHES[:4]  # for who has a fringe
MOLES = ((-0.32, 0.32), (0.3, 0.98))


@dataclass(frozen=True)
class Spot:
    """A painted disc, in pixels."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, eq=False)
class Blemished:
    """A picture `[H, W, 3]` (RGB, uint8) with painted spots, and the one without."""

    clean: np.ndarray
    picture: np.ndarray
    face: Face
    blemishes: Sequence[Spot]
    moles: Sequence[Spot]


@functools.cache
def blemished(who: str) -> Blemished:
    """The first photo of a ready subject, or the astronaut, with red blemishes and brown moles."""
    if who == "astronaut":
        clean, places = np.array(Image.fromarray(astronaut()).resize((1024, 1024), Image.Resampling.LANCZOS)), ON_CHEEKS
    else:
        with Image.open(SUBJECTS / who / f"{who}-01.jpg") as photo:
            clean, places = np.array(ImageOps.exif_transpose(photo).convert("RGB")), BLEMISHES
    face = faces.detect(clean)[0]
    unit = eye_distance(face)
    picture = clean / 255
    found = [Spot(*_at(face, place), unit * (0.035 + 0.01 * (i % 3))) for i, place in enumerate(places)]
    for spot in found:  # as an inflamed spot is: half of the green and blue light gone, hardly any red
        picture = _painted(picture, spot, (0.94, 0.6, 0.6), 0.85)
    moles = [Spot(*_at(face, place), max(1.5, unit * 0.025)) for place in MOLES]
    for spot in moles:
        picture = _painted(picture, spot, (0.55, 0.46, 0.4), 1.0)
    return Blemished(clean, (picture * 255 + 0.5).astype(np.uint8), face, found, moles)


def contrast(picture: np.ndarray, spot: Spot) -> float:
    """How far a spot's mean colour is from the median of the skin around it: CIE76, in CIELAB."""
    away = _away(picture.shape, spot)
    lab = skimage.color.rgb2lab(picture)
    around = (away > 1.7) & (away < 2.5)
    return float(np.linalg.norm(lab[away < 0.8].mean(0) - np.median(lab[around], 0)))


def gradient_energy(picture: np.ndarray, mask: np.ndarray) -> float:
    """The squared differences between neighbouring pixels, summed over a mask `[H, W]`."""
    down, across = np.gradient(picture.astype(np.float64).mean(-1))
    return float(((down**2 + across**2) * mask).sum())


def off(mask: np.ndarray, spots: Sequence[Spot]) -> np.ndarray:
    """The mask without the spots and their rims."""
    return mask * np.prod([_away(mask.shape, spot) > 1.9 for spot in spots], axis=0)


def _at(face: Face, place: tuple[float, float]) -> tuple[float, float]:
    (left_x, left_y), (right_x, right_y) = face.landmarks[:2]
    unit, lean = eye_distance(face), math.radians(face.roll)
    across, down = place[0] * unit, place[1] * unit
    return (
        (left_x + right_x) / 2 + across * math.cos(lean) - down * math.sin(lean),
        (left_y + right_y) / 2 + across * math.sin(lean) + down * math.cos(lean),
    )


def _away(shape: tuple[int, ...], spot: Spot) -> np.ndarray:
    down, across = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.hypot(across - spot.x, down - spot.y) / spot.radius


def _painted(picture: np.ndarray, spot: Spot, dyed: tuple[float, ...], opacity: float) -> np.ndarray:
    soft = np.clip((1.35 - _away(picture.shape, spot)) / 0.7, 0, 1)[..., None] * opacity
    return picture * (1 - soft + soft * np.array(dyed))
