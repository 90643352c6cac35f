"""Pictures turned into what a likeness report compares: one aligned face each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import identity
from ..closeups import CloseUp, close_ups_of
from ..faces import Face
from ..originals import AnyPhoto
from ..quality import angles


@dataclass(frozen=True, eq=False)
class SeenFace:
    """The face of a picture: aligned `[112, 112, 3]` (RGB, uint8), its embedding `[K]` of length 1, where it is.

    `face` is in the pixels of `picture`, the RGB picture in which it was seen.
    """

    aligned: np.ndarray
    embedding: np.ndarray
    face: Face
    picture: np.ndarray

    @property
    def turn(self) -> tuple[float, float]:
        """Yaw and pitch in degrees."""
        return angles(self.face)


def look(
    pictures: Sequence[AnyPhoto], embedder: identity.Embedder, person: np.ndarray | None = None
) -> list[SeenFace | None]:
    """Return the face of each picture (RGB, uint8): the one most like `person`, else the largest; None without any."""
    return seen_in(close_ups_of(list(pictures)), embedder, person)


def seen_in(
    found: Sequence[Sequence[CloseUp]], embedder: identity.Embedder, person: np.ndarray | None = None
) -> list[SeenFace | None]:
    """Return the face of each picture whose faces have been found; see `look`."""
    aligned = [[identity.align(one.pixels, one.seen) for one in own] for own in found]
    seen: list[SeenFace | None] = []
    for own, faces, embeddings in zip(found, aligned, identity.embed_aligned(aligned, embedder), strict=True):
        if not own:
            seen.append(None)
            continue
        at = 0 if person is None else int(np.argmax(embeddings @ identity.normalised(person)))
        seen.append(SeenFace(faces[at], embeddings[at], own[at].seen, own[at].pixels))
    return seen
