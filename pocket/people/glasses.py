"""Spectacles: two rims, a bridge and two temples as thin tubes on the canonical head, carried by the warp."""

from __future__ import annotations

import numpy as np
import torch

RIM, BRIDGE, TEMPLE = 36, 7, 9
EYE, EDGE, EAR = (0.0305, -0.1530, 0.6965), (0.0535, -0.1515, 0.7020), (0.0830, -0.0230, 0.7040)
HALF_WIDTH, HALF_HEIGHT, THICK = 0.0235, 0.0185, 0.0016
CORNERS = ((1, 1), (1, -1), (-1, -1), (-1, 1))


def faces() -> np.ndarray:
    """Triangles [T,3] over the vertices of `points`."""
    out, first = [], 0
    for count, closed in ((RIM, True), (RIM, True), (BRIDGE, False), (TEMPLE, False), (TEMPLE, False)):
        for k in range(count if closed else count - 1):
            after = (k + 1) % count
            for c in range(4):
                d = (c + 1) % 4
                a, b, e, f = (first + 4 * i + j for i, j in ((k, c), (k, d), (after, c), (after, d)))
                out += [(a, b, e), (b, f, e)]
        first += 4 * count
    return np.array(out)


COUNT = 4 * (2 * RIM + BRIDGE + 2 * TEMPLE)


def points(p: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Canonical vertices [B,COUNT,3] and keep [B,COUNT].

    p: glasses (0 or 1) and glasses_round (0 angular .. 1 round), each [B].
    """
    device = p["glasses"].device
    b = len(p["glasses"])
    angle = torch.arange(RIM, device=device) / RIM * 2 * torch.pi
    power = (2.0 + 2.4 * (1 - p["glasses_round"]))[:, None]
    radius = ((angle.cos().abs() / HALF_WIDTH) ** power + (angle.sin().abs() / HALF_HEIGHT) ** power) ** (-1 / power)
    radial = torch.stack([angle.cos(), 0 * angle, angle.sin()], -1)
    away = torch.tensor([0, 1.0, 0], device=device)
    lines, first_axes, second_axes = [], [], []
    for side in (1.0, -1.0):
        centre = torch.tensor([side * EYE[0], EYE[1], EYE[2] - 0.003], device=device)
        ring = centre + radius[..., None] * radial
        ring = ring + away * (0.3 * (ring[..., :1].abs() - 0.02).clamp_min(0) ** 2 / 0.03)
        lines.append(ring)
        first_axes.append(radial.expand(b, -1, -1))
        second_axes.append(away.expand(b, RIM, -1))
    across = torch.linspace(-1, 1, BRIDGE, device=device)
    inner = EYE[0] - HALF_WIDTH
    bridge = torch.stack(
        [across * inner, EYE[1] - 0.004 * (1 - across**2), EYE[2] + 0.002 + 0.0035 * (1 - across**2)], -1
    )
    lines.append(bridge.expand(b, -1, -1))
    first_axes.append(torch.tensor([0, 0, 1.0], device=device).expand(b, BRIDGE, -1))
    second_axes.append(away.expand(b, BRIDGE, -1))
    along = torch.linspace(0, 1, TEMPLE, device=device)[:, None]
    for side in (1.0, -1.0):
        start, end = (torch.tensor([side * q[0], q[1], q[2]], device=device) for q in (EDGE, EAR))
        bow = torch.tensor([side * 0.010, 0, 0], device=device) * torch.sin(along * torch.pi) ** 0.7
        lines.append((start + (end - start) * along + bow).expand(b, -1, -1))
        first_axes.append(torch.tensor([0, 0, 1.0], device=device).expand(b, TEMPLE, -1))
        second_axes.append(torch.tensor([side, 0.3, 0], device=device).expand(b, TEMPLE, -1))
    line, one, two = (torch.cat(parts, 1)[:, :, None] for parts in (lines, first_axes, second_axes))
    corner = torch.tensor(CORNERS, dtype=torch.float32, device=device) * THICK
    vertices = line + one * corner[:, :1] + two * corner[:, 1:]
    keep = torch.where(p["glasses"] > 0.5, 1.0, -9.0)[:, None].expand(-1, COUNT)
    return vertices.reshape(b, -1, 3), keep
