"""What a person does in front of the camera: expression, gaze, turn of the head, and pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import expressions, poses


@dataclass(frozen=True)
class Staging:
    """Facial actions by name 0..1, rotation vectors [J,3], the view's angles in degrees, and the words for captions."""

    expression: dict[str, float]
    pose: np.ndarray
    yaw: float
    pitch: float
    words: dict[str, str]


def staging(rng: np.random.Generator, framing: str, expression: str | None = None) -> Staging:
    """Draw expression and pose for a framing (a close-up takes the poses of head and shoulders)."""
    name, actions = expressions.sample(rng, expression)
    pose = poses.sample(rng, "head and shoulders" if framing == "close-up" else framing)
    words = {
        "expression": expressions.words(name),
        "pose": pose.words if framing in ("half body", "full body") else "",
        "view": pose.view,
    }
    return Staging(actions, pose.rotations.numpy().astype(np.float32), float(pose.yaw), float(pose.pitch), words)
