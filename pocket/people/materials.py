"""What surfaces look like: smooth noise, colour helpers, and the albedo of skin, eyes, cloth and hair.

Patterns live in canonical space (metres on the average body), so they stick to the person in every pose. Colours are
linear light, 0..1.
"""

from __future__ import annotations

import numpy as np
import torch

LATTICE = 32


def linear(rgb: np.ndarray | list | tuple) -> np.ndarray:
    """8-bit display values to linear light with the 2.2 power (close to sRGB, cheap both ways)."""
    return np.power(np.asarray(rgb, np.float32) / 255, 2.2)


def interpolate(x: torch.Tensor, xs: list[float], ys: torch.Tensor) -> torch.Tensor:
    """Piecewise linear interpolation of x (any shape S) through fixed xs [k] and heights ys [k, broadcastable to S]."""
    out = ys[0] + torch.zeros_like(x)
    for k in range(len(xs) - 1):
        out = out + (ys[k + 1] - ys[k]) * ((x - xs[k]) / (xs[k + 1] - xs[k])).clamp(0, 1)
    return out


def smoothstep(low: float, high: float, x: torch.Tensor) -> torch.Tensor:
    """Hermite step from 0 at `low` to 1 at `high` (low may be above high)."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


class Noise:
    """Tiling value noise in a volume of four independent channels, read by trilinear interpolation."""

    def __init__(self, device: torch.device | str) -> None:
        """Fill the volume from a fixed stream (Philox), smooth between lattice points."""
        lattice = np.random.Generator(np.random.Philox(key=5)).random((4, LATTICE, LATTICE, LATTICE)).astype(np.float32)
        for axis in (1, 2, 3):
            lattice = np.stack([lattice, (lattice + np.roll(lattice, -1, axis)) / 2], axis + 1)
            shape = list(lattice.shape)
            lattice = lattice.reshape(*shape[:axis], shape[axis] * 2, *shape[axis + 2 :])
        lattice = np.pad(lattice, ((0, 0), (0, 1), (0, 1), (0, 1)), mode="wrap")
        self.volume = torch.from_numpy(lattice)[None].to(device)

    def __call__(self, at: torch.Tensor) -> torch.Tensor:
        """Noise 0..1 at lattice positions [N,3], four channels: [N,4]; repeats every LATTICE cells."""
        wrapped = torch.remainder(at, LATTICE) / LATTICE * 2 - 1
        out = torch.nn.functional.grid_sample(self.volume, wrapped[None, None, None], align_corners=True)
        return out[0, :, 0, 0].T


def mix(a: torch.Tensor, b: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Blend [N,3] colours by share [N]."""
    return a + (b - a) * share[:, None]


def _bump(rough: torch.Tensor) -> torch.Tensor:
    return rough[:, :3] - 0.5


def spot(c: torch.Tensor, x: float, y: float, z: float, radius: float) -> torch.Tensor:
    """A soft spot on both sides of the face at canonical (+-x, y, z)."""
    away = (c[:, 0].abs() - x) ** 2 + (c[:, 1] - y) ** 2 + (c[:, 2] - z) ** 2
    return torch.exp(-away / radius**2)


class Surface:
    """What shading needs of N fragments of a material: albedo, specular strength, exponent, wrap, normal's bend, and
    glow: how much of the key's own light it sends back (a catchlight).
    """

    def __init__(self, count: int, device: torch.device | str) -> None:
        """Start from a matt, black surface."""
        self.albedo = torch.zeros(count, 3, device=device)
        self.specular = torch.zeros(count, device=device)
        self.gloss = torch.full((count,), 20.0, device=device)
        self.wrap = torch.zeros(3, device=device)
        self.glow = torch.zeros(count, device=device)
        self.bump = torch.zeros(count, 3, device=device)


def skin(c: torch.Tensor, masks: torch.Tensor, p, noise: Noise, painted_hair: torch.Tensor) -> Surface:
    """Skin at canonical points c [N,3].

    masks [N,4] as template.MASKS; p(name) gives a person's number at each fragment; painted_hair [N] 0..1 is the scalp
    under the hair.
    """
    s = Surface(len(c), c.device)
    shift = (p("skin_seed") * 0.61803)[:, None] % 32
    lips, ears, lids, inside = masks.clamp(0, 1).unbind(1)
    coarse = noise(c * 45 + shift)
    middle = noise(c * 160 + shift)
    fine = noise(c * 700 + shift)
    tone = p("skin")
    depth = p("tone")
    a = tone * (1 + 0.07 * (coarse[:, 0] - 0.5) + 0.07 * (middle[:, 0] - 0.5) + 0.10 * (fine[:, 0] - 0.5))[:, None]
    red = p("blush") * (
        0.6 * spot(c, 0.045, -0.11, 0.662, 0.022)
        + 0.5 * spot(c, 0, -0.165, 0.665, 0.014)
        + 0.2 * spot(c, 0, -0.14, 0.60, 0.016)
    )
    red = (1.5 * red + 0.35 * ears + 0.45 * (coarse[:, 1] - 0.5) + 0.25 * (middle[:, 2] - 0.5)) * (1 - 0.5 * depth)
    a = a * torch.stack([1 + 0.08 * red, 1 - 0.20 * red, 1 - 0.16 * red], 1)
    shade = 0.40 * spot(c, 0.030, -0.13, 0.700, 0.016) + 0.22 * spot(c, 0.028, -0.13, 0.680, 0.012) + 0.2 * lids
    a = a * (1 - 0.28 * shade.clamp(0, 1))[:, None] ** c.new_tensor([0.8, 1.0, 1.0])
    brown = (middle[:, 3] + fine[:, 3] - 0.85).clamp(0, 1) * spot(c, 0.03, -0.13, 0.67, 0.036)
    a = a * (1 - (p("freckles") * 0.9 * brown)[:, None] * c.new_tensor([0.6, 1.0, 1.2]))
    beard, upper = beard_area(c), moustache_area(c) * (1 - lips)
    strands = noise(torch.stack([c[:, 0] * 1500, c[:, 1] * 900, c[:, 2] * 620], 1) + shift)
    grain = 0.55 + 0.45 * strands[:, 0]
    stubble = p("stubble")
    cover = (beard * stubble + upper * torch.maximum(stubble, 0.85 * p("moustache"))).clamp(0, 1) * (1 - lips)
    cover = (cover * grain).clamp(0, 0.9)
    a = mix(a, p("brow_rgb") * (0.55 + 0.6 * strands[:, 1:2]), cover)
    lips = smoothstep(0.12, 0.95, lips + 0.10 * (middle[:, 1] - 0.5)) * (0.72 + 0.25 * p("lip"))
    colour = a * c.new_tensor([0.92, 0.62, 0.62])
    tint = p("lip") * 0.62
    colour = mix(colour, p("lip_rgb") * (0.75 + 0.25 * (1 - depth))[:, None], tint)
    creases = noise(torch.stack([c[:, 0] * 620, c[:, 1] * 60, c[:, 2] * 70], 1) + shift)[:, 2]
    colour = colour * (1 - 0.16 * torch.exp(-(((creases - 0.5) / 0.1) ** 2)))[:, None]
    a = mix(a, colour, lips)
    a = mix(a, c.new_tensor([0.10, 0.02, 0.02]).expand_as(a), inside)
    a = mix(a, p("brow_rgb"), 0.55 * brow_area(c, p))
    a = mix(a, p("hair_rgb") * (0.45 + 0.35 * strands[:, 2:3]), painted_hair)
    s.albedo = a
    shine = (
        spot(c, 0, -0.16, 0.67, 0.022)
        + 0.8 * spot(c, 0.02, -0.13, 0.74, 0.03)
        + 0.7 * spot(c, 0.05, -0.11, 0.685, 0.02)
    )
    s.specular = (0.42 + 0.55 * lips * (0.4 + 0.6 * p("lip")) + 0.55 * shine) * (1 - painted_hair)
    s.specular = s.specular * (1 - 0.8 * cover) * (0.75 + 0.5 * middle[:, 2])
    s.gloss = 16 + 26 * lips
    s.wrap = c.new_tensor([0.52, 0.32, 0.24])
    s.bump = (_bump(fine) * 0.11 + _bump(middle) * 0.05) * (1 - 0.5 * lips)[:, None] * (0.6 + 0.7 * p("age"))[:, None]
    s.bump = s.bump + _bump(strands) * (0.45 * cover + 0.4 * painted_hair)[:, None]
    return s


def beard_area(c: torch.Tensor) -> torch.Tensor:
    """Where a full beard grows at canonical points [N,3], 0..1: below a line from the sideburns past the mouth."""
    x, y, z = c[:, 0].abs(), c[:, 1], c[:, 2]
    line = interpolate(x, [0, 0.02, 0.045, 0.062, 0.075], c.new_tensor([0.638, 0.640, 0.642, 0.668, 0.705]))
    below = smoothstep(0.007, -0.009, z - line)
    above_neck = smoothstep(0.565, 0.596, z + 0.25 * (y + 0.05).clamp(0, 1))
    return below * above_neck * smoothstep(-0.010, -0.045, y) * (1 - 0.55 * spot(c, 0, -0.15, 0.628, 0.010))


def moustache_area(c: torch.Tensor) -> torch.Tensor:
    """Where a moustache grows at canonical points [N,3], 0..1."""
    x, y, z = c[:, 0].abs(), c[:, 1], c[:, 2]
    return torch.exp(-(((z - 0.6475) / 0.0062) ** 2)) * smoothstep(0.036, 0.022, x) * (y < -0.11)


def brow_area(c: torch.Tensor, p) -> torch.Tensor:
    """Density 0..1 of the eyebrows at canonical points [N,3], thinner at both ends; p(name) is broadcast to [N]."""
    x = c[:, 0].abs()
    along = ((x - 0.0125) / 0.041).clamp(0, 1)
    line = 0.7165 + p("brow_height") + p("brow_arch") * torch.sin((along * 1.15).clamp(0, 1) * 2.67) - 0.0045 * along**3
    half = p("brow_width") * (1 - 0.58 * along) * 1.15
    off = (c[:, 2] - line) / half
    shape = smoothstep(1.35, 0.45, off.abs()) * smoothstep(0.0105, 0.0190, x) * smoothstep(0.0565, 0.046, x)
    return shape * (c[:, 1] < -0.07) * p("brow_density")


def eye(c: torch.Tensor, centre: torch.Tensor, gaze: torch.Tensor, p, noise: Noise) -> Surface:
    """Eyeballs at canonical points c [N,3]: sclera, iris with fibres, limbal ring, pupil.

    centre [N,3] and gaze [N,3], a unit vector, are of the fragment's own eye.
    """
    s = Surface(len(c), c.device)
    d = torch.nn.functional.normalize(c - centre, dim=-1)
    r = torch.acos((d * gaze).sum(1).clamp(-1, 1))
    off = d - gaze
    angle = torch.atan2(off[:, 0], off[:, 2])
    shift = (p("skin_seed") * 0.11)[:, None] % 32
    fibres = noise(torch.stack([angle.cos() * 14, angle.sin() * 14, r * 4], 1) + shift)
    white = c.new_tensor([0.60, 0.565, 0.54]) * (1 - 0.40 * smoothstep(0.45, 1.0, r))[:, None]
    white = white * (1 - 0.06 * (fibres[:, 1:2] - 0.3) * c.new_tensor([0.2, 1.0, 1.0]))
    edge, pupil = 0.475, 0.180
    ring = smoothstep(0.33, edge - 0.01, r)
    iris = (p("iris") * 1.05 + 0.012) * (0.62 + 0.76 * fibres[:, 0:1])
    iris = iris * (1.0 + 0.35 * smoothstep(0.40, pupil, r) - 0.80 * ring)[:, None]
    a = mix(white, iris, smoothstep(edge + 0.035, edge - 0.035, r))
    a = a * (1 - 0.985 * smoothstep(pupil + 0.025, pupil - 0.02, r))[:, None]
    lid = smoothstep(0.6985, 0.7050, c[:, 2])
    s.albedo = a * (1 - 0.60 * lid)[:, None]
    s.specular = torch.full_like(r, 0.25)
    s.gloss = torch.full_like(r, 120.0)
    s.wrap = c.new_tensor([0.25, 0.18, 0.16])
    return s


def weave(
    c: torch.Tensor, keep: torch.Tensor, colour1, colour2, pattern, scale, knit, rib, fold, seed, noise: Noise
) -> Surface:
    """Cloth at canonical points c [N,3]: pattern, threads, a knitted rib near the edges (keep in metres), folds."""
    s = Surface(len(c), c.device)
    x, y, z = c.unbind(1)
    shift = (seed * 0.7548)[:, None] % 32
    warp = noise(c * 14 + shift)
    u, v = x * scale + 0.004 * (warp[:, 0] - 0.5), z * scale + 0.004 * (warp[:, 1] - 0.5)
    wave = lambda t, freq: torch.cos(t * freq * 6.28318)  # noqa: E731
    stripes = smoothstep(-0.12, 0.12, wave(v, 26.0) - 0.15)
    checks = 0.5 * smoothstep(-0.15, 0.15, wave(v, 21.0)) + 0.5 * smoothstep(-0.15, 0.15, wave(u, 21.0))
    line = 0.35 * smoothstep(0.95, 0.985, wave(v + 0.012, 21.0)) + 0.35 * smoothstep(0.95, 0.985, wave(u + 0.012, 21.0))
    dots = smoothstep(1.30, 1.45, wave(v, 30.0) + wave(u, 30.0)) + smoothstep(
        -1.30, -1.45, wave(v, 30.0) + wave(u, 30.0)
    )
    kind = pattern.round()
    share = (kind == 1) * stripes + (kind == 2) * (checks + line).clamp(0, 1) + (kind == 3) * dots.clamp(0, 1)
    edge = smoothstep(0.0155, 0.0140, keep) * (rib > 0.5)
    a = mix(colour1, colour2, share * (1 - edge))
    thread = noise(c * 900 + shift)
    a = a * (0.93 + 0.14 * thread[:, :1]) * (1 - 0.10 * edge)[:, None]
    s.albedo = a
    s.specular = torch.full_like(x, 0.05)
    s.gloss = torch.full_like(x, 8.0)
    s.wrap = c.new_tensor([0.22, 0.22, 0.22])
    folds = _bump(noise(torch.stack([x * 17, y * 17, z * 26], 1) + shift)) + 0.5 * _bump(
        noise(torch.stack([x * 40 + z * 22, y * 34, z * 30 - x * 12], 1) + shift)
    )
    ribs = torch.sin(x * 2100) * torch.sin(z * 1300 + torch.cos(x * 2100))
    columns = torch.stack([torch.sin((x + 0.4 * y) * 1500), 0 * x, 0.3 * torch.sin(z * 900)], 1)
    s.bump = folds * (0.75 * fold)[:, None] + torch.stack([ribs, 0 * x, ribs * 0.7], 1) * (0.16 * knit)[:, None]
    s.bump = s.bump + columns * (0.30 * edge)[:, None]
    return s
