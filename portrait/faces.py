"""Where the faces are: YuNet at any picture size, and the choice among several faces.

Pictures are RGB uint8 arrays `[H, W, 3]`; coordinates are pixels from the top left corner, x before y.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import weights
from .alignment import around, inverse, transformed, warp
from .errors import PortraitError
from .opencv import opencv

CHOICES = ("all", "largest", "leftmost", "rightmost", "topmost", "centre", "likeness")

# YuNet was trained on faces of about 10 to 300 px (OpenCV Zoo, face_detection_yunet/README.md). The longest side of the
# picture it looks at: 640 px first; when that shows nobody, larger for small faces and smaller for enormous ones.
SIDES = (640, 1600, 256)
# The second look at one face: a square of REFINE_RATIO face sides, seen at REFINE_SIDE px. YuNet's landmarks lean
# towards an upright frontal face, least so at this size (mean error of the roll of rendered heads and the astronaut
# turned by up to 40 degrees: 6 degrees, against 19 when the face is 100 px wide), so the square is turned until the
# face in it is level, at most REFINE_LOOKS times.
REFINE_RATIO = 1.4
REFINE_SIDE = 288
REFINE_LOOKS = 3
LEVEL = 6.0
NMS_THRESHOLD = 0.3  # OpenCV's own default for FaceDetectorYN
# On 32 px, one step of YuNet's widest stride, OpenCV 4.14 answers with what was in memory before: faces of score 1 in
# plain grey, others each time. From 64 px on equal pictures have equal answers.
LEAST_SEEN = 64
SMALLEST_SIDE = 24  # a picture narrower than this holds no face that YuNet can see, and its strides need some pixels

_local = threading.local()


class FaceError(PortraitError):
    """Faces cannot be looked for, or were asked for in a way that does not exist."""


@dataclass(frozen=True)
class Face:
    """One face: box `(x, y, width, height)`, five landmarks and the detector's score 0..1.

    Landmarks are ((x, y), ...) of the eye on the left of the picture, the eye on the right, the nose tip, the mouth
    corner on the left and the one on the right (left and right as they are when the face is upright). The box may
    reach outside the picture.
    """

    box: tuple[float, float, float, float]
    landmarks: tuple[tuple[float, float], ...]
    score: float

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the box, x and y."""
        x, y, width, height = self.box
        return x + width / 2, y + height / 2

    @property
    def side(self) -> float:
        """The longer side of the box in pixels."""
        return max(self.box[2:])

    @property
    def area(self) -> float:
        """The area of the box in square pixels."""
        return self.box[2] * self.box[3]

    @property
    def roll(self) -> float:
        """The angle of the line through the eyes in degrees, positive when the face leans clockwise, -180..180."""
        (left_x, left_y), (right_x, right_y) = self.landmarks[:2]
        return math.degrees(math.atan2(right_y - left_y, right_x - left_x))


def detect(image: np.ndarray, min_score: float = 0.6, refine: bool = True) -> list[Face]:
    """Return the faces of one picture `[H, W, 3]` (RGB, uint8), the largest first.

    Equal pictures give equal lists. `min_score` is YuNet's score, 0..1. `refine` looks at each face again at a fixed
    size and turned level, which is what landmarks, roll and likeness need; the boxes alone are right without it.

    Raises FaceError when the array is not such a picture.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise FaceError(
            f"Faces are looked for in RGB uint8 pictures [H, W, 3], not in {image.dtype} {list(image.shape)}."
        )
    longest = max(image.shape[:2])
    if min(image.shape[:2]) < SMALLEST_SIDE:
        return []
    found: list[Face] = []
    for side in SIDES:
        if side > SIDES[0] and longest <= SIDES[0]:
            continue
        found = _detect_at(image, min(side, 2 * longest), min_score)
        if found:
            break
    if refine:
        found = [_refined(image, face, min_score) for face in found]
    return sorted(found, key=lambda face: (-face.area, face.box[0], face.box[1]))


def choose(
    faces: Sequence[Face],
    how: str = "all",
    size: tuple[int, int] = (0, 0),
    max_faces: int = 0,
    likeness: Callable[[Face], float] | None = None,
) -> list[Face]:
    """Return the chosen faces, the best first.

    `how` is one of CHOICES: `all` keeps the given order, every other word picks one face unless `max_faces` asks for
    more. `size` is (width, height) of the picture, needed for `centre`; `likeness` tells how much a face is the person,
    needed for `likeness`; `max_faces` 0 means no limit for `all` and one face otherwise.

    Raises FaceError for an unknown word or a missing likeness.
    """
    if how not in CHOICES:
        raise FaceError(f"Faces cannot be chosen by {how!r}; choose one of {', '.join(CHOICES)}.")
    if how == "likeness" and likeness is None:
        raise FaceError("Choosing a face by likeness needs a subject or reference photos; connect one of them.")
    keys: dict[str, Callable[[Face], float]] = {
        "all": lambda face: 0.0,
        "largest": lambda face: -face.area,
        "leftmost": lambda face: face.centre[0],
        "rightmost": lambda face: -face.centre[0],
        "topmost": lambda face: face.centre[1],
        "centre": lambda face: math.dist(face.centre, (size[0] / 2, size[1] / 2)),
        "likeness": lambda face: -likeness(face) if likeness else 0.0,
    }
    ranked = sorted(faces, key=keys[how])
    limit = max_faces or (len(ranked) if how == "all" else 1)
    return ranked[:limit]


def _detector(width: int, height: int, min_score: float) -> Any:
    """Return this thread's YuNet, set to a picture size; OpenCV's object is not thread safe."""
    detector = getattr(_local, "detector", None)
    if detector is None:
        cv2 = opencv()
        model = np.frombuffer(weights.read("face_detection"), np.uint8)
        detector = cv2.FaceDetectorYN.create("onnx", model, np.zeros(0, np.uint8), (320, 320), 0.6, NMS_THRESHOLD)
        _local.detector = detector
    detector.setInputSize((width, height))
    detector.setScoreThreshold(float(min_score))
    return detector


def _detect_at(image: np.ndarray, longest: int, min_score: float) -> list[Face]:
    """Return the faces of the picture seen with this longest side."""
    cv2 = opencv()
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    # A thinner picture is filled up with its own border, which moves no coordinate.
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    seen = image if (wide, high) == (width, height) else cv2.resize(image, (wide, high), interpolation=how)
    if min(wide, high) < LEAST_SEEN:
        below, beside = max(0, LEAST_SEEN - high), max(0, LEAST_SEEN - wide)
        seen = cv2.copyMakeBorder(seen, 0, below, 0, beside, cv2.BORDER_REPLICATE)
    seen = cv2.cvtColor(seen, cv2.COLOR_RGB2BGR)
    rows = _detector(seen.shape[1], seen.shape[0], min_score).detect(seen)[1]
    if rows is None:
        return []
    found = [
        Face(
            tuple(float(value) / scale for value in row[:4]),
            tuple((float(x) / scale, float(y) / scale) for x, y in row[4:14].reshape(5, 2)),
            min(1.0, float(row[14])),
        )
        for row in rows
    ]
    # On strips a few pixels high YuNet answers with boxes thousands of times the picture.
    return [face for face in found if face.side < 2 * max(width, height) and _within(face.centre, width, height)]


def _within(point: tuple[float, float], width: int, height: int) -> bool:
    return 0 <= point[0] <= width and 0 <= point[1] <= height


def _refined(image: np.ndarray, face: Face, min_score: float) -> Face:
    """Return the same face with the landmarks of closer looks, or as it is when they show nobody."""
    side, angle = face.side * REFINE_RATIO, 0.0
    best = face
    for _ in range(REFINE_LOOKS):
        matrix = around(face.centre, side, angle, REFINE_SIDE)
        scale = REFINE_SIDE / side
        middle = REFINE_SIDE / 2
        seen = _detect_at(warp(image, matrix, REFINE_SIDE), REFINE_SIDE, min_score)
        # The face itself, not a neighbour who looks into the square.
        same = [
            other
            for other in seen
            if math.dist(other.centre, (middle, middle)) < 0.35 * face.side * scale
            and 0.5 < other.side / (face.side * scale) < 2
        ]
        if not same:
            break
        closer = max(same, key=lambda other: other.score)
        landmarks = transformed(np.array(closer.landmarks), inverse(matrix))
        box = best.box
        if angle == 0.0:
            corner = transformed(np.array([closer.box[:2]]), inverse(matrix))[0]
            box = (float(corner[0]), float(corner[1]), closer.box[2] / scale, closer.box[3] / scale)
        best = Face(box, tuple((float(x), float(y)) for x, y in landmarks), max(best.score, closer.score))
        if abs(closer.roll) < LEVEL:
            break
        angle += closer.roll
    return best


def overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the intersection over union of two boxes `(x, y, width, height)`, 0..1."""
    wide = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    high = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    if wide <= 0 or high <= 0:
        return 0.0
    shared = wide * high
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)
