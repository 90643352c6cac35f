"""Hair: guides combed over the canonical head, and fuzzy shells for the shortest and curliest cuts.

A guide starts at a root on the scalp and is integrated step by step through a flow field (from the crown, away from
the part, backwards or to a tie), bent by gravity and pushed out of the head, neck and shoulders by their distance
field. The finished line is carried to the person by the smooth warp, so it follows head, shoulders and pose, and
`strands.py` grows the thin strands about it. Styles are data: `hair.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue] - compiled, without types

from . import template as tm
from .materials import interpolate, smoothstep

STEPS = 16
SCALP = 960
TAIL = 120
GUIDES = SCALP + TAIL
SHELLS = 7
LONE = 0.022
"""Metres from each of its neighbours at which a guide is left out: an ear pushed it away from its lock."""
EXTRA = 4
"""How many more strands than guides the scalp has."""
TIE = (0.0, 0.060, 0.742)
CROWN = (0.0, 0.035, 0.815)
NUMBERS = [
    "ribbons",
    "length",
    "side",
    "lift",
    "radial",
    "part",
    "back",
    "fall",
    "stiff",
    "curl",
    "wave",
    "fringe",
    "ears",
    "shell",
    "top",
    "tail",
    "bun",
    "tie",
    "outward",
    "parted",
    "frizz",
    "clump",
]


@lru_cache(maxsize=1)
def styles() -> dict[str, dict]:
    """Hair styles by name: their words in captions and their numbers (hair.json)."""
    table = json.loads((Path(__file__).parent / "hair.json").read_text(encoding="utf-8"))
    table.pop("comment")
    defaults = dict.fromkeys(NUMBERS, 0.0) | {"ribbons": 1.0, "side": 1.0, "wave": 0.05, "top": 0.92, "clump": 0.3}
    return {name: defaults | style for name, style in table.items()}


def hairline(at: torch.Tensor, front: torch.Tensor, temple: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
    """Height above the hairline in metres at canonical points [...,3]; positive is hair.

    front lowers the line over the forehead, temple raises it at the temples (recession), side raises it above the ears;
    all broadcastable to the points.
    """
    x, y, z = at.unbind(-1)
    angle = torch.rad2deg(torch.atan2(x.abs(), -(y - tm.HEAD_CENTRE[1])))
    zero = torch.zeros_like(front + temple + side)
    line = interpolate(
        angle,
        [0, 20, 36, 50, 62, 74, 86, 98, 114, 142, 180],
        torch.stack(
            [
                0.768 - front,
                0.767 - front,
                0.761 - front * 0.7 + temple,
                0.750 + temple,
                0.731 + temple * 0.5,
                0.706 + side * 0.5,
                0.694 + side,
                0.712 + zero,
                0.672 + zero,
                0.635 + zero,
                0.628 + zero,
            ]
        ),
    )
    wobble = torch.sin(angle * 0.11 + front * 900) * 0.0022 + torch.sin(angle * 0.31 + side * 700) * 0.0012
    return z - line - wobble


def _hash(n: int, salt: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=salt)).random(n).astype(np.float32)


@dataclass(frozen=True)
class Guides:
    """Combed guides in canonical space: lines and outward normals [B,GUIDES,STEPS,3], length [B,GUIDES] in metres.

    random [8,B,GUIDES] are the guides' own random numbers, 0..1; lone [B,GUIDES] are guides that stray from all of
    their neighbours.
    """

    lines: torch.Tensor
    normals: torch.Tensor
    length: torch.Tensor
    random: torch.Tensor
    lone: torch.Tensor


def _apart(lines: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """How far lines [B,G,STEPS,3] stray from others of the same shape, point to nearest point, [B,G] metres."""
    return torch.cdist(lines, others).amin(-1).amax(-1)


class Hair:
    """Makes the hair of a batch of persons on one device."""

    def __init__(self, device: torch.device | str) -> None:
        """Choose the roots and prepare the distance fields."""
        t = tm.template()
        faces = t.faces["body"]
        c = t.canonical
        zero = torch.zeros(())
        above = hairline(torch.from_numpy(c), zero + 0.012, zero, zero - 0.02).numpy()
        ear = t.ear()
        scalp = faces[(above[faces] > -0.004).all(1) & (ear[faces] < 0.15).all(1) & (c[faces][:, :, 2] > 0.615).all(1)]
        tri = c[scalp]
        area = np.linalg.norm(np.cross(tri[:, 1] - tri[:, 0], tri[:, 2] - tri[:, 0]), axis=1)
        pick = np.searchsorted(np.cumsum(area) / area.sum(), (np.arange(9000) + 0.5) / 9000).clip(0, len(area) - 1)
        r1, r2 = np.sqrt(_hash(9000, 1)), _hash(9000, 2)
        many = (
            tri[pick, 0] * (1 - r1)[:, None]
            + tri[pick, 1] * (r1 * (1 - r2))[:, None]
            + tri[pick, 2] * (r1 * r2)[:, None]
        )
        order = tm.spread(many, SCALP * (1 + EXTRA))
        roots = many[order[:SCALP]]
        self.child_roots = many[order]
        to = lambda a: torch.from_numpy(np.ascontiguousarray(a, np.float32)).to(device)  # noqa: E731
        self.roots = to(roots)
        self.neighbours = torch.from_numpy(cKDTree(roots).query(roots, k=5)[1][:, 1:]).to(device)
        self.device = torch.device(device)
        self.with_ears, self.without_ears = tm.Distance(device), tm.Distance(device, ears=False)
        self.normal = self.without_ears.gradient(self.roots, 0.012)
        self.random = to(np.stack([_hash(GUIDES, 10 + k) for k in range(8)]))
        self._shell_setup(scalp, device)

    def _shell_setup(self, scalp: np.ndarray, device: torch.device | str) -> None:
        faces, matrix = tm.subdivide(scalp, tm.VERTICES)
        n = matrix.shape[0]  # pyright: ignore[reportOptionalSubscript] - scipy has no types
        self.shell_matrix = tm.to_torch(matrix, device)
        self.shell_canonical = (matrix @ tm.template().canonical).astype(np.float32)
        self.shell_faces = np.concatenate([faces + k * n for k in range(SHELLS)])
        self.shell_base = torch.from_numpy(faces).to(device)
        self.shell_around = torch.from_numpy(tm.vertex_faces(faces, n)).to(device)
        lattice = self.shell_canonical * 850 + 500
        self.shell_noise = np.concatenate(
            [np.concatenate([lattice + 0.35 * k, np.zeros((n, 1)), np.ones((n, 1))], 1) for k in range(SHELLS)]
        )
        self.shell_level = torch.arange(SHELLS, device=device) / (SHELLS - 1)
        self.shell_points = torch.from_numpy(self.shell_canonical).to(device)

    def guides(self, p: dict[str, torch.Tensor]) -> Guides:
        """Comb the hair of B persons in canonical space.

        p: the style numbers and hair_part, hair_front, hair_temple, hair_sideline, hair_seed, each [B].
        """
        g = lambda name: p[name][:, None]  # noqa: E731
        b = p["length"].shape[0]
        roll = (p["hair_seed"].long() % GUIDES)[:, None]
        index = (torch.arange(GUIDES, device=self.device)[None] + roll) % GUIDES
        rnd = self.random[:, index]
        root = self.roots[None].expand(b, -1, -1)
        normal = self.normal[None].expand(b, -1, -1)
        fringe = (root[..., 1] < -0.055) & (root[..., 0].abs() < 0.062) & (g("fringe") > 0)
        top = ((root[..., 2] - 0.70) / 0.07).clamp(0, 1)
        length = g("length") * (g("side") + (1 - g("side")) * top)
        length = torch.where(
            fringe,
            (g("fringe") + (root[..., 2] - 0.745).clamp_min(0) * 0.9) * (0.78 + 0.34 * rnd[3, :, :SCALP]),
            length,
        )
        brow = smoothstep(-0.05, -0.10, root[..., 1]) * (1 - 2.0 * root[..., 0].abs() / 0.075).clamp(-1, 1).add(1) / 2
        length = torch.where((g("radial") > 0.5) & ~fringe, length * (1 - 0.6 * brow), length)
        layer = rnd[0, :, :SCALP]
        length = torch.where(g("tie") > 0, 1.2 * (root - torch.tensor(TIE, device=self.device)).norm(dim=-1), length)
        length = length * (0.82 + 0.24 * rnd[1, :, :SCALP])
        lift = 0.0025 + g("lift") * (0.25 + 0.9 * layer) * (0.45 + 0.55 * top)
        tail_root, tail_length, tail_direction = self._tail(p, rnd[:, :, SCALP:])
        position = torch.cat([root + normal * 0.001, tail_root], 1)
        length = torch.cat([length, tail_length], 1)
        lift = torch.cat([lift, torch.full_like(tail_length, 0.006)], 1)
        is_tail = torch.zeros(GUIDES, dtype=torch.bool, device=self.device)
        is_tail[SCALP:] = True
        fringe = torch.cat([fringe, torch.zeros_like(tail_length, dtype=torch.bool)], 1)
        lines, normals = self._comb(p, position, length, lift, fringe, is_tail, tail_direction, rnd)
        for _ in range(2):
            inner = (lines[:, :, :-2] + 2 * lines[:, :, 1:-1] + lines[:, :, 2:]) / 4
            lines = torch.cat([lines[:, :, :1], inner, lines[:, :, -1:]], 2)
        own = lines[:, :SCALP]
        apart = torch.stack([_apart(own, own[:, near]) for near in self.neighbours.T]).amin(0)
        lone = torch.cat([apart > LONE, torch.zeros_like(tail_length, dtype=torch.bool)], 1)
        return Guides(lines, normals, length, rnd, lone)

    def _tail(self, p: dict, rnd: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        tie = torch.tensor(TIE, device=self.device)
        angle = rnd[2] * 2 * torch.pi
        around = torch.stack([angle.cos(), torch.zeros_like(angle), angle.sin()], -1)
        root = tie + around * 0.010 * rnd[3, :, :, None].sqrt() + torch.tensor([0, -0.010, 0.0], device=self.device)
        direction = torch.nn.functional.normalize(
            around * 0.5 + torch.tensor([0, 1.0, 0.25], device=self.device), dim=-1
        )
        length = p["tail"][:, None] * (0.75 + 0.3 * rnd[1])
        return root, length, direction

    def _flow(
        self, p: dict, at: torch.Tensor, normal: torch.Tensor, rnd: torch.Tensor, fringe: torch.Tensor
    ) -> torch.Tensor:
        g = lambda name: p[name][:, None, None]  # noqa: E731
        at_tensor = lambda *v: torch.tensor(v, device=self.device)  # noqa: E731
        radial = at - at_tensor(*CROWN) - at_tensor(0.012, 0, 0) * p["hair_part"].sign()[:, None, None]
        radial = torch.nn.functional.normalize(radial, dim=-1)
        side = torch.tanh((at[..., :1] - g("hair_part")) / 0.004)
        along = torch.cat([side, 0.25 + 0 * side, -0.55 + 0 * side], -1)
        back = at_tensor(0, 1.0, -0.15).expand_as(at)
        over = (TIE[1] - at[..., 1:2]).clamp_min(0) * (1 - at[..., :1].abs() / 0.095).clamp(0, 1)
        tie = torch.nn.functional.normalize(at_tensor(*TIE) + over * at_tensor(0, 0, 1.0) - at, dim=-1)
        front = torch.cat(
            [0.35 * at[..., :1] / 0.06 + 0.25 * g("hair_part").sign(), -1 + 0 * side, -0.6 + 0 * side], -1
        )
        flow = (
            radial * g("radial") + along * g("part") + back * g("back") + tie * g("tie") * 3 + normal * g("outward") * 4
        )
        aside = smoothstep(-0.015, -0.065, at[..., 1:2]) * g("radial") * (1 - g("outward")) * (g("ears") > 0.5)
        flow = flow + torch.cat([torch.where(at[..., :1] > 0, 1.3, -1.3) * aside, 0.35 * aside, 0 * side], -1)
        flow = torch.where(fringe[..., None], front, flow)
        jitter = (rnd[4:7].permute(1, 2, 0) - 0.5) * (0.30 - 0.2 * g("tie"))
        return torch.nn.functional.normalize(flow, dim=-1, eps=1e-6) + jitter

    def _comb(
        self, p, position, length, lift, fringe, is_tail, tail_direction, rnd
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Integrate the guides; returns their lines and outward normals [B,GUIDES,STEPS,3]."""
        g = lambda name: p[name][:, None, None]  # noqa: E731
        normalise = lambda v: torch.nn.functional.normalize(v, dim=-1, eps=1e-6)  # noqa: E731
        down = torch.tensor([0, 0, -1.0], device=self.device)
        step = (length / (STEPS - 1))[..., None]
        normal = self.without_ears.gradient(position, 0.012)
        flow = self._flow(p, position, normal, rnd, fringe)
        flow = flow - (flow * normal).sum(-1, keepdim=True) * normal * (1 - g("outward"))
        direction = normalise(flow + normal * 0.35 * (1 - g("tie")))
        direction = torch.cat([direction[:, :SCALP], tail_direction], 1)
        tie = torch.tensor(TIE, device=self.device)
        lines, normals, where = [], [], position
        free = is_tail[None, :, None] | (g("outward") > 0)
        for k in range(STEPS):
            lines.append(where)
            normals.append(normal)
            share = k / (STEPS - 1)
            flow = self._flow(p, where, normal, rnd, fringe)
            flow = flow - (flow * normal).sum(-1, keepdim=True) * normal
            hang = smoothstep(0.700, 0.660, where[..., 2:3]) * (g("tie") < 0.5) * (g("fall") > 0.1)
            flow = torch.lerp(normalise(flow), down.expand_as(flow), hang)
            flow = torch.where(is_tail[None, :, None], direction, flow)
            hold = torch.maximum(g("stiff") * (1 - share * 0.6), 0.55 * hang)
            fall = g("fall") * (0.25 + 1.5 * share)
            fall = torch.where(fringe[..., None], 0.22 * torch.ones_like(fall), fall)
            fall = torch.where(is_tail[None, :, None], torch.full_like(fall, 0.22), fall)
            bend = torch.where(free, direction, normalise(hold * direction + (1 - hold) * normalise(flow)))
            drop = smoothstep(0.645, 0.60, where[..., 2:3]) * (~is_tail[None, :, None])
            slide = torch.cat(
                [-2.2 * where[..., :1], torch.where(position[..., 1:2] < -0.02, -0.30, 0.30), 0 * fall], -1
            )
            direction = normalise(bend + fall * down + slide * drop)
            where = where + step * direction
            near = torch.where(g("ears") > 0.5, self.with_ears(where)[..., None], self.without_ears(where)[..., None])
            normal = self.without_ears.gradient(where, 0.012)
            target = lift[..., None] * (0.35 + 0.65 * min(1.0, k / 4)) * (1 - 0.35 * share)
            where = where + normal * (target - near).clamp(0, 0.010)
            hug = g("tie") * (1 - is_tail[None, :, None].float())
            where = where - normal * hug * (near - target).clamp(0, 0.03)
            where = self._guards(p, where, fringe, is_tail)
            gathered = ((where - tie).norm(dim=-1, keepdim=True) < 0.022) & (g("tie") > 0) & ~is_tail[None, :, None]
            where = torch.where(gathered, tie + 0.7 * (where - tie), where)
        return self._bun(p, torch.stack(lines, 2), torch.stack(normals, 2), rnd, is_tail)

    def _guards(self, p: dict, where: torch.Tensor, fringe: torch.Tensor, is_tail: torch.Tensor) -> torch.Tensor:
        """Keep hair out of the face (except a fringe) and, where the style says so, behind the ears."""
        x, y, z = where.unbind(-1)
        beyond = torch.where(z < 0.665, ((0.665 - z) - 0.16).clamp_min(0), z - 0.665)
        depth = (1 - (x / 0.074) ** 2 - ((y + 0.145) / 0.100) ** 2 - (beyond / 0.095) ** 2).clamp_min(0)
        aside = torch.where(fringe | is_tail[None], torch.zeros_like(x), depth)
        x = x + torch.where(x >= 0, 1.0, -1.0) * aside * 0.040
        y = y + aside * 0.014
        ear = (
            1 - ((x.abs() - 0.082) / 0.030) ** 2 - ((y + 0.022) / 0.034) ** 2 - ((z - 0.683) / 0.042) ** 2
        ).clamp_min(0)
        ear = ear * (p["ears"][:, None] < 0.5)
        y = y + ear * 0.020
        return torch.stack([x, y, z], -1)

    def _bun(self, p, line, normal, rnd, is_tail) -> tuple[torch.Tensor, torch.Tensor]:
        """Wind the tail's guides round a ball where the style has a bun."""
        radius = p["bun"][:, None, None]
        t = torch.linspace(0, 1, STEPS, device=self.device)
        turn = rnd[2][..., None] * 6.283 + t * 4.5
        tilt = (rnd[3][..., None] - 0.5) * 2.6
        rise = tilt * (1 - 0.5 * t)
        ball = torch.stack([turn.cos() * rise.cos(), 0.80 * rise.sin() + 0.35, turn.sin() * rise.cos()], -1)
        centre = torch.tensor(TIE, device=self.device) + torch.tensor([0, -0.004, 0.004], device=self.device)
        wound = centre + ball * radius[..., None] * (0.92 + 0.16 * rnd[0][..., None, None])
        use = (is_tail[None, :, None] & (radius > 0))[..., None]
        outward = torch.nn.functional.normalize(wound - centre, dim=-1)
        return torch.where(use, wound, line), torch.where(use, outward, normal)

    def shells(self, p: dict, vertices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Fuzzy coats over the scalp of bodies [B,19158,3] -> vertices [B,SHELLS*n,3] and keep."""
        b = vertices.shape[0]
        skin = tm.apply(self.shell_matrix, vertices)
        out = tm.normals(skin, self.shell_base, self.shell_around)
        at = self.shell_points[None]
        line = hairline(at, p["hair_front"][:, None], p["hair_temple"][:, None], p["hair_sideline"][:, None])
        thick = p["shell"][:, None] * (line / 0.03).clamp(0, 1) ** 0.7
        lump = 1 + 0.12 * torch.sin(at[..., 0] * 70 + p["hair_seed"][:, None]) * torch.sin(
            at[..., 2] * 60 + at[..., 1] * 50
        )
        offset = 0.0006 + self.shell_level[:, None] * (thick * lump)[:, None]
        points = skin[:, None] + out[:, None] * offset[..., None]
        keep = (line * 90).clamp(-1, 0.5)[:, None] - 0.10 - 0.42 * self.shell_level[:, None] ** 1.5
        keep = torch.where(p["shell"][:, None, None] > 0, keep, torch.full_like(keep, -9.0))
        return points.reshape(b, -1, 3), keep.reshape(b, -1)
