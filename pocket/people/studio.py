"""What a person does in front of the camera: expression, gaze, turn of the head, and pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import expressions, poses

UNFLATTERING = ("looking up", "looking down")
"""What a photographer asks for less often."""


@dataclass(frozen=True)
class Staging:
    """Facial actions by name 0..1, rotation vectors [J,3], the view's angles in degrees, the words for captions,
    and what the pose asks of the outfit.
    """

    expression: dict[str, float]
    pose: np.ndarray
    yaw: float
    pitch: float
    words: dict[str, str]
    wish: dict[str, str]


def staging(rng: np.random.Generator, framing: str, expression: str | None = None) -> Staging:
    """Draw expression and pose for a framing (a close-up takes the poses of head and shoulders)."""
    name, actions = expressions.sample(rng, expression)
    kind = "head and shoulders" if framing == "close-up" else framing
    pose = poses.sample(rng, kind)
    if not pose.view.startswith(("front", "three")) and rng.random() < 0.7:
        pose = poses.sample(rng, kind)
    if pose.words in UNFLATTERING and rng.random() < 0.7:
        pose = poses.sample(rng, kind)
    seated = any(
        word in pose.words for word in ("sitting", "seated", "kneeling", "crouching", "squatting", "cross-legged")
    )
    words = {
        "expression": expressions.words(name),
        "pose": pose.words if framing in ("half body", "full body") else "",
        "view": pose.view,
    }
    wish = {"bottom": str(rng.choice(["trousers", "jeans"]))} if seated else {}
    return Staging(actions, pose.rotations.numpy().astype(np.float32), float(pose.yaw), float(pose.pitch), words, wish)
