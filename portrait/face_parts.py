"""The parts of a face in its crop: eyes and lips, the ring at its border; and its head as OpenPose key points.

Everything comes from the detector's five landmarks, so a part is a soft ellipse at its place, not an outline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from .crops import FaceCrops, Region, radius, smooth_step
from .faces import Face
from .poses.layout import BODY_POINTS, POINTS

# In units of the distance between the eyes, which is at least LEAST_UNIT of the box's width (a profile hides one eye).
# Half axes after the adult means of N. A. Dodgson, "Variation and extrema of human interpupillary distance" (2004) and
# L. G. Farkas, "Anthropometry of the head and face" (1994): 63 mm between pupils, an eye 31 mm wide, a mouth 53 mm wide
# and 18 mm high; with a margin, so that the lashes and the lips' border are inside.
LEAST_UNIT = 0.3
EYE = (0.36, 0.22)
LIPS = (0.54, 0.26)
BROW = (0.46, 0.2)
BROW_ABOVE = 0.38  # of its eye
NOSTRILS = (0.34, 0.13)
NOSTRILS_BELOW = 0.13  # the tip of the nose
SOFT = 0.25  # the share of an ellipse's radius over which it fades


def eyes_and_lips(crops: FaceCrops, size: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return where eyes and lips are, `[N, size, size]`, 0..1."""
    return torch.maximum(eyes(crops, size, device), lips(crops, size, device))


def eyes(crops: FaceCrops, size: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return where the eyes are, `[N, size, size]`, 0..1."""
    return _stacked([_spots(region, size, region.face.landmarks[:2], EYE, device) for region in crops.regions], size)


def lips(crops: FaceCrops, size: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return where the lips are, `[N, size, size]`, 0..1."""
    found = []
    for region in crops.regions:
        (left_x, left_y), (right_x, right_y) = region.face.landmarks[3:5]
        middle = ((left_x + right_x) / 2, (left_y + right_y) / 2)
        found.append(_spots(region, size, [middle], LIPS, device))
    return _stacked(found, size)


def brows(crops: FaceCrops, size: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return where the eyebrows are, `[N, size, size]`, 0..1."""
    found = []
    for region in crops.regions:
        above = [_along(region.face, place, -BROW_ABOVE) for place in region.face.landmarks[:2]]
        found.append(_spots(region, size, above, BROW, device))
    return _stacked(found, size)


def nostrils(crops: FaceCrops, size: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return where the nostrils are, `[N, size, size]`, 0..1."""
    found = []
    for region in crops.regions:
        below = _along(region.face, region.face.landmarks[2], NOSTRILS_BELOW)
        found.append(_spots(region, size, [below], NOSTRILS, device))
    return _stacked(found, size)


def ring(crops: FaceCrops, size: int, inner: float, outer: float, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return the border of each face without its eyes and lips, `[N, size, size]`, 0..1.

    `inner` and `outer` are radii, 1 being the border of the face's ellipse; the ring is full between them and fades
    over a tenth on either side.
    """
    axis = torch.arange(size, device=device, dtype=torch.float32) + 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    found = []
    for region in crops.regions:
        away = radius(region, size, x, y)
        found.append(smooth_step(outer + 0.1, outer, away) * smooth_step(inner - 0.1, inner, away))
    return _stacked(found, size) * (1 - eyes_and_lips(crops, size, device))


def head_points(faces: Sequence[Face]) -> np.ndarray:
    """Return nose and eyes of each face as OpenPose key points `[P, 130, 3]`: x, y in pixels, c; the rest is absent."""
    points = np.zeros((len(faces), POINTS, 3))
    for person, face in zip(points, faces, strict=True):
        # Left and right of OpenPose are the sitter's own, those of a landmark the picture's.
        for name, place in zip(("right_eye", "left_eye", "nose"), face.landmarks[:3], strict=True):
            person[BODY_POINTS.index(name)] = (*place, 1.0)
    return points


def eye_distance(face: Face) -> float:
    """Return the distance between the eyes in pixels, or what the box's width allows where a profile hides one."""
    return max(math.dist(face.landmarks[0], face.landmarks[1]), LEAST_UNIT * face.box[2])


def _along(face: Face, place: tuple[float, float], distance: float) -> tuple[float, float]:
    """Return the point so many eye distances down the face from a place."""
    lean, length = math.radians(face.roll), distance * eye_distance(face)
    return place[0] - length * math.sin(lean), place[1] + length * math.cos(lean)


def _stacked(masks: list[torch.Tensor], size: int) -> torch.Tensor:
    return torch.stack(masks) if masks else torch.zeros((0, size, size))


def _spots(
    region: Region,
    size: int,
    places: Sequence[tuple[float, float]],
    axes: tuple[float, float],
    device: torch.device | str,
) -> torch.Tensor:
    face, scale = region.face, size / region.side
    unit = eye_distance(face) * scale
    lean = math.radians(face.roll - region.angle)
    axis = torch.arange(size, device=device, dtype=torch.float32) + 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    mask = torch.zeros((size, size), device=device)
    for place in places:
        middle_x, middle_y = region.to_crop(*place, size)
        dx, dy = x - middle_x, y - middle_y
        u = (dx * math.cos(lean) + dy * math.sin(lean)) / (axes[0] * unit)
        v = (-dx * math.sin(lean) + dy * math.cos(lean)) / (axes[1] * unit)
        mask = torch.maximum(mask, smooth_step(1 + SOFT / 2, 1 - SOFT / 2, torch.sqrt(u * u + v * v)))
    return mask
