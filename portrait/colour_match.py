"""A crop's colours pulled towards those of the picture beneath it, without tinting lips or skin."""

from __future__ import annotations

import torch

# Linear sRGB -> LMS and LMS' -> Oklab: Bjoern Ottosson, "A perceptual color space for image processing", 2020.
_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
CONTRAST_LIMITS = (0.8, 1.25)
CHROMA_LIMIT = 0.06  # Oklab a and b; the distance from light to medium skin is about half of it


def match_colour(patch: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, strength: float) -> torch.Tensor:
    """Return `patch` with the colour statistics of `target` (both `[H, W, 3]`, sRGB, 0..1) under `mask` `[H, W]`.

    Mean and spread are carried over as in Reinhard et al., "Color Transfer between Images" (2001), in Oklab, with two
    limits that keep faces natural: lightness contrast changes by at most CONTRAST_LIMITS, and hue and chroma are only
    shifted, as a whole and by at most CHROMA_LIMIT, never stretched, so red lips cannot turn orange.
    `strength` is 0..1; a mask that is zero everywhere changes nothing.
    """
    total = mask.sum()
    if strength <= 0 or float(total) < 1.0:
        return patch
    source, wanted = to_oklab(patch), to_oklab(target)
    weight = (mask / total)[..., None]
    source_mean, wanted_mean = (source * weight).sum((0, 1)), (wanted * weight).sum((0, 1))
    source_spread = ((source - source_mean) ** 2 * weight).sum((0, 1)).sqrt()[0]
    wanted_spread = ((wanted - wanted_mean) ** 2 * weight).sum((0, 1)).sqrt()[0]
    contrast = (wanted_spread / source_spread.clamp_min(1e-4)).clamp(*CONTRAST_LIMITS)
    lightness = (source[..., :1] - source_mean[:1]) * contrast + wanted_mean[:1]
    chroma = source[..., 1:] + (wanted_mean - source_mean)[1:].clamp(-CHROMA_LIMIT, CHROMA_LIMIT)
    matched = from_oklab(torch.cat((lightness, chroma), -1))
    return torch.lerp(patch, matched, min(1.0, strength))


def to_oklab(rgb: torch.Tensor) -> torch.Tensor:
    """Return sRGB `[..., 3]`, 0..1, as Oklab (L 0..1, a and b about -0.4..0.4)."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp_min(0) + 0.055) / 1.055) ** 2.4)
    lms = linear @ rgb.new_tensor(_LMS).T
    return lms.clamp_min(0).pow(1 / 3) @ rgb.new_tensor(_LAB).T


def from_oklab(lab: torch.Tensor) -> torch.Tensor:
    """Return Oklab `[..., 3]` as sRGB, clipped to 0..1."""
    # In double: the published inverse matrices and float32 inverses differ in the sixth digit.
    to_lms = torch.linalg.inv(torch.tensor(_LAB, dtype=torch.float64)).to(lab)
    to_rgb = torch.linalg.inv(torch.tensor(_LMS, dtype=torch.float64)).to(lab)
    linear = ((lab @ to_lms.T) ** 3 @ to_rgb.T).clamp(0, 1)
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp_min(1e-8) ** (1 / 2.4) - 0.055)
