"""The OpenPose picture language: which points there are, which are joined, and in which colour.

Sources: the COCO-18 output format of OpenPose (output.md of CMU-Perceptual-Computing-Lab/openpose) and the colours and
limb order in which the ControlNet authors drew their training maps (lllyasviel/ControlNet, "openpose" condition), which
every OpenPose ControlNet since then expects.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

BODY = slice(0, 18)
LEFT_HAND = slice(18, 39)
RIGHT_HAND = slice(39, 60)
FACE = slice(60, 130)
POINTS = 130
"""A person is an array `[130, 3]` of x, y, c: 18 body points, 21 a hand (left, right), 70 of the face; c is 0 or 1."""

BODY_POINTS = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
)
"""Names in the order of the file format; left and right are the sitter's own."""

BODY_25_TO_18: Sequence[int] = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
"""Where each of the 18 points lies in OpenPose's BODY_25 output; mid-hip and feet are dropped."""

LIMBS: Sequence[tuple[int, int]] = (
    (1, 2),
    (1, 5),
    (2, 3),
    (3, 4),
    (5, 6),
    (6, 7),
    (1, 8),
    (8, 9),
    (9, 10),
    (1, 11),
    (11, 12),
    (12, 13),
    (1, 0),
    (0, 14),
    (14, 16),
    (0, 15),
    (15, 17),
)

BODY_COLOURS: Sequence[tuple[int, int, int]] = (
    (255, 0, 0),
    (255, 85, 0),
    (255, 170, 0),
    (255, 255, 0),
    (170, 255, 0),
    (85, 255, 0),
    (0, 255, 0),
    (0, 255, 85),
    (0, 255, 170),
    (0, 255, 255),
    (0, 170, 255),
    (0, 85, 255),
    (0, 0, 255),
    (85, 0, 255),
    (170, 0, 255),
    (255, 0, 255),
    (255, 0, 170),
    (255, 0, 85),
)
"""RGB of joint i; limb i takes the same colour at 0.6 of its brightness."""

LIMB_BRIGHTNESS = 0.6

HAND_EDGES: Sequence[tuple[int, int]] = tuple(
    (0 if joint == 0 else 4 * finger + joint, 4 * finger + joint + 1) for finger in range(5) for joint in range(4)
)
"""Wrist to fingertip, thumb first: 20 edges over 21 points."""

HAND_COLOURS: Sequence[tuple[int, int, int]] = tuple(
    (int(255 * red), int(255 * green), int(255 * blue))
    for red, green, blue in (colorsys.hsv_to_rgb(edge / len(HAND_EDGES), 1.0, 1.0) for edge in range(len(HAND_EDGES)))
)
HAND_JOINT_COLOUR = (0, 0, 255)
FACE_COLOUR = (255, 255, 255)
