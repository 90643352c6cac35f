"""What each part of a picture is made of, and how it answers light: skin, eyes, hair, cloth."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from . import materials as mt
from . import shade


@dataclass(frozen=True)
class Surfaces:
    """The materials of the joint mesh of V vertices.

    canonical [V,3]: where a vertex lies on the unposed body; strand [V,3]: across, along and number of its strand;
    skin_uv [F,3,2] of the skin's triangles, into masks [1,C,H,W]; eye_centre [2,3], canonical.
    """

    noise: mt.Noise
    canonical: torch.Tensor
    strand: torch.Tensor
    skin_uv: torch.Tensor
    masks: torch.Tensor
    eye_centre: torch.Tensor

    def lit(self, name, f, normal, lit, open_, p, lamps, view, vertices, keep) -> torch.Tensor:
        """Return the linear colours [N,3] of the fragments `f` of the part `name`, lit by `lamps`."""
        q = lambda key: p[key][f.image]  # noqa: E731
        backwards = (normal[:, 1:2] > 0) & torch.tensor(
            name not in ("skin", "eyes", "strands", "beard"), device=self.strand.device
        )
        normal = torch.where(backwards, -normal, normal)
        if name in ("strands", "beard"):
            _, v, who = f.shared(self.strand).unbind(1)
            corner = vertices[f.image[:, None], f.corners]
            level = self.strand[:, 1][f.corners]
            tangent = ((level - level.mean(1, keepdim=True))[..., None] * corner).sum(1)
            tangent = torch.nn.functional.normalize(shade.turn(view.rotation[f.image], tangent), dim=1, eps=1e-9)
            colour = q("hair_rgb" if name == "strands" else "brow_rgb")
            return shade.hair_light(
                colour, q("curl"), v, who.round(), tangent, normal, lit, open_, f.image, lamps, self.noise
            )
        c = f.shared(self.canonical)
        if name == "skin":
            uv = (self.skin_uv[f.triangle] * f.weights[..., None]).sum(1)
            at = torch.stack([uv[:, 0], 1 - uv[:, 1]], 1) * 2 - 1
            masks = torch.nn.functional.grid_sample(self.masks, at[None, None], align_corners=False)[0, :, 0].T
            s = mt.skin(c, masks, q, self.noise, shade.scalp(c, masks[:, 1], q, self.noise))
        elif name == "eyes":
            which = (c[:, 0] < 0).long()
            s = mt.eye(c, self.eye_centre[which], p["gaze"][f.image, which], q, self.noise)
            s.glow = shade.catchlight(normal, f.image, lamps)
        elif name in ("teeth", "tongue", "lashes"):
            s = mt.Surface(len(c), self.strand.device)
            tone = {"teeth": (0.66, 0.61, 0.53), "tongue": (0.33, 0.10, 0.10), "lashes": (0.05, 0.036, 0.03)}[name]
            s.albedo = torch.tensor(tone, device=self.strand.device).expand(len(c), 3)
            s.specular = torch.full_like(lit, 0.3 if name == "teeth" else 0.02)
        elif name == "glasses":
            s = mt.Surface(len(c), self.strand.device)
            s.albedo = q("glasses_rgb")
            s.specular, s.gloss = torch.full_like(lit, 0.5), torch.full_like(lit, 60.0)
        elif name == "shells":
            s = mt.Surface(len(c), self.strand.device)
            rough = self.noise(c * 420)
            s.albedo = q("hair_rgb") * (0.40 + 0.85 * rough[:, :1])
            s.bump = (rough[:, 1:] - 0.5) * 0.7
            s.specular = torch.full_like(lit, 0.06)
        else:
            s = self._cloth(name, f, c, q, keep)
        bent = torch.nn.functional.normalize(normal + s.bump, dim=1)
        return shade.light_surface(s, bent, lit, open_, f.image, lamps)

    def _cloth(self, name, f, c, q, keep) -> mt.Surface:
        edge = f.own(keep)
        first, second, pattern = q("colour1"), q("colour2"), q("pattern")
        knit, rib, fold, scale = q("knit"), q("rib"), q("fold"), q("scale")
        if name == "top":
            first = self._shirt_front(c, first, q)
        elif name in ("outer", "lapel"):
            first, pattern, knit, rib, fold = (
                q("outer_colour"),
                0 * pattern,
                q("outer_knit"),
                q("outer_knit"),
                q("outer_fold"),
            )
            if name == "lapel":
                first = first * 0.88
        elif name in ("legs", "skirt"):
            first, knit, rib = q("bottom_colour"), 0 * knit, 0 * rib
            pattern = pattern * q("skirt") * (q("bottom_colour") == q("colour1")).all(1)
        elif name == "feet":
            sole = mt.smoothstep(-0.806, -0.812, c[:, 2])
            first = mt.mix(q("shoe"), torch.full_like(first, 0.55), sole * (q("denim") > 0.5))
            pattern, knit, rib, fold = 0 * pattern, 0 * knit, 0 * rib, 0.15 * fold
        elif name == "collar":
            fold, rib = 0.15 * fold, 0 * rib
        return mt.weave(c, edge, first, second, pattern, scale, knit, rib, fold, q("cloth_seed"), self.noise)

    def _shirt_front(self, c: torch.Tensor, first: torch.Tensor, q) -> torch.Tensor:
        """A placket with buttons, and a tie, drawn on the front of a shirt."""
        x, y, z = c.unbind(1)
        front = (y < -0.02).float()
        seam = torch.exp(-(((x.abs() - 0.014) / 0.0011) ** 2)) * front * q("placket") * 0.35
        first = first * (1 - seam)[:, None]
        button = ((torch.remainder(z, 0.078) - 0.039) ** 2 + x**2).sqrt()
        button = mt.smoothstep(0.0052, 0.0040, button) * front * q("placket") * (1 - q("necktie"))
        first = mt.mix(first, first * 0.25 + 0.35, button)
        width = 0.014 + 0.030 * mt.smoothstep(0.50, 0.10, z) - 0.004 * torch.exp(-(((z - 0.482) / 0.006) ** 2))
        tie = mt.smoothstep(0.001, -0.001, x.abs() - width) * front * (z < 0.515) * q("necktie")
        return mt.mix(first, q("tie_colour"), tie)
