"""How faces are looked for: YuNet on pictures of any size, and a closer look at each face.

Everything runs on the device of the pictures, and pictures of one size run together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from . import warping
from .alignment import around, inverse, transformed
from .face import Face
from .networks import yunet
from .warping import Picture

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
SMALLEST_SIDE = 24  # a picture narrower than this holds no face that YuNet can see
NMS_THRESHOLD, NMS_FIRST = 0.3, 5000  # OpenCV's own defaults for FaceDetectorYN
# The pixels that go through the network at once. On a processor more than one large picture only leaves the cache; on
# a card this takes about 0.4 GB.
AT_ONCE = {"cpu": 640 * 640}
AT_ONCE_ELSEWHERE = 16 * 640 * 640

TurnedPicture = tuple[int, torch.Tensor]
"""The number of a picture and what is seen of it, float32 `[3, H, W]`, 0..255."""


def search(pictures: Sequence[Picture], min_score: float, refine: bool) -> list[list[Face]]:
    """Return the faces of each picture `[H, W, 3]` (RGB, uint8), the largest first; see faces.detect."""
    with torch.inference_mode():
        found: list[list[Face]] = [[] for _ in pictures]
        for side in SIDES:
            unseen = [i for i, picture in enumerate(pictures) if not found[i] and _worth(picture, side)]
            for index, faces in _whole(pictures, unseen, side, min_score):
                found[index] = faces
        if refine:
            found = refined(pictures, found, min_score)
    return [sorted(faces, key=lambda face: (-face.area, face.box[0], face.box[1])) for faces in found]


def _worth(picture: Picture, side: int) -> bool:
    high, wide = picture.shape[:2]
    return min(high, wide) >= SMALLEST_SIDE and (side <= SIDES[0] or max(high, wide) > SIDES[0])


def _whole(
    pictures: Sequence[Picture], which: Sequence[int], side: int, min_score: float
) -> Iterator[tuple[int, list[Face]]]:
    """Look at whole pictures, their longest side scaled to `side` or doubled, whichever is less."""

    def views() -> Iterator[TurnedPicture]:
        for index in which:
            high, wide = pictures[index].shape[:2]
            scale = min(side, 2 * max(high, wide)) / max(high, wide)
            size = max(1, round(high * scale)), max(1, round(wide * scale))
            # Whole values, as a picture of that size has: so the answers are those that OpenCV gives.
            yield index, warping.scaled(pictures[index], *size).round()

    for index, seen in look(views(), min_score):
        high, wide = pictures[index].shape[:2]
        scale = min(side, 2 * max(high, wide)) / max(high, wide)
        faces = [moved(face, scale) for face in seen]
        # On strips a few pixels high YuNet answers with boxes thousands of times the picture.
        yield index, [face for face in faces if face.side < 2 * max(wide, high) and _within(face.centre, wide, high)]


def moved(face: Face, scale: float) -> Face:
    """Return a face of a picture that was scaled, in px of the picture itself."""
    x, y, wide, high = (value / scale for value in face.box)
    return Face((x, y, wide, high), tuple((x / scale, y / scale) for x, y in face.landmarks), face.score)


def _within(point: tuple[float, float], width: int, height: int) -> bool:
    return 0 <= point[0] <= width and 0 <= point[1] <= height


def look(views: Iterable[TurnedPicture], min_score: float) -> Iterator[tuple[int, list[Face]]]:
    """Run the network on views as they are and return the faces of each, in px of the view, the surest first."""
    waiting: dict[tuple[int, int], list[TurnedPicture]] = {}
    for number, view in views:
        high, wide = (math.ceil(side / yunet.STEP) * yunet.STEP for side in view.shape[1:])
        batch = waiting.setdefault((high, wide), [])
        batch.append((number, F.pad(view, (0, wide - view.shape[2], 0, high - view.shape[1]))))
        if (len(batch) + 1) * high * wide > AT_ONCE.get(view.device.type, AT_ONCE_ELSEWHERE):
            yield from _look_at_once(waiting.pop((high, wide)), min_score)
    for batch in waiting.values():
        yield from _look_at_once(batch, min_score)


def _look_at_once(batch: Sequence[TurnedPicture], min_score: float) -> Iterator[tuple[int, list[Face]]]:
    pictures = torch.stack([view for _, view in batch]).contiguous(memory_format=torch.channels_last)
    with torch.autocast(pictures.device.type, enabled=False):
        rows = yunet.decoded(yunet.network(str(pictures.device))(pictures))
    sure = rows[..., 14] >= min_score
    chosen, of = rows[sure].cpu().numpy(), sure.nonzero()[:, 0].cpu().numpy()
    for place, (number, _) in enumerate(batch):
        own = chosen[of == place]
        yield number, [from_row(row) for row in own[_not_overlapping(own[:, :4], own[:, 14])].tolist()]


def from_row(row: Sequence[float]) -> Face:
    """Return the face of a row of yunet.decoded."""
    landmarks = tuple(zip(row[4:14:2], row[5:14:2], strict=True))
    return Face((row[0], row[1], row[2], row[3]), landmarks, min(1.0, row[14]))


def _not_overlapping(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Return the indices that non-maximum suppression keeps, the surest first.

    As OpenCV's NMSBoxes does for FaceDetectorYN, which cuts the boxes to whole pixels.
    """
    corners = boxes.astype(np.int64)
    left, top = corners[:, 0], corners[:, 1]
    right, bottom = left + corners[:, 2], top + corners[:, 3]
    area = corners[:, 2] * corners[:, 3]
    order = np.argsort(-scores, kind="stable")[:NMS_FIRST]
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        across = np.minimum(right[best], right[order]) - np.maximum(left[best], left[order])
        down = np.minimum(bottom[best], bottom[order]) - np.maximum(top[best], top[order])
        shared = np.clip(across, 0, None) * np.clip(down, 0, None)
        order = order[shared <= NMS_THRESHOLD * np.maximum(area[best] + area[order] - shared, 1)]
    return kept


@dataclass
class Closer:
    """A face of picture number `picture` that is being looked at again, in a square turned by `angle` degrees."""

    picture: int
    first: Face
    best: Face
    angle: float = 0.0

    @property
    def matrix(self) -> np.ndarray:
        """The 2x3 matrix that takes the square to REFINE_SIDE px."""
        return around(self.first.centre, self.first.side * REFINE_RATIO, self.angle, REFINE_SIDE)

    def learn(self, seen: Sequence[Face]) -> bool:
        """Take over what the square shows; return whether another look can tell more."""
        scale, middle = REFINE_SIDE / (self.first.side * REFINE_RATIO), REFINE_SIDE / 2
        # The face itself, not a neighbour who looks into the square.
        same = [
            other
            for other in seen
            if math.dist(other.centre, (middle, middle)) < 0.35 * self.first.side * scale
            and 0.5 < other.side / (self.first.side * scale) < 2
        ]
        if not same:
            return False
        closer = max(same, key=lambda other: other.score)
        back = inverse(self.matrix)
        box = self.best.box
        if self.angle == 0.0:
            x, y = transformed(np.array([closer.box[:2]]), back)[0].tolist()
            box = (x, y, closer.box[2] / scale, closer.box[3] / scale)
        landmarks = tuple((x, y) for x, y in transformed(np.array(closer.landmarks), back).tolist())
        self.best = Face(box, landmarks, max(self.best.score, closer.score))
        self.angle += closer.roll
        return abs(closer.roll) >= LEVEL


@torch.inference_mode()
def refined(pictures: Sequence[Picture], found: Sequence[Sequence[Face]], min_score: float) -> list[list[Face]]:
    """Return the same faces with the landmarks of closer looks; one that shows nobody changes nothing."""
    every = [Closer(index, face, face) for index, faces in enumerate(found) for face in faces]
    active = every
    for _ in range(REFINE_LOOKS):
        squares = (warping.warp(pictures[each.picture], each.matrix, REFINE_SIDE) for each in active)
        active = [active[place] for place, seen in look(enumerate(squares), min_score) if active[place].learn(seen)]
    return [[each.best for each in every if each.picture == index] for index in range(len(pictures))]
