"""Strands: thin hairs grown about every guide in the posed person's space, each a strip that faces the camera.

A strand borrows the line of the guide next to its root, shifted by the distance of the roots, so that neighbours lie
side by side as a lock. Its alpha falls off towards its edges, its tip and the hairline; the rasteriser turns alpha into
a share of the samples of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue] - compiled, without types

from .hair import EXTRA, SCALP, STEPS, TAIL, Guides, Hair, hairline

FINE = 26
"""Points along a strand."""
TAIL_EACH = 6
STRANDS = SCALP * (1 + EXTRA) + TAIL * TAIL_EACH
HALF_WIDTH = 0.00125


@dataclass(frozen=True)
class Grown:
    """Strips of strands: vertices and shading normals [B,STRANDS*FINE*2,3], alpha [B,STRANDS*FINE*2]."""

    vertices: torch.Tensor
    normals: torch.Tensor
    alpha: torch.Tensor


class Strands:
    """Grows the strands of a batch of persons on one device."""

    def __init__(self, hair: Hair) -> None:
        """Give every strand its guide."""
        device = hair.device
        roots = hair.child_roots
        nearest = cKDTree(hair.roots.cpu().numpy()).query(roots)[1]
        guide = np.concatenate([nearest, SCALP + np.repeat(np.arange(TAIL), TAIL_EACH)])
        rng = np.random.Generator(np.random.Philox(key=29))
        shift = roots - hair.roots.cpu().numpy()[nearest]
        tail = rng.normal(0, 0.0035, (TAIL * TAIL_EACH, 3))
        to = lambda a: torch.from_numpy(np.ascontiguousarray(a, np.float32)).to(device)  # noqa: E731
        self.guide = torch.from_numpy(guide.astype(np.int64)).to(device)
        self.shift = to(np.concatenate([shift, tail]))
        self.roots = to(roots)
        self.random = to(rng.random((6, STRANDS)))
        self.resample = to(_catmull_rom(STEPS, FINE))
        first = np.arange(STRANDS)[:, None] * FINE * 2 + 2 * np.arange(FINE - 1)
        quads = np.stack([first, first + 1, first + 2, first + 3], -1).reshape(-1, 4)
        self.faces = np.stack([quads[:, [0, 1, 2]], quads[:, [2, 1, 3]]], 1).reshape(-1, 3)
        edge = np.tile(np.array([-1.0, 1.0], np.float32), STRANDS * FINE)
        along = np.tile(np.repeat(np.arange(FINE) / (FINE - 1), 2), STRANDS).astype(np.float32)
        self.own = np.stack([edge, along, np.repeat(np.arange(STRANDS), FINE * 2)], 1).astype(np.float32)
        """Per vertex: across -1..1, along 0..1, number of the strand."""

    def grow(
        self, p: dict[str, torch.Tensor], guides: Guides, lines: torch.Tensor, turn: torch.Tensor, eye: torch.Tensor
    ) -> Grown:
        """Grow strands about posed guide lines [B,GUIDES,STEPS,3] for a camera at eye [B,3].

        turn [B,3,3] rotates the canonical head to the posed one; p holds the style's numbers, each [B].
        """
        g = lambda name: p[name][:, None, None]  # noqa: E731
        normalise = lambda v: torch.nn.functional.normalize(v, dim=-1, eps=1e-9)  # noqa: E731
        t = torch.linspace(0, 1, FINE, device=lines.device)
        fine = (self.resample @ lines.flatten(0, 1)).unflatten(0, lines.shape[:2])
        normal = self.resample @ _volume_normals(guides).flatten(0, 1)
        normal = normalise(normal.unflatten(0, lines.shape[:2]) @ turn.transpose(1, 2)[:, None])
        ahead = normalise(torch.gradient(fine, dim=2)[0])
        side = normalise(torch.cross(ahead, normal, dim=-1))
        over = torch.cross(side, ahead, dim=-1)
        fine = fine + self._curl(p, guides, t, side, over)

        pick = lambda a: a[:, self.guide]  # noqa: E731
        r = self.random
        close = 1 - g("clump") * t**1.5
        offset = (self.shift @ turn.transpose(1, 2))[:, :, None] * close[..., None]
        wander = self._wander(g("frizz"), t)
        line = pick(fine) + offset + wander[0][..., None] * pick(side) + wander[1][..., None] * pick(over)
        tangent = normalise(torch.gradient(line, dim=2)[0])
        across = normalise(torch.cross(tangent, eye[:, None, None] - line, dim=-1))
        half = HALF_WIDTH * (0.65 + 0.7 * r[0][:, None]) * (1 - 0.55 * t**2)
        across = across * half[..., None]
        vertices = torch.stack([line - across, line + across], 3).reshape(len(lines), -1, 3)
        shading = normalise(pick(normal))[:, :, :, None].expand(-1, -1, -1, 2, -1).reshape(len(lines), -1, 3)
        alpha = (
            self._alpha(p, t)
            .masked_fill(pick(guides.lone)[..., None], -9.0)[..., None]
            .expand(-1, -1, -1, 2)
            .reshape(len(lines), -1)
        )
        return Grown(vertices, shading, alpha)

    def _wander(self, frizz: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """How far strands stray sideways and outwards, [B,STRANDS,FINE] metres."""
        r = self.random
        loose = (r[1] > 0.94).float()[:, None] * 2.5 + 1
        reach = (0.0011 + frizz) * loose * t**0.8
        wave = lambda k, f: torch.sin(6.283 * (f * t * (0.6 + 0.8 * r[k][:, None]) + r[k + 1][:, None]))  # noqa: E731
        return reach * wave(2, 1.1), reach * (0.4 + 0.6 * wave(3, 1.4)).clamp_min(-0.15)

    def _curl(self, p, guides: Guides, t: torch.Tensor, side: torch.Tensor, over: torch.Tensor) -> torch.Tensor:
        """Shift of the guides by the style's curls, [B,GUIDES,FINE,3]."""
        g = lambda name: p[name][:, None, None]  # noqa: E731
        rnd = guides.random
        turns = guides.length[..., None] * t / g("wave") * 6.283
        phase = rnd[5][..., None] * 2.6 + turns * (0.9 + 0.2 * rnd[6][..., None])
        grow = g("curl") * (t * 3).clamp(0, 1) * (0.7 + 0.6 * rnd[7][..., None])
        return (phase.sin() * grow)[..., None] * side - (phase.cos() * grow * 0.6)[..., None] * over

    def _alpha(self, p: dict, t: torch.Tensor) -> torch.Tensor:
        g = lambda name: p[name][:, None]  # noqa: E731
        line = hairline(self.roots[None], g("hair_front"), g("hair_temple"), g("hair_sideline"))
        soft = (0.40 + 0.60 * (line / 0.009).clamp(0, 1)) * (line > 0.0005 + 0.003 * self.random[5, : len(self.roots)])
        tail = ((p["tail"] + p["bun"]) > 0).float()[:, None].expand(-1, TAIL * TAIL_EACH)
        on = torch.cat([soft, tail], 1) * (p["ribbons"][:, None] > 0.5)
        fade = 1 - 0.8 * ((t - 0.6) / 0.4).clamp_min(0) ** 1.5
        return torch.where(on[..., None] > 0, on[..., None] * fade, -9.0)


def _volume_normals(guides: Guides) -> torch.Tensor:
    """Where the surface of the whole head of hair faces: off the scalp, and off the head's axis where hair hangs."""
    line = guides.lines
    around = line * line.new_tensor([1.0, 1.0, 0.0]) + line.new_tensor([0.0, 0.02, 0.0])
    around = torch.nn.functional.normalize(around, dim=-1, eps=1e-6)
    hang = ((0.70 - line[..., 2:]) / 0.06).clamp(0, 1)
    return torch.nn.functional.normalize(torch.lerp(guides.normals, around, 0.25 + 0.7 * hang), dim=-1, eps=1e-6)


def _catmull_rom(coarse: int, fine: int) -> np.ndarray:
    """Matrix [fine, coarse] that lays a Catmull-Rom spline through points and reads it at `fine` even places."""
    out = np.zeros((fine, coarse))
    for row, at in enumerate(np.linspace(0, coarse - 1, fine)):
        k = min(int(at), coarse - 2)
        u = at - k
        weights = np.array(
            [-u + 2 * u**2 - u**3, 2 - 5 * u**2 + 3 * u**3, u + 4 * u**2 - 3 * u**3, -(u**2) + u**3]
        ) / 2  # fmt: skip
        for j, weight in zip(range(k - 1, k + 3), weights, strict=True):
            out[row, min(max(j, 0), coarse - 1)] += weight
    return out
