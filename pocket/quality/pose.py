"""Whether pose maps are followed: YuNet's eyes against the map's, and bodies as MediaPipe sees them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...portrait import poses
from .. import measures
from ..graphs import text_to_image
from .pictures import HostPictures

BODIES = {"half body": 0.7, "full body": 0.3}
EYES = [14, 15]
JOINTS = {2: 12, 3: 14, 4: 16, 5: 11, 6: 13, 7: 15}
"""Shoulders, elbows and wrists: number among our key points -> among MediaPipe's landmarks."""
NEAR = 0.1
"""A joint counts within this share of the person's larger side (PCK, Yang and Ramanan 2013)."""


def posed(pictures: HostPictures, kind: str, people: Sequence[dict[str, Any]], seed: int) -> np.ndarray:
    """Make one picture of each person in the pose of its render; returns the key points [N, 60, 3]."""
    points = np.array([person["keypoints"] for person in people])
    maps = poses.draw(points[:, None], 256, 256)
    graphs = {}
    for i, person in enumerate(people):
        Image.fromarray(maps[i]).save(pictures.inputs / f"pocket-{kind}-{i}.png")
        graphs[i] = text_to_image([person["caption"]], seed=seed + i, pose=f"pocket-{kind}-{i}.png")
    pictures.make(kind, graphs)
    pictures.sheet(kind, [x for i in range(min(32, len(maps))) for x in (maps[i], pictures.open(kind, i))], 8)
    return points


def eye_errors(pictures: HostPictures, kind: str, points: np.ndarray) -> tuple[list[float], list[bool]]:
    """Return how far YuNet's eyes are from the map's, in widths, and whether there is exactly one face."""
    errors, one = [], []
    for i in range(len(points)):
        faces = measures.found(pictures.open(kind, i))
        one.append(len(faces) == 1)
        if faces and (points[i, EYES, 2] > 0).all():
            eyes = np.array(faces[0].landmarks[:2])
            errors.append(float(np.linalg.norm(eyes - points[i, EYES, :2], axis=1).mean() / 256))
    return errors, one


def body_joints(pictures: HostPictures, kind: str, points: np.ndarray, judge: Path) -> list[list[bool] | None]:
    """Return for each picture which shoulders, elbows and wrists MediaPipe sees near; None where it sees no body.

    `judge` is the interpreter of an environment with mediapipe. Raises CalledProcessError when it fails.
    """
    paths = [str(pictures.path(kind, i)) for i in range(len(points))]
    script = Path(__file__).with_name("body_landmarks.py")
    answer = subprocess.run([judge, script, *paths], capture_output=True, text=True, check=True).stdout
    return [joints_near(*pair) for pair in zip(points, json.loads(answer), strict=True)]


def joints_near(points: np.ndarray, landmarks: list[list[float]] | None) -> list[bool] | None:
    """Return for each joint that the map [60, 3] shows whether the landmark [33, 3] is near; None without a body."""
    if landmarks is None:
        return None
    reach = NEAR * float(np.ptp(points[points[:, 2] > 0, :2], axis=0).max())
    inside = [j for j in JOINTS if points[j, 2] > 0 and (points[j, :2] >= 0).all() and (points[j, :2] < 256).all()]
    return [float(np.linalg.norm(np.array(landmarks[JOINTS[j]][:2]) - points[j, :2])) <= reach for j in inside]
