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

# At a short side of 512 the published maps have limbs of half-width 4, joints of radius 4, hand lines of width 2,
# hand joints of radius 4 and face points of radius 3. Everything grows with the short side.
_STANDARD_SIDE = 512
_STICK, _JOINT, _HAND_LINE, _HAND_JOINT, _FACE_POINT = 4.0, 4.0, 2.0, 4.0, 3.0

# OpenCV, which drew the published maps, also paints the pixels that the outline of a limb or a thick line runs through.
_OUTLINE = 0.5
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
    places = np.where(drawn[..., None], people[..., :2], 0.0)
    for place, visible in zip(places, drawn, strict=True):
        _draw_body(canvas, place[BODY], visible[BODY], scale)
        for hand in (LEFT_HAND, RIGHT_HAND):
            if visible[hand].any():
                _draw_hand(canvas, place[hand], visible[hand], scale)
        if visible[FACE].any():
            _draw_dots(canvas, place[FACE][visible[FACE]], max(1.0, _FACE_POINT * scale), [FACE_COLOUR] * 70)
    return canvas


def _draw_body(canvas: np.ndarray, place: np.ndarray, visible: np.ndarray, scale: float) -> None:
    width = max(1.0, _STICK * scale) + _OUTLINE
    for limb in np.flatnonzero(visible[_LIMB_ENDS].all(axis=1)).tolist():
        start, end = place[_LIMB_ENDS[limb]]
        _draw_ellipse(canvas, (start + end) / 2, (end - start) / 2, width, _LIMB_COLOURS[limb])
    colours = [BODY_COLOURS[joint] for joint in np.flatnonzero(visible).tolist()]
    _draw_dots(canvas, place[visible], max(1.0, _JOINT * scale), colours)


def _draw_hand(canvas: np.ndarray, place: np.ndarray, visible: np.ndarray, scale: float) -> None:
    thickness = max(1, round(_HAND_LINE * scale))
    half = thickness / 2 + (_OUTLINE if thickness > 1 else 0.0)
    for (a, b), colour in zip(HAND_EDGES, HAND_COLOURS, strict=True):
        if visible[a] and visible[b]:
            _draw_line(canvas, place[a], place[b], half, colour)
    _draw_dots(canvas, place[visible], max(1.0, _HAND_JOINT * scale), [HAND_JOINT_COLOUR] * len(place))


def _draw_dots(canvas: np.ndarray, centres: np.ndarray, radius: float, colours: list[tuple[int, int, int]]) -> None:
    for centre, colour in zip(centres, colours, strict=False):
        _draw_ellipse(canvas, centre, np.zeros(2), radius, colour)


def _draw_ellipse(
    canvas: np.ndarray, centre: np.ndarray, along: np.ndarray, width: float, colour: tuple[int, int, int]
) -> None:
    """Fill the ellipse with the half axis `along` (px) and the other one, `width`; without `along` it is a circle."""
    length = float(np.hypot(*along))
    x, y = along / length if length > 1e-6 else (1.0, 0.0)
    long, wide = max(length + _OUTLINE if length > 1e-6 else width, 1e-6) ** -2, width**-2
    # long (dx x + dy y)^2 + wide (dy x - dx y)^2 <= 1, solved for dx in every row.
    square, mixed, rest = long * x * x + wide * y * y, (long - wide) * x * y, long * y * y + wide * x * x
    high = np.sqrt(square / (long * wide))
    rows = _pixels(centre[1] - high, centre[1] + high, len(canvas))
    down = rows + 0.5 - centre[1]
    half = np.sqrt(np.maximum((mixed * down) ** 2 - square * (rest * down**2 - 1), 0)) / square
    middle = centre[0] - mixed * down / square
    _fill(canvas, rows, middle - half, middle + half, colour)


def _draw_line(
    canvas: np.ndarray, start: np.ndarray, end: np.ndarray, half: float, colour: tuple[int, int, int]
) -> None:
    """Fill the line with round ends, `half` px to either side."""
    for point in (start, end):
        _draw_ellipse(canvas, point, np.zeros(2), half, colour)
    (x, y), length = end - start, float(np.hypot(*(end - start)))
    if length < 1e-6:
        return
    x, y = x / length, y / length
    rows = _pixels(min(start[1], end[1]) - half, max(start[1], end[1]) + half, len(canvas))
    down = rows + 0.5 - start[1]
    left, right = np.full(len(rows), -np.inf), np.full(len(rows), np.inf)
    # 0 <= dx x + dy y <= length and -half <= dy x - dx y <= half: in every row each gives an interval of dx.
    for slope, offset, low, high in ((x, down * y, 0.0, length), (-y, down * x, -half, half)):
        if abs(slope) < 1e-9:
            right[(offset < low) | (offset > high)] = -np.inf
        else:
            bounds = np.sort(((low - offset) / slope, (high - offset) / slope), axis=0)
            left, right = np.maximum(left, bounds[0]), np.minimum(right, bounds[1])
    _fill(canvas, rows, start[0] + left, start[0] + right, colour)


def _pixels(low: float, high: float, limit: int) -> np.ndarray:
    """Return the pixels of a side of `limit` whose middles lie between two places."""
    return np.arange(max(0, int(np.ceil(low - 0.5))), min(limit, int(np.floor(high - 0.5)) + 1))


def _fill(
    canvas: np.ndarray, rows: np.ndarray, left: np.ndarray, right: np.ndarray, colour: tuple[int, int, int]
) -> None:
    """Colour the pixels of each row whose middles lie between two places."""
    width = canvas.shape[1]
    first = np.ceil(np.clip(left - 0.5, 0, width)).astype(int).tolist()
    after = np.floor(np.clip(right + 0.5, 0, width)).astype(int).tolist()
    for row, begin, stop in zip(rows.tolist(), first, after, strict=True):
        canvas[row, begin:stop] = colour
