"""Which photos training must not see, so that a likeness measured on them means something."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .verdict import Verdict

SHARE = 5  # one photo in so many is held out
LEAST = 2
# Likeness is scored on portraits that look more or less into the camera, so the photos it is measured against do too.
FRONTAL = 35.0
LARGE = 160  # px; a larger face says no more to a recogniser that looks at 112 px
TYPICAL = 0.05  # likenesses to the person's mean that differ by less say the same


def held_out(verdicts: Sequence[Verdict], edges: Sequence[float]) -> list[int]:
    """Return the indices of the photos to hold out: a fifth of the accepted ones, at least two, always the same ones.

    They are spread over the turns of the head up to FRONTAL degrees: of each stretch a typical one, large and sharp.
    A photo that is the only one of its view (between two of `edges`, degrees of yaw), that shows other faces, or whose
    face is cut by the border is taken only for want of others.
    """
    accepted = [index for index, verdict in enumerate(verdicts) if verdict.accepted and verdict.quality]
    wanted = min(max(LEAST, round(len(accepted) / SHARE)), len(accepted))
    views = {index: _view(_yaw(verdicts[index]), edges) for index in accepted}
    seen = list(views.values())

    def spare(index: int) -> tuple[bool, bool, float]:
        alone = seen.count(views[index]) == 1
        whole = not verdicts[index].remarks
        turned = abs(_yaw(verdicts[index]))
        return alone or turned > FRONTAL, not whole, max(turned, FRONTAL)

    # The best class of candidates that is large enough, filled up from the next.
    ranked = sorted(accepted, key=lambda index: (spare(index), *_place(verdicts[index])))
    best = [index for index in ranked if spare(index)[:2] == (False, False)]
    candidates = best if len(best) >= wanted else ranked[:wanted]
    candidates = sorted(candidates, key=lambda index: _place(verdicts[index]))
    chosen = []
    for part in range(wanted):
        low, high = (math.ceil(len(candidates) * edge / wanted) for edge in (part, part + 1))
        chosen.append(max(candidates[low:high], key=lambda index: _typical(verdicts[index])))
    return sorted(chosen)


def _view(yaw: float, edges: Sequence[float]) -> int:
    return sum(yaw >= edge for edge in edges)


def _yaw(verdict: Verdict) -> float:
    return verdict.quality.yaw if verdict.quality else 0.0


def _place(verdict: Verdict) -> tuple[float, str]:
    return round(_yaw(verdict), 1), verdict.name


def _typical(verdict: Verdict) -> tuple[int, int, float, str]:
    side = min(verdict.faces[verdict.face].box[2:]) if verdict.face >= 0 else 0.0
    sharp = verdict.quality.sharpness if verdict.quality else 0.0
    return round((verdict.likeness or 0.0) / TYPICAL), round(min(side, LARGE)), round(sharp, 3), verdict.name
