"""Cameras and framing: where the picture is taken from, and how much of the person it shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

FRAMINGS = ("close-up", "head and shoulders", "half body", "full body")


@dataclass(frozen=True)
class Camera:
    """One view. Angles in degrees: yaw > 0 turns the person to the picture's right, pitch > 0 looks from above.

    framing: one of FRAMINGS; zoom: 1 is the framing's usual size, larger is closer; shift: fraction of the picture that
    the subject is moved by (right, down).
    """

    framing: str
    yaw: float
    pitch: float
    roll: float
    zoom: float
    shift: tuple[float, float]
    fov: float


def camera(rng: np.random.Generator, framing: str, yaw: float = 0.0, pitch: float = 0.0) -> Camera:
    """A view of a framing near the given turn (degrees), with a hand-held photographer's small deviations."""
    return Camera(
        framing=framing,
        yaw=yaw + float(np.clip(rng.normal(0, 4), -9, 9)),
        pitch=pitch + float(np.clip(rng.normal(0, 3), -7, 7)),
        roll=float(np.clip(rng.normal(0, 1.6), -5, 5)),
        zoom=float(rng.uniform(0.92, 1.10)),
        shift=(float(rng.normal(0, 0.022)), float(rng.normal(0, 0.010))),
        fov={"close-up": 13.0, "head and shoulders": 16.0, "half body": 22.0, "full body": 26.0}[framing],
    )


def aim(
    framing: list[str], keypoints: torch.Tensor, head_top: torch.Tensor, chin: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Target [B,3] and half height [B] in metres that frame each person.

    keypoints [B,60,3] of the body (OpenPose order), head_top and chin [B,3].
    """
    nose, neck = keypoints[:, 0], keypoints[:, 1]
    hips = (keypoints[:, 8] + keypoints[:, 11]) / 2
    ankles = torch.minimum(keypoints[:, 10, 2], keypoints[:, 13, 2])
    head = (head_top - chin).norm(dim=-1)
    centre_head = (head_top + chin) / 2
    down = torch.tensor([0, 0, -1.0], device=keypoints.device)
    options = {
        "close-up": (centre_head + down * 0.03 * head[:, None], head * 0.68),
        "head and shoulders": (centre_head + down * 0.16 * head[:, None], head * 0.88),
        "half body": ((head_top * 0.54 + hips * 0.46) + down * 0.02, (head_top[:, 2] - hips[:, 2]) * 0.46 + 0.08),
    }
    hands = torch.maximum(keypoints[:, 4, 2], keypoints[:, 7, 2]) + 0.20
    top = torch.maximum(head_top[:, 2], hands)
    body_centre = (nose + neck + hips * 2) / 4
    body_centre = torch.stack([body_centre[:, 0], body_centre[:, 1], (top + ankles - 0.09) / 2], 1)
    options["full body"] = (body_centre, (top - ankles + 0.09) / 2 + 0.09)
    target = torch.stack([options[f][0][i] for i, f in enumerate(framing)])
    half = torch.stack([options[f][1][i] for i, f in enumerate(framing)])
    return target, half


def rotation(yaw: torch.Tensor, pitch: torch.Tensor, roll: torch.Tensor) -> torch.Tensor:
    """World to camera rotation [B,3,3] for angles [B] in degrees; camera axes: right, away, up."""
    y, p, r = (torch.deg2rad(a) for a in (yaw, pitch, roll))
    o, i = torch.zeros_like(y), torch.ones_like(y)
    rz = torch.stack([y.cos(), -y.sin(), o, y.sin(), y.cos(), o, o, o, i], -1).reshape(-1, 3, 3)
    rx = torch.stack([i, o, o, o, p.cos(), -p.sin(), o, p.sin(), p.cos()], -1).reshape(-1, 3, 3)
    ry = torch.stack([r.cos(), o, r.sin(), o, i, o, -r.sin(), o, r.cos()], -1).reshape(-1, 3, 3)
    return ry @ rx @ rz


@dataclass(frozen=True)
class View:
    """A batch of cameras ready to project: rotation [B,3,3], target [B,3], distance and focal length in pixels [B]."""

    rotation: torch.Tensor
    target: torch.Tensor
    distance: torch.Tensor
    focal: torch.Tensor
    centre: torch.Tensor

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """World points [B,N,3] -> pixels x, y and depth in metres [B,N,3]."""
        q = (points - self.target[:, None]) @ self.rotation.transpose(1, 2)
        depth = q[..., 1] + self.distance[:, None]
        scale = self.focal[:, None] / depth
        return torch.stack([self.centre[:, :1] + q[..., 0] * scale, self.centre[:, 1:] - q[..., 2] * scale, depth], -1)


def view(cameras: list[Camera], target: torch.Tensor, half: torch.Tensor, size: int) -> View:
    """Build the projection of a batch for square pictures of `size` pixels."""
    to = lambda values: torch.tensor(values, dtype=torch.float32, device=target.device)  # noqa: E731
    fov = torch.deg2rad(to([c.fov for c in cameras]))
    half = half / to([c.zoom for c in cameras])
    focal = size / 2 / torch.tan(fov / 2)
    return View(
        rotation(to([c.yaw for c in cameras]), to([c.pitch for c in cameras]), to([c.roll for c in cameras])),
        target,
        half / torch.tan(fov / 2),
        focal,
        size * (0.5 + to([c.shift for c in cameras])),
    )
