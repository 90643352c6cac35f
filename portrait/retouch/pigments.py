"""Skin as shading, blood and melanin, in optical density.

Skin absorbs in layers, so that in the negative logarithm of linear light its two pigments and the shading add up:
N. Tsumura, H. Haneishi, Y. Miyake, "Independent-component analysis of skin color image" (JOSA A 16, 1999). A blemish is
a bump of blood and a mole one of melanin, on skin of any colour; pores are shading.
"""

from __future__ import annotations

import torch

# Relative absorption of red, green and blue light, of length 1, as measured by Tsumura et al. (1999). Diffuse
# reflection goes with the square root of absorption, which fits: melanin falls as wavelength to the power of 3.33
# (S. L. Jacques, "Skin optics", 1998), and oxygenated blood takes a tenth of green in red.
BLOOD = (0.188, 0.735, 0.652)
MELANIN = (0.438, 0.563, 0.701)
SHADING = (1.0, 1.0, 1.0)
DARKEST = 1.0 / 255 / 12.92  # linear light of the darkest step of an 8 bit picture that is not black


def density(encoded: torch.Tensor) -> torch.Tensor:
    """Return the optical density `[..., 3]` of sRGB `[..., 3]`, 0..1: the negative logarithm of linear light."""
    linear = torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded.clamp_min(0) + 0.055) / 1.055) ** 2.4)
    return -linear.clamp_min(DARKEST).log()


def encoded(optical: torch.Tensor) -> torch.Tensor:
    """Return the sRGB `[..., 3]` of an optical density; brighter than white stays so."""
    linear = (-optical).exp()
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def separated(optical: torch.Tensor) -> torch.Tensor:
    """Return shading, blood and melanin `[..., 3]` of an optical density `[..., 3]`."""
    return optical @ torch.linalg.inv(_axes()).T.to(optical)


def combined(parts: torch.Tensor) -> torch.Tensor:
    """Return the optical density of shading, blood and melanin `[..., 3]`."""
    return parts @ _axes().T.to(parts)


def _axes() -> torch.Tensor:
    return torch.tensor((SHADING, BLOOD, MELANIN), dtype=torch.float64).T
