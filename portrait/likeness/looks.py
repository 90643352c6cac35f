"""Hair, glasses and beard over pictures: what the person's photos agree on, and how many pictures keep it.

A face recognition does not see them. heads.py says what is seen in a picture; here nothing is looked at, only counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import comparing

ROWS = ("hair_colour", "hair_length", "glasses", "beard")


@dataclass(frozen=True)
class HeadLooks:
    """What is seen of a head; a field is None where it cannot be told.

    `hair` is its colour in CIELAB, `covered` how much of the band over the brow it takes, 0..1, `beside` how much of
    the places beside jaw and neck, 0..1; `rim` is the contrast of a line under the eyes in L, `chin` how much lighter
    (or, below 0, darker) than the cheeks the chin is.
    """

    hair: tuple[float, float, float] | None = None
    covered: float | None = None
    beside: float | None = None
    rim: float | None = None
    chin: float | None = None

    @property
    def length(self) -> str | None:
        """Whether the hair is "none", "short" or "long", which is to below the chin."""
        if not (hair := _told(self.covered, "covered")):
            return None if hair is None else "none"
        long = _told(self.beside, "beside")
        return None if long is None else "long" if long else "short"

    @property
    def glasses(self) -> bool | None:
        """Whether glasses are worn."""
        return _told(self.rim, "rim")

    @property
    def beard(self) -> bool | None:
        """Whether a full beard is worn; stubble is none."""
        return _told(None if self.chin is None else -self.chin, "chin")

    def as_dict(self) -> dict[str, Any]:
        """Return the looks as JSON holds them."""
        numbers = {name: getattr(self, name) for name in ("covered", "beside", "rim", "chin")}
        facts: dict[str, Any] = {name: None if one is None else round(one, 3) for name, one in numbers.items()}
        return facts | {"hair": None if self.hair is None else [round(one, 2) for one in self.hair]}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> HeadLooks:
        """Return what `as_dict` wrote. Raises ValueError or TypeError when it is anything else."""
        numbers = {name: facts[name] for name in ("covered", "beside", "rim", "chin") if facts.get(name) is not None}
        hair = facts.get("hair")
        every = [*numbers.values(), *(hair if hair is not None else (0, 0, 0))]
        if not all(type(one) in (int, float) and math.isfinite(one) for one in every) or len(every) != len(numbers) + 3:
            raise ValueError("looks are numbers, and hair three of them")
        return cls(hair=None if hair is None else (hair[0], hair[1], hair[2]), **numbers)


@dataclass(frozen=True)
class OwnLooks:
    """What most photos of a person show; a field is None where too few say it, or they contradict each other."""

    hair: tuple[float, float, float] | None = None
    length: str | None = None
    glasses: bool | None = None
    beard: bool | None = None


@dataclass(frozen=True)
class LooksKept:
    """One of ROWS over N pictures: how many keep it of how many that can be told."""

    kept: int
    told: int
    pictures: int

    @property
    def share(self) -> float | None:
        """The share of the told pictures that keep it; None when none can be told."""
        return round(self.kept / self.told, 4) if self.told else None

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON holds it."""
        return {"kept": self.share, "told": self.told, "pictures": self.pictures}


def own_looks(photos: Sequence[HeadLooks | None]) -> OwnLooks:
    """Return what the photos of a person agree on; None stands for a photo of which nothing is known."""
    seen = [one for one in photos if one is not None]
    limits = comparing.limits()["looks"]
    colours = [one.hair for one in seen if one.hair is not None]
    middle = np.median(colours, 0) if len(colours) >= limits["least_photos"] else None
    near = [middle is not None and float(np.linalg.norm(one - middle)) <= limits["colour"] for one in colours]
    agreed = middle is not None and sum(near) >= limits["agree"] * len(near)
    return OwnLooks(
        (float(middle[0]), float(middle[1]), float(middle[2])) if agreed and middle is not None else None,
        _agreed(seen, lambda one: one.length),
        _agreed(seen, lambda one: one.glasses),
        _agreed(seen, lambda one: one.beard),
    )


def kept(one: HeadLooks, own: OwnLooks) -> dict[str, bool | None]:
    """Return for each of ROWS whether a picture keeps it, None where picture or photos leave it open."""
    facts: dict[str, bool | None] = {
        "hair_length": _same(one.length, own.length),
        "glasses": _same(one.glasses, own.glasses),
        "beard": _same(one.beard, own.beard),
    }
    colour = None
    if one.hair is not None and own.hair is not None:
        colour = float(np.linalg.norm(np.subtract(one.hair, own.hair))) <= comparing.limits()["looks"]["colour"]
    return {name: colour if name == "hair_colour" else facts[name] for name in ROWS}


def shares(pictures: Sequence[HeadLooks | None], own: OwnLooks) -> dict[str, LooksKept]:
    """Return each of ROWS over pictures; None stands for a picture without a face, of which nothing is told."""
    found = [kept(one, own) if one is not None else dict.fromkeys(ROWS) for one in pictures]
    told = {name: [one[name] for one in found if one[name] is not None] for name in ROWS}
    return {name: LooksKept(sum(map(bool, each)), len(each), len(pictures)) for name, each in told.items()}


def _agreed(seen: Sequence[HeadLooks], what: Callable[[HeadLooks], Any]) -> Any:
    said = Counter(answer for one in seen if (answer := what(one)) is not None)
    if not said:
        return None
    limits = comparing.limits()["looks"]
    most, count = said.most_common(1)[0]
    return most if count >= max(limits["least_photos"], limits["agree"] * said.total()) else None


def _same(one: Any, own: Any) -> bool | None:
    return None if one is None or own is None else one == own


def _told(value: float | None, limit: str) -> bool | None:
    """Return whether a measure is above its limits, False below both, None between."""
    if value is None:
        return None
    no, yes = comparing.limits()["looks"][limit]
    return True if value > yes else False if value < no else None
