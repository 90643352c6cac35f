"""What photos of a person must cover to teach a face from all sides."""

from __future__ import annotations

from collections.abc import Sequence

from .verdict import Verdict

LEAST_ACCEPTED = 5
"""The fewest photos that teach a face, the held-out ones included."""

VIEWS = (
    ("a frontal view, looking into the camera", -15, 15),
    ("a view turned half to the left of the picture", -45, -15),
    ("a view turned half to the right of the picture", 15, 45),
    ("a left profile, the nose pointing to the left of the picture", -91, -45),
    ("a right profile, the nose pointing to the right of the picture", 45, 91),
)
"""What a set should cover: in words, from and below which yaw in degrees."""


def missing(verdicts: Sequence[Verdict]) -> list[str]:
    """Return what to add, in words, for the accepted photos to cover a person from all sides."""
    yaws = [verdict.quality.yaw for verdict in verdicts if verdict.accepted and verdict.quality]
    wanted = []
    if len(yaws) < LEAST_ACCEPTED:
        least = f"{LEAST_ACCEPTED} are needed at least, 10 to 20 are better"
        wanted.append(f"add photos: {len(yaws)} accepted, {least}")
    return wanted + [f"add {view}" for view, low, high in VIEWS if not any(low <= yaw < high for yaw in yaws)]
