"""Key points -> the OpenPose map that a ControlNet was trained on."""

from __future__ import annotations

import numpy as np

from ..errors import PortraitError
from .layout import (
    BODY,
    BODY_COLOURS,
    FACE,
    FACE_COLOUR,
    HAND_COLOURS,
    HAND_EDGES,
    HAND_JOINT_COLOUR,
    LEFT_HAND,
    LIMB_BRIGHTNESS,
    LIMBS,
    POINTS,
    RIGHT_HAND,
)

MAX_SIDE = 8192
"""OpenCV keeps 16 bits before the point of its coordinates, and a limb may reach one canvas beyond the border."""

# At a short side of 512 the published maps have limbs of half-width 4, joints of radius 4, hand lines of width 2,
# hand joints of radius 4 and face points of radius 3. Everything grows with the short side.
_STANDARD_SIDE = 512
_STICK, _JOINT, _HAND_LINE, _HAND_JOINT, _FACE_POINT = 4.0, 4.0, 2.0, 4.0, 3.0

_SHIFT = 4  # sub-pixel bits of OpenCV's fixed-point coordinates
_OUTLINE = 0.375  # OpenCV fills every pixel that a sub-pixel circle's outline touches; whole-pixel circles stay inside
_ANGLES = np.linspace(0.0, 2 * np.pi, 48, endpoint=False)
_CIRCLE = np.stack((np.cos(_ANGLES), np.sin(_ANGLES)), axis=-1)
_LIMB_ENDS = np.array(LIMBS)
_LIMB_COLOURS = [tuple(int(part * LIMB_BRIGHTNESS) for part in colour) for colour in BODY_COLOURS]


def draw(keypoints: np.ndarray, width: int, height: int) -> np.ndarray:
    """Draw people as limb ellipses and joints, not anti-aliased, as the published maps are.

    `keypoints` is `[P, K, 3]` (or a batch `[B, P, K, 3]`) of x, y, c: pixels of the canvas (pixel i spans i to i + 1)
    and whether the point is seen; where c is 0, the point is left out, and so is whatever would join it. K is 18
    (body), 60 (and hands) or 130 (and face), see `layout`. P may be 0.

    Returns RGB uint8 `[height, width, 3]` (or `[B, height, width, 3]`) on black. Raises PortraitError for a canvas
    larger than 8192 or smaller than 1, or another K.
    """
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise PortraitError(f"A pose map of {width} x {height} cannot be drawn; choose sides from 1 to {MAX_SIDE}.")
    points = np.asarray(keypoints, dtype=np.float64)
    if points.ndim not in (3, 4) or points.shape[-1] != 3 or points.shape[-2] not in (18, 60, POINTS):
        raise PortraitError(
            f"Key points of shape {list(points.shape)} cannot be drawn; give [people, 18, 60 or {POINTS}, 3]."
        )
    if points.ndim == 3:
        return _draw_one(points, width, height)
    maps = np.empty((len(points), height, width, 3), np.uint8)
    for index, people in enumerate(points):
        maps[index] = _draw_one(people, width, height)
    return maps


def _draw_one(people: np.ndarray, width: int, height: int) -> np.ndarray:
    canvas = np.zeros((height, width, 3), np.uint8)
    scale = min(width, height) / _STANDARD_SIDE
    size = np.array((width, height))
    with np.errstate(invalid="ignore"):
        near = np.all((people[..., :2] >= -size) & (people[..., :2] <= 2 * size), axis=-1)
    drawn = (people[..., 2] > 0) & near
    places = np.where(drawn[..., None], people[..., :2] - 0.5, 0.0)  # OpenCV's whole numbers are pixel centres
    for place, visible in zip(places, drawn, strict=True):
        _draw_body(canvas, place[BODY], visible[BODY], scale)
        for hand in (LEFT_HAND, RIGHT_HAND):
            if visible[hand].any():
                _draw_hand(canvas, place[hand], visible[hand], scale)
        if visible[FACE].any():
            _draw_dots(canvas, place[FACE][visible[FACE]], max(1.0, _FACE_POINT * scale), [FACE_COLOUR] * 70)
    return canvas


def _draw_body(canvas: np.ndarray, place: np.ndarray, visible: np.ndarray, scale: float) -> None:
    import cv2

    start, end = place[_LIMB_ENDS[:, 0]], place[_LIMB_ENDS[:, 1]]
    along = (end - start) / 2
    length = np.hypot(along[:, 0], along[:, 1])
    direction = np.where(length[:, None] > 1e-6, along / np.maximum(length, 1e-6)[:, None], (1.0, 0.0))
    across = np.stack((-direction[:, 1], direction[:, 0]), axis=-1) * max(1.0, _STICK * scale)
    outline = (start + along)[:, None] + _CIRCLE[:, :1] * along[:, None] + _CIRCLE[:, 1:] * across[:, None]
    outline = _fixed(outline)
    both = visible[_LIMB_ENDS].all(axis=1)
    for limb in np.flatnonzero(both):
        cv2.fillConvexPoly(canvas, outline[limb], _LIMB_COLOURS[limb], cv2.LINE_8, _SHIFT)
    colours = [BODY_COLOURS[joint] for joint in np.flatnonzero(visible).tolist()]
    _draw_dots(canvas, place[visible], max(1.0, _JOINT * scale), colours)


def _draw_hand(canvas: np.ndarray, place: np.ndarray, visible: np.ndarray, scale: float) -> None:
    import cv2

    fixed = _fixed(place).tolist()
    thickness = max(1, round(_HAND_LINE * scale))
    for (a, b), colour in zip(HAND_EDGES, HAND_COLOURS, strict=True):
        if visible[a] and visible[b]:
            cv2.line(canvas, fixed[a], fixed[b], colour, thickness, cv2.LINE_8, _SHIFT)
    _draw_dots(canvas, place[visible], max(1.0, _HAND_JOINT * scale), [HAND_JOINT_COLOUR] * len(place))


def _draw_dots(canvas: np.ndarray, centres: np.ndarray, radius: float, colours: list[tuple[int, int, int]]) -> None:
    import cv2

    fixed_radius = round((radius - _OUTLINE) * (1 << _SHIFT))
    for centre, colour in zip(_fixed(centres).tolist(), colours, strict=False):
        cv2.circle(canvas, centre, fixed_radius, colour, cv2.FILLED, cv2.LINE_8, _SHIFT)


def _fixed(places: np.ndarray) -> np.ndarray:
    return np.rint(places * (1 << _SHIFT)).astype(np.int32)
