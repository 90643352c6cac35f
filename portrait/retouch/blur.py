"""Gaussian blur of planes `[C, H, W]`, over the pixels that count alone."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as nnf

_FINE = 3.0  # pixels: a wider blur is made of a reduced plane, with which it differs by under a hundredth


def blurred(planes: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return the planes blurred by a Gaussian of `sigma` px; beyond the border the border goes on."""
    factor = max(1, int(sigma / _FINE))
    if factor == 1:
        return _blurred(planes[None], sigma)[0]
    high, wide = planes.shape[1:]
    small = (max(1, round(high / factor)), max(1, round(wide / factor)))
    reduced = nnf.interpolate(planes[None], small, mode="area")
    soft = _blurred(reduced, sigma * small[0] / high)
    return nnf.interpolate(soft, (high, wide), mode="bilinear", align_corners=False)[0]


def blurred_within(planes: torch.Tensor, weight: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return the blur `[C, H, W]` in which a pixel counts by its weight `[H, W]`, 0..1.

    Normalised convolution (Knutsson and Westin, 1993): what lies outside does not bleed in. Where nothing that counts
    is near, the plain planes come back.
    """
    around = blurred(weight[None], sigma)
    mixed = blurred(planes * weight, sigma) / around.clamp_min(1e-4)
    return torch.lerp(planes, mixed, (around / 1e-3).clamp(0, 1))


def _blurred(planes: torch.Tensor, sigma: float) -> torch.Tensor:
    if sigma <= 0.05:
        return planes
    reach = max(1, math.ceil(3 * sigma))
    at = torch.arange(-reach, reach + 1, device=planes.device, dtype=planes.dtype)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = kernel / kernel.sum()
    batch = planes.transpose(0, 1)  # a channel at a time through one kernel
    padded = nnf.pad(batch, (reach, reach, 0, 0), mode="replicate")
    across = nnf.conv2d(padded, kernel.view(1, 1, 1, -1))
    padded = nnf.pad(across, (0, 0, reach, reach), mode="replicate")
    return nnf.conv2d(padded, kernel.view(1, 1, -1, 1)).transpose(0, 1)
