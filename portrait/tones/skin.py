"""Skin keeps its hue: how much a colour looks like skin, and how far a grade may pull it."""

from __future__ import annotations

import numpy as np

from ..colour_spaces import fit_gamut, from_lab, to_lab

_UPPER = (-1.3767, 1.0743, 0.1452)
_LOWER = (-0.776, 0.5601, 0.1766)
_WHITE_RADIUS = 0.02
_SOFTNESS = 0.025  # in chromaticity: where the locus ends, skin fades out over this width on either side
_PAINT = (0.50, 0.58)  # red chromaticity from which a colour counts as paint or cloth: lips stay below


def likelihood(encoded: np.ndarray) -> np.ndarray:
    """Return 0..1 for each colour of sRGB `[..., 3]`: how much it looks like skin, whatever its brightness.

    The skin locus of Soriano, Martinkauppi, Huovinen and Laaksonen (Pattern Recognition 36, 2003): two parabolas in r-g
    chromaticity between which skin of all kinds lies, less a circle around white. Here the borders are soft, so that no
    edge shows in a picture; only the warm side of white counts, for a picture is balanced for its light; and redder
    colours than lips fade out.
    """
    total = np.maximum(encoded.sum(axis=-1), 1e-4)
    r, g = encoded[..., 0] / total, encoded[..., 1] / total
    inside = _ramp(np.polyval(_UPPER, r) - g) * _ramp(g - np.polyval(_LOWER, r))
    from_white = np.hypot(r - 0.33, g - 0.33)
    coloured = np.clip((from_white - 0.5 * _WHITE_RADIUS) / (2.5 * _WHITE_RADIUS), 0.0, 1.0)
    unpainted = np.clip((_PAINT[1] - r) / (_PAINT[1] - _PAINT[0]), 0.0, 1.0)
    warm = np.clip((r - 0.335) / 0.02, 0.0, 1.0)
    lit = np.clip(total / 0.15, 0.0, 1.0)
    return _smooth(inside) * _smooth(coloured) * _smooth(unpainted) * _smooth(warm) * _smooth(lit)


def relit(lab: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """Return CIELAB `[..., 3]` at another lightness as light alone would show it: same hue, chroma in proportion."""
    ratio = np.clip(lightness / np.maximum(lab[..., 0], 1.0), 0.5, 1.5)
    return np.stack((lightness, lab[..., 1] * ratio, lab[..., 2] * ratio), axis=-1)


def protect(source: np.ndarray, graded: np.ndarray, amount: float) -> np.ndarray:
    """Pull the hue and chroma of graded skin back towards the source's; the graded lightness stays.

    `source` and `graded` are sRGB `[..., 3]`, 0..1; `amount` is 0 (leave) to 1 (skin keeps its own colour).
    """
    if amount == 0:
        return graded
    lab = to_lab(graded)
    weight = (amount * likelihood(source))[..., None]
    held = lab + weight * (relit(to_lab(source), lab[..., 0]) - lab)
    return np.where(weight > 0, np.clip(fit_gamut(from_lab(held)), 0.0, 1.0), graded)


def _ramp(inside: np.ndarray) -> np.ndarray:
    return np.clip(inside / (2 * _SOFTNESS) + 0.5, 0.0, 1.0)


def _smooth(x: np.ndarray) -> np.ndarray:
    return x * x * (3 - 2 * x)
