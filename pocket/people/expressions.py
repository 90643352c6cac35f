"""Expressions as data: facial actions with moderate strengths, and the words that go with them.

`expressions.json` gives each expression its prompt words, how often it is drawn, and the range 0..1 of every action
(the names of Apple's ARKit; a name without `Left` or `Right` that the body has on both sides stands for both).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from ...portrait import presets

EXPRESSIONS = Path(__file__).with_name("expressions.json")

BOTH = (
    *("browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookUp", "eyeSquint", "eyeWide"),
    *("mouthDimple", "mouthFrown", "mouthPress", "mouthSmile", "mouthUpperUp"),
)
"""Actions that come in pairs, by their common name."""

UNEVEN = 0.03
"""A face is not symmetric: each side's strength varies by this share."""


def names() -> list[str]:
    """The names of all expressions."""
    return list(_library())


def words(name: str) -> str:
    """The expression's prompt words.

    Raises:
        PortraitError: no such expression; the nearest names are given.
    """
    return _library()[presets.choose("expression", name, names())]["words"]


def get(name: str) -> dict[str, float]:
    """The expression at the middle of its ranges, as `Body.mesh` takes it.

    Raises:
        PortraitError: no such expression; the nearest names are given.
    """
    return _actions(name, lambda low, high: (low + high) / 2, lambda: 1.0)


def sample(rng: np.random.Generator, name: str | None = None) -> tuple[str, dict[str, float]]:
    """An expression at random, or a variant of the named one: its name and its facial actions.

    Raises:
        PortraitError: no such expression; the nearest names are given.
    """
    if name is None:
        odds = np.array([expression["odds"] for expression in _library().values()], dtype=float)
        name = names()[rng.choice(len(odds), p=odds / odds.sum())]
    return name, _actions(name, rng.uniform, lambda: rng.uniform(1 - UNEVEN, 1 + UNEVEN))


def _actions(name: str, strength, unevenness) -> dict[str, float]:
    ranges: Mapping[str, list[float]] = _library()[presets.choose("expression", name, names())]["actions"]
    actions: dict[str, float] = {}
    for action, span in ranges.items():
        value = float(strength(*span))
        for part in (f"{action}Left", f"{action}Right") if action in BOTH else (action,):
            actions[part] = float(np.clip(actions.get(part, 0.0) + value * unevenness(), 0.0, 1.0))
    return actions


@cache
def _library() -> dict[str, dict]:
    return json.loads(EXPRESSIONS.read_text("utf-8"))
