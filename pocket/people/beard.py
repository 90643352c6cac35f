"""Beards and brows: short strands rooted in the skin of the face, so they follow every expression."""

from __future__ import annotations

import numpy as np
import torch

from . import template as tm
from .materials import beard_area, brow_area, moustache_area
from .strands import Grown

BEARD, BROWS, POINTS = 2400, 700, 5
COUNT = BEARD + BROWS
HALF_WIDTH = 0.00062
LONGEST = 0.013
"""A full beard's strands in metres; stubble's are a fifth, a brow's two fifths."""


def _scattered(c: np.ndarray, faces: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Corners [count,3] and barycentric weights [count,3] of places spread evenly over triangles."""
    tri = c[faces]
    area = np.linalg.norm(np.cross(tri[:, 1] - tri[:, 0], tri[:, 2] - tri[:, 0]), axis=1)
    pick = np.searchsorted(np.cumsum(area) / area.sum(), (np.arange(count) + 0.5) / count).clip(0, len(area) - 1)
    r1, r2 = np.sqrt(rng.random(count)), rng.random(count)
    return faces[pick], np.stack([1 - r1, r1 * (1 - r2), r1 * r2], 1)


class FaceHair:
    """Grows beards and brows of a batch of persons on one device."""

    def __init__(self, device: torch.device | str) -> None:
        """Choose the roots: spread evenly over the skin on which beard and brows can grow."""
        t = tm.template()
        c, faces = t.canonical, t.faces["body"]
        middle = torch.from_numpy(c[faces].mean(1))
        can = ((beard_area(middle) > 0.02) | (moustache_area(middle) > 0.05)).numpy()
        mouth = np.abs(middle.numpy() - np.array([0, -0.150, 0.632])) < np.array([0.026, 0.03, 0.0095])
        jaw = faces[can & ~mouth.all(1) & (middle[:, 1].numpy() < 0.0)]
        x, y, z = middle.numpy().T
        brow = faces[(np.abs(x) > 0.008) & (np.abs(x) < 0.062) & (z > 0.700) & (z < 0.738) & (y < -0.07)]
        rng = np.random.Generator(np.random.Philox(key=31))
        to = lambda a: torch.from_numpy(np.ascontiguousarray(a, np.float32)).to(device)  # noqa: E731
        drawn = [_scattered(c, jaw, BEARD, rng), _scattered(c, brow, BROWS, rng)]
        corners, weights = (np.concatenate(part) for part in zip(*drawn, strict=True))
        self.corners = torch.from_numpy(corners.astype(np.int64)).to(device)
        self.weights = to(weights)
        self.roots = to((c[corners] * weights[..., None]).sum(1))
        self.random = to(rng.random((4, COUNT)))
        first = np.arange(COUNT)[:, None] * POINTS * 2 + 2 * np.arange(POINTS - 1)
        quads = np.stack([first, first + 1, first + 2, first + 3], -1).reshape(-1, 4)
        self.faces = np.stack([quads[:, [0, 1, 2]], quads[:, [2, 1, 3]]], 1).reshape(-1, 3)
        edge = np.tile(np.array([-1.0, 1.0], np.float32), COUNT * POINTS)
        along = np.tile(np.repeat(np.arange(POINTS) / (POINTS - 1), 2), COUNT)
        self.own = np.stack([edge, along, np.repeat(np.arange(COUNT) + 7000, POINTS * 2)], 1).astype(np.float32)

    def grow(self, p: dict[str, torch.Tensor], vertices: torch.Tensor, turn: torch.Tensor, eye: torch.Tensor) -> Grown:
        """Grow beards and brows on bodies [B,19158,3]; turn [B,3,3] is the head's, eye [B,3] the camera, p [B] each."""
        normalise = lambda v: torch.nn.functional.normalize(v, dim=-1, eps=1e-9)  # noqa: E731
        b, t = len(vertices), torch.linspace(0, 1, POINTS, device=vertices.device)
        corner = vertices[:, self.corners]
        root = (corner * self.weights[..., None]).sum(2)
        normal = normalise(torch.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0], dim=-1))
        r = self.random
        down = (r[:3].T - 0.5) * 0.7 + r.new_tensor([0, -0.10, -1.0])
        outward = self.roots[:, :1].sign() * r.new_tensor([1.0, 0, 0])
        rise = (1.1 - 30 * (self.roots[:, :1].abs() - 0.012)).clamp(-0.35, 1.1) * r.new_tensor([0, 0, 1.0])
        brow = (torch.arange(COUNT, device=vertices.device) >= BEARD)[:, None]
        lie = torch.where(brow, outward + rise + 0.3 * (r[:3].T - 0.5), down + 0.25 * outward)
        way = normalise((lie @ turn.transpose(1, 2)) + torch.where(brow, 0.20, 0.55) * normal)
        full = ((p["stubble"] - 0.3) / 0.65).clamp(0, 1)[:, None]
        length = torch.where(brow[:, 0], 0.4, 0.16 + 0.84 * full**2) * LONGEST * (0.6 + 0.6 * r[3])
        line = root[:, :, None] + way[:, :, None] * (length[..., None] * t)[..., None]
        line = (
            line
            + (turn @ line.new_tensor([0, 0, -1.0]))[:, None, None]
            * (torch.where(brow, 0.12, 0.25) * length[..., None] * t**2)[..., None]
        )
        across = normalise(torch.cross(way[:, :, None].expand_as(line), eye[:, None, None] - line, dim=-1))
        thick = HALF_WIDTH * torch.where(brow[:, 0], 0.9, 0.6 + 0.6 * full)
        across = across * ((thick * (0.7 + 0.6 * r[0]))[..., None] * (1 - 0.6 * t))[..., None]
        jaw = torch.maximum(beard_area(self.roots) * p["stubble"][:, None], moustache_area(self.roots) * self._lip(p))
        place = torch.where(brow[:, 0], 0.75 * brow_area(self.roots, lambda name: p[name][:, None]), jaw)
        alpha = (place[..., None] * (1 - 0.6 * t)).clamp(0, 0.9)
        alpha = torch.where(place[..., None] > 0.15, alpha, -9.0)
        shading = normal[:, :, None, None].expand(b, COUNT, POINTS, 2, 3).reshape(b, -1, 3)
        return Grown(
            torch.stack([line - across, line + across], 3).reshape(b, -1, 3),
            shading,
            alpha[..., None].expand(-1, -1, -1, 2).reshape(b, -1),
        )

    def _lip(self, p: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.maximum(p["stubble"], 0.9 * p["moustache"])[:, None]
