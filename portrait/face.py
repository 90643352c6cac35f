"""What is known of one face in a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
