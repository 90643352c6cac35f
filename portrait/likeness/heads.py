"""Hair, glasses and beard of a person in a picture, which a face recognition does not see.

Plain colours in places that the landmarks name: the band over the brow is hair or scalp, what is beside jaw and neck
and has the colour of that band is long hair, a thin line under both eyes is a rim, a chin much darker than the cheeks
is a beard. Where the light, the pose or the background leave it open, the answer is None.
benchmarks/looks.py counts on rendered people how often the answers are right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..alignment import TEMPLATE, inverse, similarity, transformed
from ..colour_spaces import to_lab
from ..face import Face
from ..quality import angles
from . import comparing
from .looks import HeadLooks

# Lengths are in distances between the eyes, from the middle of the eyes, right and down.
UNIT, SIDE, MIDDLE = 32, 320, (160.0, 128.0)  # px of the picture of the head: 5 to each side, 4 up, 6 down
CLOSE_UNIT, CLOSE_SIDE, CLOSE_MIDDLE = 48, 192, (96.0, 64.0)  # of the closer one, in which a rim is seen
DEPTH = 1.3  # how far the middle of the head lies behind the eyes: it moves against a turn
CHEEKS = ((-0.7, -0.4, 0.5, 0.9), (0.4, 0.7, 0.5, 0.9), (-0.12, 0.12, 0.3, 0.55))
BESIDE_HEAD = (2.4, 4.3, -3.2, 0.8)  # background, on either side
OVER_BROW = (-0.75, 0.75, -2.2, -1.25)
BESIDE_JAW = ((1.15, 1.95, 1.1, 1.6), (1.15, 1.95, 1.6, 2.1))
CHIN = (-0.35, 0.35, 1.62, 1.86)
RIMS = ((-0.85, -0.2, 0.25, 0.75), (0.2, 0.85, 0.25, 0.75))  # under the eyes
EYES = ((-0.75, -0.25, -0.25, 0.2), (0.25, 0.75, -0.25, 0.2))
THIN = 0.1  # a rim is a line thinner than this


def look_at(picture: np.ndarray, face: Face) -> HeadLooks:
    """Return the looks of a face in its picture `[H, W, 3]` (RGB, uint8)."""
    limits = comparing.limits()["looks"]
    yaw = angles(face)[0]
    head = _Head.of(picture, face, yaw)
    skin = head.colour(*CHEEKS)
    if skin is None or skin[0] < limits["darkest"] or abs(yaw) > limits["widest_yaw"]:
        return HeadLooks()
    chin = head.colour(CHIN)
    rim = _rim(picture, face, limits) if head.scale > limits["smallest"] else None
    hair, covered, beside = _hair(head, skin, limits)
    if head.colourful < limits["toned"]:  # black and white, sepia: a colour says nothing
        hair = None
    return HeadLooks(hair, covered, beside, rim, None if chin is None else float(chin[0] - skin[0]))


@dataclass(frozen=True, eq=False)
class _Head:
    """A head at one size, eyes level: CIELAB `[SIDE, SIDE, 3]`, which pixels are of the picture, and places in it.

    `scale` is how many pixels of the picture lie between the eyes; `yaw` in degrees.
    """

    lab: np.ndarray
    inside: np.ndarray
    yaw: float
    scale: float

    @classmethod
    def of(cls, picture: np.ndarray, face: Face, yaw: float) -> _Head:
        matrix = _matrix(face, UNIT, MIDDLE)
        high, wide = picture.shape[:2]
        at = np.arange(SIDE) + 0.5
        grid = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)
        x, y = transformed(grid, inverse(matrix)).T.reshape(2, SIDE, SIDE)
        inside = (x >= 0) & (x < wide) & (y >= 0) & (y < high)
        return cls(_scaled(picture, matrix, SIDE), inside, yaw, UNIT / math.hypot(matrix[0, 0], matrix[1, 0]))

    @property
    def colourful(self) -> float:
        """How far colours lie off one line of a and b, in CIELAB: nearly nothing where a picture has one tint."""
        spread = np.cov(self.lab[self.inside][:, 1:].T)
        return float(np.sqrt(max(0.0, np.linalg.eigvalsh(spread)[0])))

    def place(self, box: tuple[float, float, float, float], depth: float = 0.0, side: int = 1) -> np.ndarray:
        """Return the pixels of a box (left, right, top, bottom), so far behind the eyes; side -1 mirrors it."""
        at = np.arange(SIDE) + 0.5
        x = side * ((at - MIDDLE[0]) / UNIT + depth * math.sin(math.radians(self.yaw)))
        y = (at - MIDDLE[1]) / UNIT
        across, down = (x >= box[0]) & (x < box[1]), (y >= box[2]) & (y < box[3])
        return down[:, None] & across[None] & self.inside

    def colour(self, *boxes: tuple[float, float, float, float]) -> np.ndarray | None:
        """Return the median colour of boxes, None where hardly anything of them is in the picture."""
        return self.median(np.logical_or.reduce([self.place(box) for box in boxes]))

    def median(self, mask: np.ndarray, least: int = 40) -> np.ndarray | None:
        """Return the median colour of the pixels of a mask, None for too few."""
        return np.median(self.lab[mask], 0) if int(mask.sum()) >= least else None


def _hair(
    head: _Head, skin: np.ndarray, limits: Mapping[str, Any]
) -> tuple[tuple[float, float, float] | None, float | None, float | None]:
    """Return colour, covered and beside of `HeadLooks`."""
    sides = [head.median(head.place(BESIDE_HEAD, DEPTH, side)) for side in (-1, 1)]
    known = [one for one in sides if one is not None]
    if not known:
        return None, None, None
    left, right = (known[0] if one is None else one for one in sides)
    middle = MIDDLE[0] - DEPTH * math.sin(math.radians(head.yaw)) * UNIT
    behind = np.where((np.arange(SIDE) + 0.5 < middle)[None, :, None], left, right)
    to_background = np.linalg.norm(head.lab - behind, axis=-1)
    band = head.place(OVER_BROW, DEPTH / 2)
    person = band & (to_background > limits["background"])
    if person.sum() < limits["least_band"] * max(1, band.sum()):
        return None, None, None
    other = person & (np.linalg.norm(head.lab - skin, axis=-1) > limits["skin"])
    covered = float(other.sum() / person.sum())
    hair = head.median(other) if covered > limits["covered"][0] else None
    if hair is None:
        return None, covered, None
    colour = (float(hair[0]), float(hair[1]), float(hair[2]))
    if min(float(np.linalg.norm(hair - one)) for one in (left, right)) < limits["apart"]:
        return colour, covered, None  # long hair cannot be told from what is behind it
    away = np.linalg.norm((head.lab - hair) * np.array((limits["light_counts"], 1, 1)), axis=-1)
    alike = (away < limits["hair"]) & (away < to_background)
    shares = []
    for side in (-1, 1):
        for box in BESIDE_JAW:
            place = head.place(box, DEPTH, side)
            if place.sum() < UNIT * UNIT / 5:  # half of it is outside the picture
                return colour, covered, None
            shares.append(float(alike[place].mean()))
    return colour, covered, float(np.mean(shares))


def _rim(picture: np.ndarray, face: Face, limits: Mapping[str, Any]) -> float | None:
    """Return the contrast in L of a thin line along the underside of both eyes, of the fainter one.

    None where there is none and the eyes themselves are not sharp enough to have shown one.
    """
    from scipy import ndimage

    lab = _scaled(picture, _matrix(face, CLOSE_UNIT, CLOSE_MIDDLE), CLOSE_SIDE)
    light = ndimage.gaussian_filter(lab[..., 0], 0.8)
    rim = min(_line(light, *box) for box in RIMS)
    sharp = min(_line(light, *box) for box in EYES)
    return rim if rim >= limits["rim"][0] or sharp >= limits["lids"] else None


def _line(light: np.ndarray, left: float, right: float, top: float, bottom: float) -> float:
    """Return the contrast of the strongest thin line across a box, where it is fainter in two of five columns."""
    reach = round(THIN * CLOSE_UNIT)
    columns = slice(*(round(CLOSE_MIDDLE[0] + at * CLOSE_UNIT) for at in (left, right)))
    first, last = (round(CLOSE_MIDDLE[1] + at * CLOSE_UNIT) for at in (top, bottom))
    part = light[first - reach : last + reach, columns]
    above, middle, below = part[: -2 * reach], part[reach:-reach], part[2 * reach :]
    line = np.where((middle - above) * (middle - below) > 0, np.abs(middle - (above + below) / 2), 0.0)
    return float(np.percentile(line.max(0), 40))


def _scaled(picture: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """Return the picture moved by a 2x3 matrix, CIELAB `[side, side, 3]`."""
    from ..warping import warp

    return to_lab(warp(picture, matrix, side).permute(1, 2, 0).numpy().clip(0, 255) / 255)


def _matrix(face: Face, unit: int, middle: tuple[float, float]) -> np.ndarray:
    """Return the 2x3 matrix that lays a face on the template, eyes `unit` px apart about `middle`."""
    eyes = TEMPLATE[:2].mean(0)
    scale = unit / float(np.hypot(*(TEMPLATE[1] - TEMPLATE[0])))
    return similarity(np.array(face.landmarks), (TEMPLATE - eyes) * scale + np.array(middle))
