"""What a person sees at once in a portrait: eyes of one colour, holes in hair; gaze.py has gaze and mouth.

Pictures are RGB uint8 [H, W, 3]; faces come from YuNet with eye points. Everything is measured on the face
brought to one size, eyes level: the distance of the eyes is UNIT pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from ...portrait.faces import Face
from .. import measures

UNIT = 64
SIZE = 4 * UNIT
EYES = ((SIZE / 2 - UNIT / 2, SIZE * 0.5), (SIZE / 2 + UNIT / 2, SIZE * 0.5))
COLOUR_LIMIT = 11.0
"""CIELAB a, b distance above which two irises are of different colours; bare eyes of 20 renders stay below 5."""
SMALLEST_EYES = 26.0
"""Pixels between the eyes below which an iris is too small to be judged."""
HOLE_LIMIT = 0.028
"""Share of the hair that may show the background."""


def levelled(picture: np.ndarray, face: Face) -> np.ndarray:
    """Return the face, float32 CIELAB [SIZE, SIZE, 3], with its eyes at EYES."""
    (x0, y0), (x1, y1) = sorted(face.landmarks[:2])
    scale = UNIT / max(np.hypot(x1 - x0, y1 - y0), 1e-6)
    turn = np.arctan2(y1 - y0, x1 - x0)
    rotation = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    shift = np.array(EYES[0]) - rotation @ np.array([x0, y0])
    matrix = np.concatenate([rotation, shift[:, None]], 1)
    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    warped = cv2.warpAffine(picture, matrix, (SIZE, SIZE), flags=mode, borderMode=cv2.BORDER_REPLICATE)
    return cv2.cvtColor(warped.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)


def _iris(lab: np.ndarray, at: tuple[float, float]) -> np.ndarray | None:
    """Return the colour (a, b) of an iris, or None if the eye is shut: of what is dark about the eye's point."""
    half_wide, half_high = round(UNIT * 0.25), round(UNIT * 0.13)
    x, y = round(at[0]), round(at[1])
    part = lab[y - half_high : y + half_high + 1, x - half_wide : x + half_wide + 1]
    light = part[..., 0]
    floor, ceiling = np.percentile(light, [4, 92])
    if ceiling - floor < 12:
        return None
    dark = np.clip((floor + 0.45 * (ceiling - floor) - light) / (0.45 * (ceiling - floor)), 0, 1)
    down, across = np.mgrid[-half_high : half_high + 1, -half_wide : half_wide + 1]
    near = np.exp(-((down / (0.11 * UNIT)) ** 2) - (across / (0.17 * UNIT)) ** 2)
    weight = dark * near
    if weight.sum() < 1e-3:
        return None
    centre = np.array([(weight * across).sum(), (weight * down).sum()]) / weight.sum()
    ring = np.hypot(across - centre[0], down - centre[1])
    iris = (ring > 0.035 * UNIT) & (ring < 0.085 * UNIT) & (dark > 0.15)
    if iris.sum() < 8:
        return None
    return np.median(part[iris][:, 1:], axis=0)


def eyes_apart(picture: np.ndarray, face: Face) -> float | None:
    """Return how far both irises differ in colour (CIELAB a, b); None: too small, or shut. Glasses mislead it."""
    (x0, y0), (x1, y1) = face.landmarks[:2]
    if np.hypot(x1 - x0, y1 - y0) < SMALLEST_EYES:
        return None
    lab = levelled(picture, face)
    one, other = (_iris(lab, at) for at in EYES)
    return None if one is None or other is None else float(np.linalg.norm(one - other))


def holes(picture: np.ndarray, face: Face) -> float | None:
    """Return the share of the hair's area that shows the background within the hair; None: no hair can be told apart.

    Hair is what joins the band over the brow in its colour; its area is that with gaps narrower than a sixth of the
    face closed, above the chin. A hole is in it, away from its rim, and of the background's colour.
    """
    seen = measures.regions(picture, face)
    if "hair" not in seen or "background" not in seen:
        return None
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    x, y, w, h = face.box
    skin = np.median(lab[round(y + 0.45 * h) : round(y + 0.6 * h), round(x + 0.2 * w) : round(x + 0.8 * w)], (0, 1))
    hair, back = seen["hair"], seen["background"]
    apart = float(np.linalg.norm(hair - back))
    if apart < 24 or np.linalg.norm(hair - skin) < 16:
        return None
    to_hair, to_back = (np.linalg.norm(lab - colour, axis=2) for colour in (hair, back))
    mask = ((to_hair < min(26.0, 0.55 * apart)) & (to_hair < to_back)).astype(np.uint8)
    mask[round(min(y + 1.1 * h, len(mask))) :] = 0
    _, labels = cv2.connectedComponents(mask)
    band = labels[max(0, round(y - 0.25 * h)) : max(1, round(y)), max(0, round(x)) : round(x + w)]
    named = band[band > 0]
    if len(named) < 12:
        return None
    mine = (labels == np.bincount(named).argmax()).astype(np.uint8)
    reach = max(3, round(w / 6)) | 1
    closed = cv2.morphologyEx(mine, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    inside = cv2.erode(closed, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)))
    hole = (inside > 0) & (mine == 0) & (to_back < 12)
    return float(hole.sum() / max(closed.sum(), 1))
