"""Where eyes look and what mouths say, by MediaPipe's face mesh: points [478, 2] in pixels, x to the right, y down."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...portrait.faces import Face

CORNERS_AND_IRIS = ((33, 133, 468), (362, 263, 473))
"""Of either eye, from left to right in the picture: both corners, and the middle of the iris."""
SMALLEST_EYE = 12.0
"""Pixels from corner to corner below which an iris is too small to be placed."""
SQUINT = (0.13, 0.13)
"""How far the irises may stand apart, along and across the eye, in widths of an eye.

More than in any of the 27 held-out renders that are large enough (.10 and .127), whose eyes meet. An iris moved by a
fifth of the eye is noticed in about half of the faces.
"""
SMILES, OTHERS = ("slight smile", "smiling"), ("sad", "neutral expression", "serious expression")
LEVEL = 0.03
"""Mouth widths: a smile lifts the corners by more. 36 of 51 held-out renders of these words are on their side."""
LIPS = (61, 291, 13, 14)
"""The corners of the mouth, and the inner lips at its middle."""


def mesh(judge: Path, faces: Sequence[tuple[Path, Face]]) -> list[np.ndarray | None]:
    """Return the face mesh [478, 2] of each picture's face, None where MediaPipe sees none.

    `judge` is the interpreter of an environment with mediapipe. Raises CalledProcessError when it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        jobs = Path(folder) / "jobs.json"
        jobs.write_text(json.dumps([[str(path), [float(v) for v in face.box]] for path, face in faces]), "utf-8")
        script = Path(__file__).with_name("face_landmarks.py")
        answer = subprocess.run([judge, script, jobs], capture_output=True, text=True, check=True).stdout
    return [None if points is None else np.array(points) for points in json.loads(answer)]


def irises(points: np.ndarray) -> np.ndarray | None:
    """Return where either iris [2, 2] is from the middle of its eye, along and across it; None: too small to tell.

    In widths of the eye.
    """
    found = []
    for left, right, iris in CORNERS_AND_IRIS:
        along = points[right] - points[left]
        wide = float(np.hypot(*along))
        if wide < SMALLEST_EYE:
            return None
        along = along / wide
        off = points[iris] - (points[left] + points[right]) / 2
        found.append((off @ along / wide, off @ np.array([-along[1], along[0]]) / wide))
    return np.array(found)


def one_gaze(points: np.ndarray) -> bool | None:
    """Return whether both eyes look at one place; None: too small to tell."""
    found = irises(points)
    return None if found is None else bool((np.abs(found[0] - found[1]) <= SQUINT).all())


def mouth_lift(points: np.ndarray) -> float:
    """Return how far the corners of the mouth stand above its middle, in mouth widths."""
    left, right, upper, lower = points[list(LIPS)]
    along = right - left
    wide = float(np.hypot(*along))
    down = np.array([-along[1], along[0]]) / max(wide, 1e-6)
    return float(((upper + lower) / 2 - (left + right) / 2) @ down / max(wide, 1e-6))


def mood_followed(words: str, lift: float) -> bool | None:
    """Whether a mouth's lift goes with the caption's expression; None where the words ask for another one."""
    if words in SMILES:
        return lift > LEVEL
    return lift <= LEVEL if words in OTHERS else None
