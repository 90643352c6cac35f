"""Clothes: shells over the body made by sparse matrices, cut by smooth distances in canonical space.

A garment is a subdivided, smoothed and lifted copy of a part of the body. Its neckline, sleeves, hem and front opening
are functions of the canonical position, kept where they are positive, so edges stay smooth on every body and pose.
Collars and hoods are grids modelled on the canonical neck and carried by the warp. What exists, with its cuts and
colours, is data: `garments.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from . import template as tm
from .materials import linear, smoothstep

PATTERNS = ("plain", "striped", "checked", "dotted")
GRID_ROWS, GRID_COLUMNS = 7, 72


@lru_cache(maxsize=1)
def wardrobe() -> dict[str, dict]:
    """The wardrobe of garments.json."""
    return json.loads((Path(__file__).parent / "garments.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Outfit:
    """What a person wears: words for captions and numbers for the shells (see `numbers`)."""

    top: str
    top_colour: str
    pattern: str
    outer: str
    outer_colour: str
    bottom: str
    bottom_colour: str
    numbers: dict[str, float | tuple]

    @property
    def words(self) -> str:
        """For example `navy striped t-shirt` or `grey blazer over a white shirt`."""
        kind = {"v-neck": "v-neck t-shirt"}.get(self.top, self.top)
        inner = f"{self.top_colour} {'' if self.pattern == 'plain' else self.pattern + ' '}{kind}"
        return inner if self.outer == "none" else f"{self.outer_colour} {self.outer} over {inner}"


def outfit(rng: np.random.Generator, woman: bool, **wish: str) -> Outfit:
    """Draw an outfit; `wish` fixes top, top_colour, pattern, outer, outer_colour, bottom or bottom_colour."""
    w = wardrobe()
    colours = list(w["colours"])
    trousers = wish.get("bottom", "skirt") != "skirt"
    tops = [n for n, t in w["tops"].items() if (woman or not t.get("woman")) and not (trousers and t.get("dress"))]
    weights = np.array([w["tops"][n]["weight"] for n in tops], float)
    top = str(rng.choice(tops, p=weights / weights.sum()))
    outer = "none"
    if rng.random() < 0.32:
        fitting = [n for n, o in w["outers"].items() if top in o["over"]]
        outer = str(rng.choice(fitting)) if fitting else "none"
    top_colour, second = (str(c) for c in rng.choice(colours, 2, replace=False))
    if outer == "blazer" and rng.random() < 0.6:
        top_colour = "white"
    outer_colour = str(rng.choice(["black", "navy", "grey", "brown", "beige", "green", "red", "blue"]))
    pattern = str(rng.choice(w["tops"][top]["patterns"]))
    bottom = "skirt" if top == "dress" or (woman and rng.random() < 0.3) else str(rng.choice(["trousers", "jeans"]))
    chosen = {
        "top": top,
        "top_colour": top_colour,
        "pattern": pattern,
        "outer": outer,
        "outer_colour": outer_colour if outer_colour != top_colour else "grey" if top_colour != "grey" else "navy",
        "bottom": bottom,
        "bottom_colour": str(rng.choice(w["bottoms"][bottom]["colours"])),
    } | wish
    if chosen["top"] == "dress":
        chosen["bottom_colour"] = chosen["top_colour"]
    return Outfit(**chosen, numbers=_numbers(rng, chosen, second, woman))


def _numbers(rng: np.random.Generator, chosen: dict, second: str, woman: bool) -> dict[str, float | tuple]:
    w = wardrobe()
    top = w["tops"][chosen["top"]]
    outer = w["outers"].get(chosen["outer"], {})
    bottom = chosen["bottom"]

    def jitter(colour: str) -> tuple:
        rgb = np.array(w["colours"][colour]) * rng.uniform(0.88, 1.1) + rng.normal(0, 4, 3)
        return tuple(linear(np.clip(rgb, 12, 245)))

    second = (
        second
        if abs(sum(w["colours"][second]) - sum(w["colours"][chosen["top_colour"]])) > 120
        else ("white" if sum(w["colours"][chosen["top_colour"]]) < 380 else "navy")
    )
    collar = top.get("collar", 0)
    tie = float(collar and chosen["outer"] == "blazer" and not woman and rng.random() < 0.5)
    numbers: dict[str, float | tuple] = {
        "neck": tuple(top["neck"]),
        "sleeve": top["sleeve"] * rng.uniform(0.93, 1.02),
        "hem": top["hem"] + rng.uniform(-0.02, 0.02),
        "ease": top["ease"],
        "fold": top["fold"] * rng.uniform(0.7, 1.2),
        "rib": top["rib"],
        "knit": top.get("knit", 0),
        "roll": top.get("roll", 0),
        "collar": collar,
        "collar_open": 0.0 if tie else rng.uniform(0.15, 0.8),
        "placket": top.get("placket", 0),
        "necktie": tie,
        "hood": top.get("hood", 0),
        "colour1": jitter(chosen["top_colour"]),
        "colour2": jitter(second),
        "tie_colour": jitter(str(rng.choice(["red", "navy", "green", "purple", "black"]))),
        "pattern": PATTERNS.index(chosen["pattern"]),
        "scale": rng.uniform(0.8, 1.35),
        "outer": float(chosen["outer"] != "none"),
        "outer_open": tuple(outer.get("open", (0.0, 0.0, 0.0))),
        "lapel": outer.get("lapel", 0),
        "outer_sleeve": outer.get("sleeve", 0.47),
        "outer_hem": outer.get("hem", -0.1),
        "outer_ease": outer.get("ease", 0.0),
        "outer_fold": outer.get("fold", 0.5),
        "outer_knit": outer.get("knit", 0),
        "outer_colour": jitter(chosen["outer_colour"]),
        "skirt": float(bottom == "skirt"),
        "skirt_hem": rng.uniform(-0.52, -0.36),
        "bottom_colour": jitter(chosen["bottom_colour"]),
        "denim": float(bottom == "jeans"),
        "shoe": tuple(linear(w["shoes"][str(rng.choice(list(w["shoes"])))])),
        "cloth_seed": float(rng.integers(1 << 16)),
    }
    if chosen["top"] == "dress":
        numbers["bottom_colour"] = numbers["colour1"]
    if numbers["necktie"]:
        numbers["neck"] = (0.548, 0.36, 0.0, 0.04)
    return numbers


def neckline(c: torch.Tensor, neck: torch.Tensor) -> torch.Tensor:
    """How far canonical points [...,3] lie below the neckline in metres; neck [...,4] as in garments.json."""
    x, y, z = c.unbind(-1)
    smooth = torch.sqrt(x * x + 0.008**2) - 0.008
    front = smoothstep(0.0, -0.05, y)
    line = neck[..., 0] + neck[..., 1] * (y + 0.03) - neck[..., 2] * (neck[..., 3] - smooth).clamp_min(0) * front
    return line - z + 2.5 * (x.abs() - 0.078).clamp_min(0)


@dataclass(frozen=True)
class Shell:
    """A garment's mesh: matrix from body vertices, faces over its own vertices, canonical positions and weights."""

    matrix: torch.Tensor
    faces: np.ndarray
    canonical: torch.Tensor
    base: torch.Tensor
    around: torch.Tensor
    arm: torch.Tensor
    along: torch.Tensor


class Garments:
    """Dresses a batch of bodies on one device."""

    def __init__(self, device: torch.device | str) -> None:
        """Cut the shells from the canonical body."""
        self.device = device
        t = tm.template()
        c, w, body = t.canonical, t.weights, t.faces["body"]
        centre = c[body].mean(1)
        hand, foot, arm = (w[k][body].mean(1) for k in ("hand", "foot", "arm"))
        torso = body[(centre[:, 2] < 0.622) & (hand < 0.6) & ((centre[:, 2] > -0.17) | (arm > 0.3))]
        legs = body[(centre[:, 2] < 0.12) & (foot < 0.75) & (arm < 0.3)]
        feet = body[(centre[:, 2] < -0.70)]
        loose = np.where(w["arm"] > 0.5, 0.35, 0.62).astype(np.float32)
        neck = (c[:, 2] > 0.50) & (np.abs(c[:, 0]) < 0.12)
        self.top = self._shell(torso, np.where(neck, 0.25, loose), 6)
        self.outer = self._shell(torso, np.where(neck, 0.25, loose), 9)
        self.legs = self._shell(legs, np.where(c[:, 2] > -0.15, 0.6, 0.4).astype(np.float32), 10)
        self.feet = self._shell(feet, np.where(c[:, 2] < -0.70, 0.75, 0.0).astype(np.float32), 26)
        self.skirt = self._shell(t.faces["helper-skirt"], np.full(len(c), 0.3, np.float32), 2)
        self.hidden_arm = torch.from_numpy(w["arm"]).to(device)
        self.hidden_along = torch.from_numpy(tm.along_arm(c)).to(device)
        self.canonical = torch.from_numpy(c).to(device)
        self.foot = torch.from_numpy(w["foot"]).to(device)
        self._neck_grids()

    def _shell(self, faces: np.ndarray, strength: np.ndarray, rounds: int) -> Shell:
        t = tm.template()
        smooth = tm.smoother(faces, tm.VERTICES, strength, rounds)
        new, matrix = tm.subdivide(faces, tm.VERTICES)
        n = matrix.shape[0]  # pyright: ignore[reportOptionalSubscript] - scipy has no types
        ring = tm.smoother(new, n, np.full(n, 0.5, np.float32), 1)
        full = ring @ matrix @ smooth
        c = (full @ t.canonical).astype(np.float32)
        d = self.device
        return Shell(
            tm.to_torch(full, d),
            new,
            torch.from_numpy(c).to(d),
            torch.from_numpy(new).to(d),
            torch.from_numpy(tm.vertex_faces(new, n)).to(d),
            torch.from_numpy((matrix @ t.weights["arm"]).astype(np.float32)).to(d),
            torch.from_numpy(tm.along_arm(c)).to(d),
        )

    def _neck_grids(self) -> None:
        """Radius of the canonical neck by angle and height, for collars and hoods."""
        distance = tm.Distance("cpu", ears=False)
        angle = np.linspace(-np.pi, np.pi, GRID_COLUMNS)
        heights = np.linspace(0.49, 0.62, 14)
        radius = np.zeros((len(heights), GRID_COLUMNS), np.float32)
        r = np.linspace(0.02, 0.16, 140)
        for i, z in enumerate(heights):
            axis = 0.012 - 0.45 * (z - 0.52)
            p = np.stack(np.broadcast_arrays(np.sin(angle)[:, None] * r, axis + np.cos(angle)[:, None] * r, z), -1)
            outside = (distance(torch.from_numpy(p.astype(np.float32))) > 0).numpy()
            radius[i] = np.where(outside.any(1), r[outside.argmax(1)], 0.15)
        self.neck_angle = torch.from_numpy(angle.astype(np.float32)).to(self.device)
        self.neck_radius = torch.from_numpy(np.minimum(radius, 0.15)).to(self.device)
        row, column = np.meshgrid(np.arange(GRID_ROWS - 1), np.arange(GRID_COLUMNS - 1), indexing="ij")
        first = (row * GRID_COLUMNS + column).ravel()
        a, b, cc, d = first, first + 1, first + GRID_COLUMNS, first + GRID_COLUMNS + 1
        self.grid_faces = np.concatenate([np.stack([a, b, cc], 1), np.stack([b, d, cc], 1)])

    def _neck(self, height: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Neck radius and axis position (y) at canonical heights [B,R,C] for the grid's angles."""
        level = ((height - 0.49) / 0.01).clamp(0, 12.999)
        low = level.long()
        column = torch.arange(GRID_COLUMNS, device=self.device).expand_as(low)
        share = level - low
        radius = self.neck_radius[low, column] * (1 - share) + self.neck_radius[low + 1, column] * share
        return radius, 0.012 - 0.45 * (height - 0.52)

    def collars(self, p: dict) -> tuple[torch.Tensor, torch.Tensor]:
        """Shirt collars and hoods in canonical space: points [B,GRID_ROWS*GRID_COLUMNS,3] and keep."""
        b = p["collar"].shape[0]
        angle = self.neck_angle[None, None].expand(b, GRID_ROWS, -1)
        t = torch.arange(GRID_ROWS, device=self.device)[None, :, None] / (GRID_ROWS - 1)
        g = lambda name: p[name][:, None, None]  # noqa: E731
        front = (angle.abs() / torch.pi) ** 4
        base = 0.527 + 0.041 * smoothstep(-1.0, 0.1, angle.cos())
        rise = torch.where(t < 0.34, t / 0.34 * 0.030, 0.030 - (t - 0.34) / 0.66 * (0.036 + 0.012 * front))
        fold = ((t - 0.34) / 0.66).clamp_min(0)
        height = base + rise
        stand, axis = self._neck(base + rise.clamp_min(0.004))
        outside, _ = self._neck(height)
        away = torch.maximum(
            stand + 0.006 + fold * (0.006 + 0.006 * front * g("collar_open")),
            torch.minimum(outside + 0.006 + 0.0085 * (fold * 4).clamp(0, 1), stand + 0.012 + 0.022 * fold),
        )
        away = away + 0.003 * torch.exp(-(((t - 0.34) / 0.2) ** 2))
        shirt = torch.stack([angle.sin() * away, axis + angle.cos() * away, height], -1)
        gap = torch.pi - 0.02 - 0.22 * g("collar_open") * (0.35 + 0.65 * (1 - rise / 0.034).clamp(0, 1)) - angle.abs()
        turn = 2 * torch.pi * t
        fat = 0.013 + 0.025 * (1 + angle.cos()) / 2
        hood_height = 0.558 - 0.062 * (1 - angle.cos()) / 2 + turn.sin() * fat * 0.7
        hr, ha = self._neck((0.55 - 0.03 * (1 - angle.cos()) / 2).expand_as(hood_height))
        spread_ = hr + 0.012 + fat * (1 - turn.cos()) * 0.9
        hood = torch.stack([angle.sin() * spread_, ha + angle.cos() * spread_, hood_height], -1)
        hooded = g("hood")[..., None] > 0.5
        points = torch.where(hooded, hood, shirt)
        hood_keep = torch.pi - 0.05 - angle.abs() + 0 * height
        keep = torch.where(g("hood") > 0.5, hood_keep, gap * 0.1)
        keep = torch.where((g("hood") + g("collar")) > 0.5, keep, torch.full_like(keep, -9.0))
        return points.reshape(b, -1, 3), keep.reshape(b, -1)

    def _top_cut(self, c: torch.Tensor, arm: torch.Tensor, along: torch.Tensor, p: dict) -> torch.Tensor:
        neck = neckline(c, p["neck"][:, None])
        sleeve = torch.where(arm > 0.08, p["sleeve"][:, None] - along, torch.full_like(along, 0.2))
        return torch.minimum(torch.minimum(neck, sleeve), c[..., 2] - p["hem"][:, None] + (arm > 0.08) * 1.0)

    def _front(self, c: torch.Tensor, p: dict) -> torch.Tensor:
        """Distance outside the opening of an outer garment's front."""
        x, y, z = c.unbind(-1)
        o = p["outer_open"][:, None]
        half = o[..., 0] + o[..., 1] * torch.nn.functional.softplus((z - o[..., 2]) * 60) / 60
        half = torch.minimum(half, 0.045 + 0.25 * (0.50 - z).clamp_min(0))
        return x.abs() - half + 0.4 * smoothstep(-0.06, 0.0, y)

    def _outer_cut(self, c: torch.Tensor, arm: torch.Tensor, along: torch.Tensor, p: dict) -> torch.Tensor:
        collar = neckline(c, c.new_tensor([0.556, 0.36, 0.0, 0.05]))
        sleeve = torch.where(arm > 0.08, p["outer_sleeve"][:, None] - along, torch.full_like(along, 0.2))
        keep = torch.minimum(torch.minimum(collar, sleeve), c[..., 2] - p["outer_hem"][:, None] + (arm > 0.08) * 1.0)
        return torch.minimum(keep, self._front(c, p))

    def dress(self, vertices: torch.Tensor, p: dict) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Shells over bodies [B,19158,3]: name -> (vertices [B,n,3], keep [B,n])."""
        g = lambda name: p[name][:, None]  # noqa: E731
        out = {}
        s = self.top
        keep = self._top_cut(s.canonical[None], s.arm[None], s.along[None], p)
        skin = tm.apply(s.matrix, vertices)
        normal = tm.normals(skin, s.base, s.around)
        z = s.canonical[None, :, 2]
        waist = smoothstep(0.50, 0.38, z)
        rim = 0.0022 * smoothstep(0.014, 0.004, keep) * g("rib")
        roll = g("roll") * 0.005 * smoothstep(0.556, 0.562, z)
        lift = 0.0035 + g("ease") * (0.35 + 0.65 * waist) + rim + roll
        under = self._outer_cut(s.canonical[None], s.arm[None], s.along[None], p) - 0.018
        shown = torch.where(g("outer") > 0.5, torch.minimum(keep, -under), keep)
        out["top"] = (skin + normal * lift[..., None], shown)

        s = self.outer
        cut = self._outer_cut(s.canonical[None], s.arm[None], s.along[None], p)
        skin = tm.apply(s.matrix, vertices)
        normal = tm.normals(skin, s.base, s.around)
        lift = 0.007 + g("outer_ease") * (0.55 + 0.45 * waist)
        worn = g("outer") > 0.5
        out["outer"] = (skin + normal * lift[..., None], torch.where(worn, cut, torch.full_like(cut, -9.0)))
        width = 0.016 + 0.052 * smoothstep(0.14, 0.42, z) * smoothstep(0.56, 0.47, z)
        edge = width - self._front(s.canonical[None], p)
        collar = 0.036 - neckline(s.canonical[None], z.new_tensor([0.556, 0.36, 0.0, 0.05]))
        notch = (z - 0.452 - 0.35 * (s.canonical[None, :, 0].abs() - 0.05)).abs() - 0.004
        edge = torch.where(
            s.canonical[None, :, 1] < -0.02,
            torch.minimum(edge, notch + 0.02 * (s.canonical[None, :, 0].abs() < 0.055)),
            edge * 0 - 1,
        )
        lapel = torch.minimum(torch.maximum(edge, collar), cut + 0.001)
        lapel = torch.minimum(lapel, z - 0.15)
        worn = worn & (g("lapel") > 0.5)
        out["lapel"] = (
            skin + normal * (lift + 0.0045)[..., None],
            torch.where(worn, lapel, torch.full_like(lapel, -9.0)),
        )
        out["legs"] = self._legs(vertices, p)
        s = self.feet
        skin = tm.apply(s.matrix, vertices)
        normal = tm.normals(skin, s.base, s.around)
        keep = (-0.735 - s.canonical[None, :, 2]).expand(vertices.shape[0], -1)
        out["feet"] = (skin + normal * 0.0085, keep)
        s = self.skirt
        skin = tm.apply(s.matrix, vertices)
        keep = torch.where(
            g("skirt") > 0.5, s.canonical[None, :, 2] - g("skirt_hem"), torch.full_like(skin[..., 0], -9.0)
        )
        out["skirt"] = (skin + tm.normals(skin, s.base, s.around) * 0.004, keep)
        return out

    def _legs(self, vertices: torch.Tensor, p: dict) -> tuple[torch.Tensor, torch.Tensor]:
        s = self.legs
        skin = tm.apply(s.matrix, vertices)
        normal = tm.normals(skin, s.base, s.around)
        z = s.canonical[None, :, 2]
        lift = 0.006 + 0.012 * smoothstep(-0.35, -0.75, z) + 0.004 * smoothstep(0.0, -0.2, z)
        keep = torch.minimum(0.07 - z, z + 0.775)
        keep = torch.where(p["skirt"][:, None] > 0.5, torch.full_like(keep, -9.0), keep)
        return skin + normal * lift[..., None], keep.expand(vertices.shape[0], -1)

    def skin_keep(self, p: dict) -> torch.Tensor:
        """Keep of the body's own vertices [B,19158]: hidden where cloth covers them by a margin."""
        c = self.canonical[None]
        covered = self._top_cut(c, self.hidden_arm[None], self.hidden_along[None], p) > 0.022
        jacket = self._outer_cut(c, self.hidden_arm[None], self.hidden_along[None], p) > 0.030
        covered = covered | (jacket & (p["outer"][:, None] > 0.5))
        z = c[..., 2]
        trousers = (z < 0.04) & (z > -0.755) & (self.hidden_arm[None] < 0.08)
        skirt = (z < 0.04) & (z > p["skirt_hem"][:, None] + 0.10) & (self.hidden_arm[None] < 0.08)
        covered = covered | torch.where(p["skirt"][:, None] > 0.5, skirt, trousers)
        covered = covered | (z < -0.745)
        return torch.where(covered, -1.0, 1.0)
