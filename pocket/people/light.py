"""Light and background of a studio: a soft key light, ambient fill, a rim, and what is behind the person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .materials import linear

BACKGROUNDS = ("plain", "gradient", "blurred lights", "blurred room", "blurred garden")
COLOURS = {
    "white": (222, 221, 218), "grey": (128, 129, 131), "dark grey": (58, 59, 62), "black": (20, 20, 22),
    "blue": (84, 124, 178), "green": (94, 138, 104), "red": (158, 62, 58), "beige": (204, 184, 156),
    "brown": (112, 84, 64), "pink": (222, 168, 172), "purple": (124, 98, 152), "teal": (64, 128, 130),
    "yellow": (214, 184, 104), "orange": (208, 132, 80),
}  # fmt: skip
MUTED = 0.18
"""How far colours behind a person are drawn towards grey: a wall stands back."""
LIGHT_FIELDS = ("key", "ambient", "azimuth", "elevation", "soft", "rim")
LIGHTS: dict[str, dict] = {
    kind: dict(zip(LIGHT_FIELDS, row, strict=True))
    for kind, row in {
        "soft light": ((1.35, 1.7), (0.62, 0.82), (-42, 42), (22, 42), 5.0, (0.2, 0.6)),
        "studio light": ((1.9, 2.4), (0.42, 0.58), (-50, 50), (22, 42), 3.2, (0.4, 1.0)),
        "side light": ((2.0, 2.6), (0.34, 0.48), (52, 74), (10, 28), 2.6, (0.1, 0.5)),
        "rim light": ((1.4, 1.8), (0.40, 0.54), (-45, 45), (20, 40), 3.0, (1.6, 2.6)),
        "dim light": ((1.2, 1.5), (0.20, 0.28), (-55, 55), (15, 45), 2.6, (0.2, 0.7)),
        "hard light": ((2.4, 2.9), (0.34, 0.44), (-45, 45), (25, 48), 1.0, (0.1, 0.5)),
    }.items()
}
WEIGHTS = (5, 5, 1.2, 1.6, 0.7, 0.8)


@dataclass(frozen=True)
class Light:
    """Light and background by words, and their numbers."""

    kind: str
    warmth: str
    background: str
    background_colour: str
    numbers: dict[str, float | tuple]


def light(rng: np.random.Generator, **wish: str) -> Light:
    """Draw a light and a background; `wish` fixes kind, warmth, background or background_colour."""
    kind = wish.get("kind") or str(rng.choice(list(LIGHTS), p=np.array(WEIGHTS) / sum(WEIGHTS)))
    warmth = wish.get("warmth") or str(rng.choice(["neutral", "warm", "cool"], p=[0.6, 0.22, 0.18]))
    background = wish.get("background") or str(rng.choice(BACKGROUNDS, p=[0.34, 0.34, 0.13, 0.11, 0.08]))
    colour = wish.get("background_colour") or str(rng.choice(list(COLOURS)))
    if background == "blurred garden":
        colour = "green"
    row = LIGHTS[kind]
    side = rng.choice([-1, 1]) if row["azimuth"][0] > 0 else 1
    tint = {"neutral": rng.uniform(-0.03, 0.04), "warm": rng.uniform(0.11, 0.2), "cool": rng.uniform(-0.17, -0.09)}[
        warmth
    ]
    painted = np.array(COLOURS[colour]) * rng.uniform(0.92, 1.06) + rng.normal(0, 3, 3)
    base = linear(np.clip(painted + MUTED * (painted.mean() - painted), 8, 240))
    second = base * rng.uniform(0.25, 0.65) if rng.random() < 0.7 else base * rng.uniform(0.4, 1.0, 3)
    numbers: dict[str, float | tuple] = {
        "azimuth": side * rng.uniform(*row["azimuth"]),
        "elevation": rng.uniform(*row["elevation"]),
        "key": rng.uniform(*row["key"]),
        "ambient": rng.uniform(*row["ambient"]),
        "soft": row["soft"] * rng.uniform(0.8, 1.2),
        "rim": rng.uniform(*row["rim"]),
        "warm": tint,
        "back1": tuple(base),
        "back2": tuple(second),
        "back_kind": BACKGROUNDS.index(background),
        "back_seed": float(rng.integers(1 << 16)),
        "back_x": rng.uniform(0.25, 0.75),
        "back_y": rng.uniform(0.25, 0.6),
    }
    return Light(kind, warmth, background, colour, numbers)


def direction(azimuth: torch.Tensor, elevation: torch.Tensor) -> torch.Tensor:
    """Unit vectors [B,3] toward the key light in camera axes (right, away, up); angles [B] in degrees."""
    a, e = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    return torch.stack([a.sin() * e.cos(), -a.cos() * e.cos(), e.sin()], -1)


def background(p: dict[str, torch.Tensor], size: int) -> torch.Tensor:
    """Backgrounds [B,3,size,size] in linear light, drawn at low resolution (they are out of focus) and enlarged."""
    low = min(size, 128)
    device = p["back1"].device
    line = (torch.arange(low, device=device) + 0.5) / low
    y, x = line[None, :, None], line[None, None, :]
    g = lambda name: p[name][:, None, None]  # noqa: E731
    first, second = (p[k][:, :, None, None] for k in ("back1", "back2"))
    seed = p["back_seed"]
    fall = ((x - g("back_x")) ** 2 + (y - g("back_y")) ** 2).mul(1.9).clamp(0, 1)[:, None]
    plain = first * (1 - 0.10 * fall)
    gradient = first + (second - first) * fall.sqrt()
    discs, room, leaves = _blurred(seed, first, second, x, y)
    options = torch.stack([plain.expand_as(room), gradient.expand_as(room), discs, room, leaves])
    picture = options[p["back_kind"].long(), torch.arange(len(seed), device=device)]
    return torch.nn.functional.interpolate(picture, size=(size, size), mode="bilinear", align_corners=False)


def _blurred(seed, first, second, x, y) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Out-of-focus lamps, a room of soft boxes, and leaves: each [B,3,H,W]."""
    k = torch.arange(600, device=seed.device)[None]
    random = torch.frac(((seed[:, None] * 12.9898 + k * 78.233).sin().abs() + 0.001) * 4375.5453)
    r = lambda start, count: random[:, start : start + count, None, None]  # noqa: E731
    away = ((x - r(0, 22)) ** 2 + (y - r(22, 22)) ** 2).sqrt()
    radius = 0.035 + 0.065 * r(44, 22)
    disc = (
        ((radius - away) / 0.016 + 0.5).clamp(0, 1)
        * (0.75 + 0.35 * (away / radius).clamp(0, 1))
        * (0.08 + 0.42 * r(66, 22))
    )
    glow = torch.cat([0.9 + 0.1 * r(88, 22), 0.55 + 0.4 * r(110, 22), 0.25 + 0.6 * r(132, 22)], -1)[:, :, 0]
    tint = first[:, None, :, 0, 0] * 0.6 + glow * 0.4
    discs = second * 0.7 + torch.einsum("bkhw,bkc->bchw", disc, tint)
    soft = lambda v: torch.sigmoid(v / 0.045)  # noqa: E731
    top, height = r(214, 7) * 0.8, 0.15 + 0.5 * r(221, 7)
    box = soft(0.05 + 0.16 * r(207, 7) - (x - r(200, 7)).abs()) * soft(y - top) * soft(top + height - y) * 0.8
    room = second * (1.1 - 0.35 * y[:, None]).expand(len(seed), 3, x.shape[-1], x.shape[-1])
    for n in range(7):
        room = torch.lerp(room, first * (0.45 + 1.1 * r(228 + n, 1)), box[:, n : n + 1])
    size = 0.04 + 0.11 * r(300, 18)
    spot = torch.exp(-((x - r(318, 18)) ** 2 + (y - r(336, 18)) ** 2) / size**2) * 0.6
    leaves = first * (0.35 + 0.5 * (1 - y[:, None])).expand(len(seed), 3, x.shape[-1], x.shape[-1])
    for n in range(18):
        tone = torch.cat([0.5 + 0.8 * r(354 + n, 1), 0.8 + 0.6 * r(372 + n, 1), 0.4 + 0.5 * r(390 + n, 1)], 1)
        leaves = torch.lerp(leaves, first * tone * (0.3 + 1.6 * r(408 + n, 1)), spot[:, n : n + 1])
    return discs, room, leaves
