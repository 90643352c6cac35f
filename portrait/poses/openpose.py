"""OpenPose JSON in, POSE_KEYPOINT out: people on a canvas, read from what the field writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..errors import PortraitError
from ..reading import parse_json
from .layout import BODY, BODY_25_TO_18, FACE, LEFT_HAND, POINTS, RIGHT_HAND

Fit = Literal["contain", "cover", "stretch"]
FITS: tuple[Fit, ...] = ("contain", "cover", "stretch")

MAX_PEOPLE = 64
MAX_CHARACTERS = 4_000_000
CONFIDENCE = 0.05
"""A point at or above it counts as seen: OpenPose's own default render_threshold for the body."""

_NORMALISED = 2.0  # no body part fits into two pixels, and a normalised point strays little beyond 1
_PARTS = {
    "pose_keypoints_2d": (BODY, (18, 25)),
    "hand_left_keypoints_2d": (LEFT_HAND, (21,)),
    "hand_right_keypoints_2d": (RIGHT_HAND, (21,)),
    "face_keypoints_2d": (FACE, (70, 68)),
}


@dataclass(frozen=True)
class Pose:
    """People on a canvas.

    `keypoints` is float64 `[P, 130, 3]` (see `layout`): x, y in pixels of a canvas of `width` x `height`, c exactly 0
    or 1; a point with c of 0 is 0, 0, 0.
    """

    keypoints: np.ndarray
    width: int
    height: int

    def fitted(self, width: int, height: int, fit: Fit = "contain") -> Pose:
        """Return the pose on a canvas of `width` x `height`.

        "contain" keeps the whole old canvas inside the new one, centred; "cover" fills the new one, and cuts off
        what is too wide on both sides, what is too tall below, where no head is; both in proportion. "stretch" scales
        each axis by itself.

        Raises PortraitError for another `fit`.
        """
        across, down = width / self.width, height / self.height
        if fit == "contain":
            across = down = min(across, down)
        elif fit == "cover":
            across = down = max(across, down)
        elif fit != "stretch":
            raise PortraitError(f"There is no fit named {fit!r}; use {', '.join(FITS)}.")
        scale = np.array((across, down))
        offset = (np.array((width, height)) - scale * (self.width, self.height)) / 2
        offset[1] = max(0.0, offset[1])
        moved = self.keypoints.copy()
        moved[..., :2] = np.where(moved[..., 2:] > 0, moved[..., :2] * scale + offset, 0.0)
        return Pose(moved, width, height)

    def without_hands(self) -> Pose:
        """Return the pose with no hand points."""
        bare = self.keypoints.copy()
        bare[:, LEFT_HAND] = bare[:, RIGHT_HAND] = 0.0
        return Pose(bare, self.width, self.height)


def read(text: str, canvas: tuple[int, int] | None = None) -> Pose:
    """Read OpenPose JSON text; see `parse`.

    Raises PortraitError when it is not JSON, too long, or not poses.
    """
    if len(text) > MAX_CHARACTERS:
        raise PortraitError(f"The pose JSON has {len(text)} characters; give one frame of at most {MAX_CHARACTERS}.")
    try:
        document = parse_json(text)
    except ValueError as error:
        raise PortraitError(f"The pose is not JSON ({error}); paste OpenPose JSON.") from None
    return parse(document, canvas)


def parse(document: Any, canvas: tuple[int, int] | None = None) -> Pose:
    """Turn parsed OpenPose JSON into a Pose.

    Accepted: one frame `{"people": [...]}`, a list of frames (the first is taken), or a list of people. Each part is a
    flat list x, y, c, ... or a list of points [x, y, c] or [x, y]; of 18 or 25 body points (BODY_25 is mapped to 18),
    21 per hand, 70 or 68 of the face; null or empty when absent. A part whose coordinates all lie within 0..1 is scaled
    by the canvas. The canvas is the frame's `canvas_width` and `canvas_height`, else `canvas` (w, h). Confidences
    become 0 or 1 at 0.05; a point at 0, 0 is absent, as OpenPose writes it.

    Raises PortraitError that names the person and the part.
    """
    frame = _frame(document)
    width, height = _canvas(frame, canvas)
    people = frame["people"]
    if len(people) > MAX_PEOPLE:
        raise PortraitError(f"The pose JSON holds {len(people)} people; give at most {MAX_PEOPLE}.")
    keypoints = np.zeros((len(people), POINTS, 3))
    for number, person in enumerate(people):
        where = f"person {number + 1} of the pose JSON"
        if not isinstance(person, dict) or "pose_keypoints_2d" not in person:
            raise PortraitError(f"There is no 'pose_keypoints_2d' in {where}; each person needs it.")
        for part, (place, counts) in _PARTS.items():
            points = _points(person.get(part), counts, f"'{part}' of {where}")
            if points is not None:
                keypoints[number, place][: len(points)] = _in_pixels(points, width, height)
    return Pose(keypoints, width, height)


def to_pose_keypoint(pose: Pose) -> list[dict[str, Any]]:
    """Return one frame of POSE_KEYPOINT: flat lists in pixels, c exactly 0.0 or 1.0, null where a part has no point."""
    people = [
        {
            part: person[place].ravel().tolist() if part == "pose_keypoints_2d" or person[place, 2].any() else None
            for part, (place, _) in _PARTS.items()
        }
        for person in pose.keypoints
    ]
    return [{"people": people, "canvas_height": pose.height, "canvas_width": pose.width}]


def _frame(document: Any) -> dict[str, Any]:
    frame = document
    if isinstance(document, list):
        if not document:
            raise PortraitError("The pose JSON is an empty list; it needs at least one frame with people.")
        if isinstance(document[0], dict) and "pose_keypoints_2d" in document[0]:
            frame = {"people": document}
        else:
            frame = document[0]
    if not isinstance(frame, dict) or not isinstance(frame.get("people"), list):
        raise PortraitError("The pose JSON has no list 'people'; paste what OpenPose or DWPose wrote.")
    return frame


def _canvas(frame: dict[str, Any], canvas: tuple[int, int] | None) -> tuple[int, int]:
    if "canvas_width" in frame or "canvas_height" in frame:
        canvas = (frame.get("canvas_width"), frame.get("canvas_height"))  # type: ignore[assignment]
    if canvas is None:
        raise PortraitError("The pose JSON does not say its canvas; add 'canvas_width' and 'canvas_height'.")
    for name, side in zip(("canvas_width", "canvas_height"), canvas, strict=True):
        if isinstance(side, bool) or not isinstance(side, (int, float)) or not 1 <= side <= 1_000_000:
            raise PortraitError(f"The pose JSON's '{name}' is {side!r}; it must be a number of pixels, 1 or more.")
    return int(canvas[0]), int(canvas[1])


def _points(values: Any, counts: tuple[int, ...], what: str) -> np.ndarray | None:
    if values is None or values == []:
        return None
    try:
        points = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise PortraitError(f"{what} is not a list of numbers; give x, y, c of each point.") from None
    if points.ndim == 1 and points.size in {3 * count for count in counts}:
        points = points.reshape(-1, 3)
    elif points.ndim == 1 and points.size in {2 * count for count in counts}:
        points = points.reshape(-1, 2)
    if points.ndim != 2 or points.shape[1] not in (2, 3) or len(points) not in counts:
        expected = " or ".join(str(count) for count in counts)
        raise PortraitError(f"{what} has {points.size} numbers; it needs {expected} points of x, y, c.")
    if not np.isfinite(points).all():
        raise PortraitError(f"{what} holds a number that is not finite; remove the point (0, 0, 0) instead.")
    if len(points) == 25:
        points = points[list(BODY_25_TO_18)]
    placed = np.any(points[:, :2] != 0, axis=1)
    seen = placed if points.shape[1] == 2 else placed & (points[:, 2] >= CONFIDENCE)
    return np.where(seen[:, None], np.column_stack((points[:, :2], seen)), 0.0)


def _in_pixels(points: np.ndarray, width: int, height: int) -> np.ndarray:
    if np.abs(points[:, :2]).max(initial=0.0) <= _NORMALISED and min(width, height) > 4 * _NORMALISED:
        points = points * (width, height, 1.0)
    return points
