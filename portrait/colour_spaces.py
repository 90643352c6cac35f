"""Colour spaces that grading needs, in numpy: sRGB, linear light, CIELAB, and white points.

Small enough to keep here: importing a colour library takes seconds, and a preset is built while an artist waits. The
tests hold every function to colour-science.
"""

from __future__ import annotations

import numpy as np

LUMA = np.array((0.2126, 0.7152, 0.0722))
"""Rec. 709 luma weights."""

_RGB_TO_XYZ = np.array(
    (
        (0.4123907992659593, 0.3575843393838780, 0.1804807884018343),
        (0.2126390058715102, 0.7151686787677559, 0.0721923153607337),
        (0.0193308187155918, 0.1191947797946260, 0.9505321522496607),
    )
)  # sRGB primaries and D65 of IEC 61966-2-1
_XYZ_TO_RGB = np.linalg.inv(_RGB_TO_XYZ)
_WHITE = _RGB_TO_XYZ.sum(axis=1)
_BRADFORD = np.array(((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)))

_EPSILON, _KAPPA = 216 / 24389, 24389 / 27  # CIE 15:2004


def to_linear(encoded: np.ndarray) -> np.ndarray:
    """Decode sRGB, 0..1 (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, (np.maximum(encoded, 0.04045) + 0.055) ** 2.4 / 1.055**2.4)


def to_encoded(linear: np.ndarray) -> np.ndarray:
    """Encode linear light as sRGB; values above 1 go on along the curve."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def to_lab(encoded: np.ndarray) -> np.ndarray:
    """Return CIELAB (D65) of sRGB `[..., 3]`."""
    ratio = to_linear(encoded) @ _RGB_TO_XYZ.T / _WHITE
    f = np.where(ratio > _EPSILON, np.cbrt(ratio), (_KAPPA * ratio + 16) / 116)
    return np.stack((116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])), axis=-1)


def from_lab(lab: np.ndarray) -> np.ndarray:
    """Return sRGB `[..., 3]` of CIELAB (D65); colours outside the gamut lie outside 0..1."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack((y + lab[..., 1] / 500, y, y - lab[..., 2] / 200), axis=-1)
    ratio = np.where(f**3 > _EPSILON, f**3, (116 * f - 16) / _KAPPA)
    return to_encoded(ratio * _WHITE @ _XYZ_TO_RGB.T)


def fit_gamut(encoded: np.ndarray) -> np.ndarray:
    """Lower the saturation of sRGB colours outside 0..1 until they fit; luma and hue stay, which clipping shifts."""
    grey = np.clip(encoded @ LUMA, 0.0, 1.0)[..., None]
    away = encoded - grey
    room = np.where(away > 0, 1.0 - grey, grey)
    return grey + away * np.min(np.minimum(1.0, room / np.maximum(np.abs(away), 1e-9)), axis=-1, keepdims=True)


def white_balance(mired: float, tint: float) -> np.ndarray:
    """Return the 3x3 matrix on linear sRGB that moves the light by `mired` and `tint`.

    `mired` is the shift of a photographer's filter: positive is warmer (an 81A filter is +18, an 85 is +112), from the
    Planckian locus at 6504 K. `tint` is the distance from that locus in CIE 1960 uv, times 1000: positive is magenta.
    The locus is Krystek's (1985) approximation, the adaptation Bradford's. White keeps its luminance.
    """
    start = 1e6 / 6504.0
    before, after = _planckian(start), _planckian(start + mired)
    along = _planckian(start + mired + 1.0) - _planckian(start + mired - 1.0)
    across = np.array((along[1], -along[0])) / np.hypot(*along)
    across = across if across[1] < 0 else -across
    gains = (_BRADFORD @ _xyz_of(after + across * tint / 1000.0)) / (_BRADFORD @ _xyz_of(before))
    matrix = _XYZ_TO_RGB @ np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD @ _RGB_TO_XYZ
    return matrix / (_RGB_TO_XYZ[1] @ matrix.sum(axis=1))


def _planckian(mired: float) -> np.ndarray:
    t = 1e6 / mired
    u = (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t**2) / (1 + 8.42420235e-4 * t + 7.08145163e-7 * t**2)
    v = (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t**2) / (1 - 2.89741816e-5 * t + 1.61456053e-7 * t**2)
    return np.array((u, v))


def _xyz_of(uv: np.ndarray) -> np.ndarray:
    u, v = uv
    x, y = 3 * u / (2 * u - 8 * v + 4), 2 * v / (2 * u - 8 * v + 4)
    return np.array((x / y, 1.0, (1 - x - y) / y))
