"""How varied pictures are: one pose and one expression over and over is what a copier draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from . import comparing


@dataclass(frozen=True)
class Spread:
    """`yaw` and `pitch` as standard deviations in degrees; `expression` as the mean difference of mouths, 0..2."""

    yaw: float
    pitch: float
    expression: float

    def as_dict(self) -> dict[str, float]:
        """Return the spread as JSON holds it."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def spread(faces: Sequence[np.ndarray] | np.ndarray, turns: Any) -> Spread | None:
    """Return the spread of aligned faces `[N, 112, 112, 3]` with yaw and pitch `[N, 2]`; None for fewer than two."""
    if len(faces) < 2:
        return None
    turns = np.asarray(turns, np.float64)
    mouths = comparing.pattern(np.stack(list(faces)))
    alike = (mouths @ mouths.T)[np.triu_indices(len(mouths), 1)]
    return Spread(float(turns[:, 0].std()), float(turns[:, 1].std()), float(1 - alike.mean()))


def narrow(pictures: Spread | None, photos: Spread | None) -> list[str]:
    """Return a sentence for pose and for expression where pictures vary much less than the photos do."""
    if pictures is None or photos is None:
        return []
    least, said = comparing.limits()["narrow"], []
    if pictures.yaw < least * photos.yaw and pictures.pitch < least * max(photos.pitch, 1.0):
        said.append(
            f"All pictures hold the head alike (yaw varies by {pictures.yaw:.0f} degrees, in the photos by "
            f"{photos.yaw:.0f})."
        )
    if pictures.expression < least * photos.expression:
        said.append("All pictures have one expression.")
    return said
