"""Deferred shading: from triangle indices to linear light, for a batch of pictures at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from . import materials as mt
from .hair import hairline
from .light import direction
from .materials import smoothstep


@dataclass(frozen=True)
class Fragments:
    """The N covered samples of a batch: image and triangle index, barycentric weights [N,3], vertices [N,3]."""

    image: torch.Tensor
    sample: torch.Tensor
    triangle: torch.Tensor
    weights: torch.Tensor
    corners: torch.Tensor

    def of(self, chosen: torch.Tensor) -> Fragments:
        """Only some of them (indices)."""
        return Fragments(*(getattr(self, n)[chosen] for n in ("image", "sample", "triangle", "weights", "corners")))

    def shared(self, values: torch.Tensor) -> torch.Tensor:
        """Interpolate values [V,C] or [V] that every picture shares."""
        w = self.weights if values.dim() == 1 else self.weights[..., None]
        return (values[self.corners] * w).sum(1)

    def own(self, values: torch.Tensor) -> torch.Tensor:
        """Interpolate values [B,V,C] or [B,V] of each picture."""
        w = self.weights if values.dim() == 2 else self.weights[..., None]
        return (values[self.image[:, None], self.corners] * w).sum(1)


def fragments(index: torch.Tensor, points: torch.Tensor, tris: torch.Tensor) -> Fragments:
    """Perspective-correct barycentric weights of the covered samples of index [B,H,W] (-1: empty)."""
    _, height, width = index.shape
    sample = (index.reshape(-1) >= 0).nonzero()[:, 0]
    image = sample // (height * width)
    at = sample % (height * width)
    px, py = (at % width) + 0.5, (at // width) + 0.5
    triangle = index.reshape(-1)[sample]
    corners = tris[triangle]
    q = points[image[:, None], corners]
    x, y, z = q.unbind(-1)
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    l1 = ((px - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (py - y[:, 0])) / area
    l2 = ((x[:, 1] - x[:, 0]) * (py - y[:, 0]) - (px - x[:, 0]) * (y[:, 1] - y[:, 0])) / area
    w = torch.stack([1 - l1 - l2, l1, l2], 1) / z
    return Fragments(image, sample, triangle, w / w.sum(1, keepdim=True), corners)


def occlusion(
    depth: torch.Tensor, pixels_per_metre: torch.Tensor, reach: float = 0.035, taps: int = 20
) -> torch.Tensor:
    """Screen-space ambient occlusion of depth [B,h,w] in metres (inf: empty): 1 is open, 0 is closed.

    pixels_per_metre [B] at the subject. A spiral of taps, turned per pixel, against a hemisphere of `reach` metres.
    """
    b, h, w = depth.shape
    device = depth.device
    j, i = torch.meshgrid(torch.arange(h, device=device), torch.arange(w, device=device), indexing="ij")
    turn = ((i * 7 + j * 13) % 16).float() * 0.39
    flat = depth.reshape(b, -1)
    blocked = torch.zeros_like(depth)
    for k in range(taps):
        share = ((k + 0.5) / taps) ** 0.5
        radius = (pixels_per_metre * reach * share)[:, None, None]
        angle = k * 2.39996 + turn
        x = (i + radius * angle.cos()).round().long().clamp(0, w - 1)
        y = (j + radius * angle.sin()).round().long().clamp(0, h - 1)
        higher = depth - flat.gather(1, (y * w + x).reshape(b, -1)).reshape(b, h, w)
        room = reach * (1 - share**2) ** 0.5 + 1e-4
        near = ((reach * 3 - higher) / (reach * 1.5)).clamp(0, 1)
        blocked = blocked + torch.where(higher > 0.0008, (higher / room).clamp(0, 1) * near, 0.0)
    return torch.nan_to_num(1 - blocked / taps, 1.0, 1.0, 1.0)


def soft_shadow(
    map_: torch.Tensor,
    image: torch.Tensor,
    at: torch.Tensor,
    radius: torch.Tensor,
    bias: torch.Tensor,
    sample: torch.Tensor,
) -> torch.Tensor:
    """Share of light 0..1 at points at [N,3] (texel x, y, light depth) of shadow maps [B,S,S]; radius in texels [N]."""
    s = map_.shape[-1]
    flat = map_.reshape(-1)
    lit = torch.zeros_like(radius)
    turn = ((sample * 5) % 16).float() * 0.393 + ((sample // 512) % 7).float() * 0.9
    taps = 14
    for k in range(taps):
        share = ((k + 0.5) / taps) ** 0.5
        angle = k * 2.39996 + turn
        x = (at[:, 0] + radius * share * angle.cos()).long()
        y = (at[:, 1] + radius * share * angle.sin()).long()
        inside = (x >= 0) & (y >= 0) & (x < s) & (y < s)
        stored = flat[image * s * s + y.clamp(0, s - 1) * s + x.clamp(0, s - 1)]
        lit = lit + ((at[:, 2] <= stored + bias * (1 + 1.6 * share * radius)) | ~inside)
    return lit / taps


def turn(rotation: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Rotate vectors [N,3] each by its matrix [N,3,3]."""
    return (rotation * vectors[:, None]).sum(-1)


@dataclass(frozen=True)
class Lighting:
    """Per-picture light in camera axes: toward the key, its colour, sky and ground [B,3], front and rim [B]."""

    toward: torch.Tensor
    key: torch.Tensor
    sky: torch.Tensor
    ground: torch.Tensor
    front: torch.Tensor
    rim: torch.Tensor


def lighting(p: dict[str, torch.Tensor]) -> Lighting:
    """Colours of key and ambient light from a light's numbers."""
    warm = p["warm"][:, None]
    tint = torch.cat([1 + warm, torch.ones_like(warm), 1 - 1.2 * warm], 1)
    back = p["back1"] / p["back1"].mean(1, keepdim=True).clamp_min(1e-4)
    sky = p["ambient"][:, None] * (0.82 + 0.18 * back.clamp(0.3, 2.0)) * (0.5 + 0.5 * tint)
    ground = sky * sky.new_tensor([0.60, 0.53, 0.48])
    return Lighting(
        direction(p["azimuth"], p["elevation"]),
        0.84 * p["key"][:, None] * tint,
        0.9 * sky,
        0.9 * ground,
        0.23 * p["ambient"],
        p["rim"],
    )


def light_surface(
    s: mt.Surface, normal: torch.Tensor, lit: torch.Tensor, open_: torch.Tensor, image: torch.Tensor, lamps: Lighting
) -> torch.Tensor:
    """Outgoing light [N,3] of a surface; normal [N,3] in camera axes, lit and open_ [N] from shadow and occlusion."""
    toward, key = lamps.toward[image], lamps.key[image]
    view = normal.new_tensor([0.0, -1.0, 0.0])
    cosine = (normal * toward).sum(1, keepdim=True)
    diffuse = (cosine + s.wrap).clamp_min(0) / (1 + s.wrap)
    shadow = lit[:, None] ** (1 - 0.8 * s.wrap + 0.1)
    half = torch.nn.functional.normalize(toward + view, dim=1)
    shine = (normal * half).sum(1).clamp(0, 1) ** s.gloss * s.specular * (s.gloss + 8) / 40
    hemisphere = 0.5 + 0.5 * normal[:, 2:3]
    ambient = lamps.sky[image] * hemisphere + lamps.ground[image] * (1 - hemisphere)
    facing = (-normal[:, 1:2]).clamp(0, 1)
    open_ = open_[:, None]
    colour = s.albedo * (
        key * diffuse * shadow * 0.62 + (ambient * 0.75 + facing * lamps.front[image][:, None]) * open_
    )
    colour = colour + (shine * lit * 0.16)[:, None] * key
    colour = colour + s.glow[:, None] * (0.55 * key + 0.2)
    fresnel = (1 - facing) ** 4
    colour = colour + fresnel * 0.05 * ambient * open_ * (0.3 + s.specular[:, None])
    return colour + s.albedo * rim(normal, image, lamps)[:, None]


def catchlight(normal: torch.Tensor, image: torch.Tensor, lamps: Lighting) -> torch.Tensor:
    """Mirror image 0..1 of a softbox in eyes with normals [N,3]: the key, held where lids do not hide it."""
    x, y, z = lamps.toward.unbind(1)
    held = torch.stack([x.clamp(-0.55, 0.55), y, z.clamp(0.22, 0.50)], 1)
    half = torch.nn.functional.normalize(
        torch.nn.functional.normalize(held, dim=1) - held.new_tensor([0, 1.0, 0]), dim=1
    )
    return smoothstep(0.9890, 0.9955, (normal * half[image]).sum(1))


def rim(normal: torch.Tensor, image: torch.Tensor, lamps: Lighting) -> torch.Tensor:
    """Light [N] from behind, on the side away from the key."""
    away = -torch.sign(lamps.toward[:, 0])
    behind = torch.stack([away * 0.85, torch.full_like(away, 0.42), torch.full_like(away, 0.32)], 1)
    behind = torch.nn.functional.normalize(behind, dim=1)
    return (normal * behind[image]).sum(1).clamp(0, 1) ** 2 * lamps.rim[image] * 0.55


def hair_light(
    colour: torch.Tensor,
    curl: torch.Tensor,
    v: torch.Tensor,
    who: torch.Tensor,
    tangent,
    normal,
    lit,
    open_,
    image,
    lamps: Lighting,
    noise: mt.Noise,
) -> torch.Tensor:
    """Two shifted highlights along the strands (Kajiya and Kay 1989; Scheuermann 2004) over a soft diffuse.

    colour [N,3]; curl [N] in metres; v [N] is the place along the strand 0..1 and who [N] its number; normal is that
    of the whole head of hair.
    """
    own = noise(torch.stack([who * 0.731, who * 0.377, v * 2.0 + who * 0.13], 1))
    tone = 0.62 + 0.72 * own[:, 0]
    tone = tone * (0.58 + 0.42 * smoothstep(0.0, 0.30, v)) * (1 + 0.18 * smoothstep(0.5, 1.0, v))
    base = colour * tone[:, None]
    toward, key = lamps.toward[image], lamps.key[image]
    view = normal.new_tensor([0.0, -1.0, 0.0])
    half = torch.nn.functional.normalize(toward + view, dim=1)

    def lobe(shift: torch.Tensor, gloss: float) -> torch.Tensor:
        bent = torch.nn.functional.normalize(tangent + shift[:, None] * normal, dim=1)
        return (1 - (bent * half).sum(1) ** 2).clamp(0, 1) ** (gloss / 2)

    jitter = 0.22 * (own[:, 1] - 0.5)
    cosine = (normal * toward).sum(1)
    facing = ((cosine + 0.35) / 1.35).clamp(0, 1)
    glance = (normal * half).sum(1).clamp(0, 1) ** 2
    smooth = 1 - (curl * 60).clamp(0, 0.8)
    first = lobe(-0.10 + jitter, 60.0) * (0.3 + 0.9 * own[:, 2]) * smooth * glance
    second = lobe(0.16 + jitter, 14.0) * glance
    through = lit * 0.75 + 0.25
    hemisphere = 0.5 + 0.5 * normal[:, 2:3]
    ambient = (lamps.sky[image] * hemisphere + lamps.ground[image] * (1 - hemisphere)) * 0.72
    front = (-normal[:, 1:2]).clamp(0, 1) * lamps.front[image][:, None]
    out = base * (key * (facing * through)[:, None] * 0.66 + (ambient + front) * (0.25 + 0.75 * open_[:, None]))
    out = out + key * (first * facing * through)[:, None] * (colour * 0.45 + 0.045)
    out = out + key * base * (second * facing * through)[:, None] * 0.60
    return out + (colour * 1.2 + 0.02) * rim(normal, image, lamps)[:, None]


def scalp(c: torch.Tensor, ears: torch.Tensor, p: Callable, noise: mt.Noise) -> torch.Tensor:
    """How much the scalp is painted in hair colour at canonical points [N,3], 0..1, with a broken edge."""
    height = hairline(c, p("hair_front"), p("hair_temple"), p("hair_sideline"))
    rough = noise(torch.stack([c[:, 0] * 1400, c[:, 1] * 1400, c[:, 2] * 260], 1))[:, 0]
    soft = smoothstep(-0.006, 0.013, height + (rough - 0.5) * 0.010)
    return soft * p("top") * (1 - smoothstep(0.1, 0.35, ears)) * (c[:, 2] > 0.6)


EXPOSURE = 1.06


def tone_map(colour: torch.Tensor) -> torch.Tensor:
    """Linear light to display values 0..1: straight below 0.62, a soft shoulder above, then the 2.2 power."""
    colour = colour * EXPOSURE
    knee, room = 0.50, 0.50
    bent = torch.where(colour < knee, colour, knee + room * torch.tanh((colour - knee) / room))
    return bent.clamp(0, 1) ** (1 / 2.2)
