"""A grade: what a colourist sets, turned into a 3D LUT."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .. import presets
from ..colour_spaces import LUMA, fit_gamut, to_encoded, to_linear, white_balance
from ..errors import PortraitError
from .lut import SIZE, identity

RANGES: Mapping[str, tuple[float, float]] = {
    "exposure": (-3.0, 3.0),
    "temperature": (-80.0, 200.0),
    "tint": (-30.0, 30.0),
    "contrast": (-0.9, 0.9),
    "pivot": (0.1, 0.9),
    "lift": (-0.3, 0.3),
    "gamma": (0.3, 3.0),
    "gain": (0.3, 2.0),
    "saturation": (0.0, 2.0),
    "shadow_hue": (0.0, 360.0),
    "shadow_amount": (0.0, 0.5),
    "highlight_hue": (0.0, 360.0),
    "highlight_amount": (0.0, 0.5),
    "black": (0.0, 0.4),
    "white": (0.6, 1.0),
    "monochrome": (-0.5, 1.5),
    "curve": (0.0, 1.0),
}


@dataclass(frozen=True)
class Grade:
    """Settings of a grade, applied in the order below; the defaults change nothing.

    In linear light: `exposure` in stops; `temperature` in mired, warmer upwards, and `tint` in uv/1000, magenta upwards
    (see `spaces.white_balance`); what this pushes past white is rolled off.

    On the encoded picture, 0..1: `monochrome`, three weights that mix the channels to grey (they should sum to 1);
    `contrast`, above 0 an S around `pivot`, below 0 flatter; `curve`, points (x, y) of a smooth monotone curve;
    `lift`, `gamma`, `gain`, each for red, green and blue; `saturation`, 1 as it is; split toning: a hue in degrees (0
    red, 120 green, 240 blue) and an amount for shadows and for highlights; `black` and `white`, where the ends of the
    scale come to lie (a faded print has a black of .1).
    """

    exposure: float = 0.0
    temperature: float = 0.0
    tint: float = 0.0
    monochrome: tuple[float, ...] = ()
    contrast: float = 0.0
    pivot: float = 0.5
    curve: tuple[tuple[float, float], ...] = ()
    lift: tuple[float, ...] = (0.0, 0.0, 0.0)
    gamma: tuple[float, ...] = (1.0, 1.0, 1.0)
    gain: tuple[float, ...] = (1.0, 1.0, 1.0)
    saturation: float = 1.0
    shadow_hue: float = 0.0
    shadow_amount: float = 0.0
    highlight_hue: float = 0.0
    highlight_amount: float = 0.0
    black: float = 0.0
    white: float = 1.0

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> Grade:
        """Check settings read from a file.

        Raises PortraitError naming the setting that is unknown, of the wrong kind or out of its range.
        """
        settings = {}
        for name, value in table.items():
            presets.choose("setting of a LUT", name, [field.name for field in fields(cls)])
            if name == "curve":
                settings[name] = _curve(value)
            elif name in ("lift", "gamma", "gain", "monochrome"):
                settings[name] = _triple(name, value)
            else:
                settings[name] = _number(name, value)
        return cls(**settings)

    def lut(self, size: int = SIZE) -> np.ndarray:
        """Return the grade as a LUT, float32 `[size, size, size, 3]`."""
        grid = identity(size).astype(np.float64)
        return np.clip(self.apply(grid), 0.0, 1.0).astype(np.float32)

    def apply(self, encoded: np.ndarray) -> np.ndarray:
        """Grade sRGB colours `[..., 3]`, 0..1."""
        colour = self._light(encoded)
        if self.monochrome:
            colour = np.repeat((colour @ np.array(self.monochrome))[..., None].clip(0.0, 1.0), 3, axis=-1)
        if self.contrast:
            colour = _contrast(colour, self.contrast, self.pivot)
        if self.curve:
            colour = _through(self.curve, colour)
        colour = np.array(self.gain) * (colour + np.array(self.lift) * (1.0 - colour))
        if self.gamma != (1.0, 1.0, 1.0):
            colour = np.maximum(colour, 0.0) ** (1.0 / np.array(self.gamma))
        colour = _split(colour, self.shadow_hue, self.shadow_amount, shadows=True)
        colour = _split(colour, self.highlight_hue, self.highlight_amount, shadows=False)
        if self.saturation != 1.0:
            grey = (colour @ LUMA)[..., None]
            colour = grey + self.saturation * (colour - grey)
        colour = fit_gamut(colour)
        return self.black + (self.white - self.black) * colour

    def _light(self, encoded: np.ndarray) -> np.ndarray:
        if not (self.exposure or self.temperature or self.tint):
            return encoded
        matrix = white_balance(self.temperature, self.tint) * 2.0**self.exposure
        colour = to_encoded(np.maximum(to_linear(encoded) @ matrix.T, 0.0))
        peak = float(to_encoded(matrix.sum(axis=1)).max())
        return _roll_off(colour, peak)


def _number(name: str, value: Any) -> float:
    low, high = RANGES[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise PortraitError(f"'{name}' is {value!r}; it must be a number from {low:g} to {high:g}.")
    return float(value)


def _triple(name: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != 3:
        raise PortraitError(f"'{name}' is {value!r}; it must be three numbers, for red, green and blue.")
    return tuple(_number(name, part) for part in value)


def _curve(value: Any) -> tuple[tuple[float, float], ...]:
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(p, list) and len(p) == 2 for p in value):
        raise PortraitError(f"'curve' is {value!r}; it must be two or more points, [x, y].")
    points = tuple((_number("curve", x), _number("curve", y)) for x, y in value)
    if any(x1 <= x0 or y1 < y0 for (x0, y0), (x1, y1) in itertools.pairwise(points)):
        raise PortraitError("'curve' turns back; from point to point x must rise and y must not fall.")
    return points


def _roll_off(colour: np.ndarray, peak: float) -> np.ndarray:
    """Bend what lies above a knee so that `peak` comes to lie at 1, with the slope unbroken at the knee."""
    if peak <= 1.0:
        return colour
    knee = 0.7 if peak < 1.3 else 0.5
    room, reach = 1.0 - knee, peak - knee
    over = np.clip(colour - knee, 0.0, None)
    bend = reach / room - 1.0  # over / (1 + bend * over / reach) is `room` at `reach`
    return np.where(colour > knee, knee + over / (1.0 + bend * over / reach), colour)


def _contrast(colour: np.ndarray, amount: float, pivot: float) -> np.ndarray:
    if amount < 0:
        return pivot + (colour - pivot) * (1.0 + amount)
    steep = 8.0 * amount
    curve = np.tanh(steep * (colour - pivot) / 2)
    low, high = np.tanh(-steep * pivot / 2), np.tanh(steep * (1.0 - pivot) / 2)
    return (curve - low) / (high - low)


def _through(points: tuple[tuple[float, float], ...], colour: np.ndarray) -> np.ndarray:
    from scipy.interpolate import PchipInterpolator

    x, y = zip(*points, strict=True)
    return PchipInterpolator(x, y)(np.clip(colour, x[0], x[-1]))


def _split(colour: np.ndarray, hue: float, amount: float, shadows: bool) -> np.ndarray:
    """Add a hue without changing luma: to the shadows, but not to black, or to the highlights."""
    if amount == 0:
        return colour
    turn = np.radians(hue - np.array((0.0, 120.0, 240.0)))
    tint = np.cos(turn)
    tint = tint - tint @ LUMA
    luma = np.clip(colour @ LUMA, 0.0, 1.0)
    weight = (1.0 - luma) ** 2 * luma / (luma + 0.06) if shadows else luma**1.5
    return colour + amount * weight[..., None] * tint
