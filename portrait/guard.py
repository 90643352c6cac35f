"""A stage held to the person: the picture after it, a blend of the face, or the picture before it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch

from . import crops, identity
from .closeups import close_ups_of
from .errors import PortraitError
from .face import Face
from .sampling import resize
from .tensors import to_uint8

Choice = Literal["after", "blend", "before"]

LEAST_SHARE = 0.25
"""A blend that would keep less of the stage than this is not made: two faces would show, and little of the stage."""
PROBES = 4  # looks at blends behind the first; the share found is within (1 - LEAST_SHARE) / 2**PROBES of the largest
SHAPE_TOLERANCE = 0.02  # sides are rounded to 8 px by every upscale


class GuardError(PortraitError):
    """A stage cannot be held to the person as asked."""


class PersonSeen(NamedTuple):
    """The face of a picture that is most like the person, and its likeness, -1..1; both None without a face."""

    face: Face | None
    likeness: float | None


@dataclass(frozen=True)
class Guarded:
    """What was kept of a stage.

    `share` is how much of the stage's face is in the picture: 1 after, 0 before. `before`, `after` and `likeness` (of
    the picture kept) are cosines, None where no face was found.
    """

    choice: Choice
    share: float
    before: float | None
    after: float | None
    likeness: float | None
    sentence: str


def person_in(person: np.ndarray, embedder: identity.Embedder) -> Callable[[torch.Tensor], PersonSeen]:
    """Return the function that finds the person (direction `[K]`) in a picture `[H, W, C]`, 0..1."""

    def look(picture: torch.Tensor) -> PersonSeen:
        (found,) = close_ups_of([to_uint8(picture)])
        (embeddings,) = identity.embed_aligned([[identity.align(one.pixels, one.seen) for one in found]], embedder)
        alike = [(identity.likeness(each, person), one.face) for each, one in zip(embeddings, found, strict=True)]
        if not alike:
            return PersonSeen(None, None)
        likeness, face = max(alike, key=lambda each: each[0])
        return PersonSeen(face, likeness)

    return look


def guard(
    before: torch.Tensor,
    after: torch.Tensor,
    look: Callable[[torch.Tensor], PersonSeen],
    allowed_loss: float,
) -> tuple[torch.Tensor, Guarded]:
    """Return what may be kept of a stage, `[H, W, C]` at the size of `after`, and what that is.

    `before` and `after` are one picture `[H, W, C]`, 0..1, before and after the stage; after an upscale it is larger.
    `look` finds the person in a picture, see `person_in`. The likeness of the picture that comes back is at most
    `allowed_loss` below that of `before`: it is `after` itself where that holds; else `after` with as much of the face
    of `before` laid over its own as is needed, if that leaves at least LEAST_SHARE; else `before`. Where before has no
    face there is nothing to hold to, and `after` comes back; where the stage lost the face, `before` does.

    Raises GuardError for an allowed loss that is not a number of at least 0, or pictures of different shapes.
    """
    if not (math.isfinite(allowed_loss) and allowed_loss >= 0):
        raise GuardError(f"The allowed loss of likeness is {allowed_loss}; it must be 0 or more, such as 0.05.")
    fitted = _fitted(before, after)
    was, now = look(before), look(after)
    if was.face is None or was.likeness is None:
        said = "No face was found before this stage, so there is nothing to hold it to: the picture after it is kept."
        return after, Guarded("after", 1.0, None, now.likeness, now.likeness, said)
    if now.face is None or now.likeness is None:
        said = f"No face was found after this stage: the picture before it is kept (likeness {was.likeness:.3f})."
        return fitted, Guarded("before", 0.0, was.likeness, None, was.likeness, said)
    least = was.likeness - allowed_loss
    change = f"likeness went from {was.likeness:.3f} to {now.likeness:.3f}"
    if now.likeness >= least:
        said = f"The stage kept the person ({change}, {allowed_loss:g} may be lost): its picture is kept."
        return after, Guarded("after", 1.0, was.likeness, now.likeness, now.likeness, said)
    mask = _face_region(fitted, before, was.face, now.face)
    found = _largest_share(lambda share: _blend(fitted, after, mask, share), look, least)
    if found is None:
        said = f"The stage lost the person ({change}), and no blend keeps them: the picture before it is kept."
        return fitted, Guarded("before", 0.0, was.likeness, now.likeness, was.likeness, said)
    share, likeness, picture = found
    said = f"The stage lost the person ({change}): {share:.0%} of its face is kept, which gives {likeness:.3f}."
    return picture, Guarded("blend", share, was.likeness, now.likeness, likeness, said)


def _largest_share(
    blend: Callable[[float], torch.Tensor], look: Callable[[torch.Tensor], PersonSeen], least: float
) -> tuple[float, float, torch.Tensor] | None:
    """Return the largest share that keeps the person, by bisection, with likeness and picture; None when none does."""
    kept, lost = None, 1.0
    share = LEAST_SHARE
    for _ in range(1 + PROBES):
        picture = blend(share)
        likeness = look(picture).likeness
        if likeness is not None and likeness >= least:
            kept = (share, likeness, picture)
        elif kept is None:
            return None
        else:
            lost = share
        share = (kept[0] + lost) / 2
    return kept


def _blend(before: torch.Tensor, after: torch.Tensor, mask: torch.Tensor, share: float) -> torch.Tensor:
    opacity = (mask * (1 - share))[..., None].to(after)
    return torch.where(opacity > 0, torch.lerp(after, before.to(after), opacity), after)


def _face_region(fitted: torch.Tensor, before: torch.Tensor, was: Face, now: Face) -> torch.Tensor:
    """Return the soft mask `[H, W]` of the face before, scaled to the picture after, and of the one after."""
    height, width = fitted.shape[:2]
    across, down = width / before.shape[1], height / before.shape[0]
    x, y, wide, high = was.box
    points = tuple((at * across, to * down) for at, to in was.landmarks)
    scaled = Face((x * across, y * down, wide * across, high * down), points, was.score)
    side = float(max(height, width))
    rows = torch.arange(height, device=fitted.device, dtype=torch.float32) + 0.5
    columns = torch.arange(width, device=fitted.device, dtype=torch.float32) + 0.5
    grid_y, grid_x = torch.meshgrid(rows, columns, indexing="ij")
    mask = torch.zeros((height, width), device=fitted.device)
    for face in (scaled, now):
        # A region whose crop is the picture itself: the crop's coordinates are the picture's.
        region = crops.Region(0, (side / 2, side / 2), side, 0.0, face)
        away = crops.radius(region, round(side), grid_x, grid_y)
        mask = torch.maximum(mask, crops.smooth_step(crops.MASK_OUTER, crops.MASK_INNER, away))
    return mask


def _fitted(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Return `before` at the size and with the channels of `after`."""
    (high, wide, channels), (tall, broad, wanted) = before.shape, after.shape
    if abs(math.log((wide / high) / (broad / tall))) > SHAPE_TOLERANCE:
        raise GuardError(
            f"The picture before is {wide} x {high} px and the one after {broad} x {tall}: they differ in shape; "
            "connect one picture before and after a stage that does not crop."
        )
    if channels != wanted:
        raise GuardError(
            f"The picture before has {channels} channels and the one after {wanted}; connect both without alpha."
        )
    return before if (high, wide) == (tall, broad) else resize(before, tall, broad).clamp(0, 1)
