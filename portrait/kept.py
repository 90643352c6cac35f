"""How alike faces are to themselves, and to the person, before and after something was done to a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from . import identity
from .face import Face
from .tensors import to_uint8


class ChangedFace(Protocol):
    """A face that something was done to: the picture's number in the batch, and the face as it was before."""

    @property
    def frame(self) -> int:
        """The picture's number in the batch."""
        ...

    @property
    def face(self) -> Face:
        """The face, in pixels of its picture."""
        ...


@dataclass(frozen=True)
class LikenessKept:
    """Cosines of face embeddings, -1..1.

    `kept` is each face after the change to the same face before, in the order of the faces; `before` and `after` are
    the likeness to the person, of the face most like them, None where nobody is known or no face was found.
    """

    kept: tuple[float, ...]
    before: float | None = None
    after: float | None = None

    @property
    def words(self) -> str:
        """What a node says of it, beginning with a comma; nothing where no face was measured."""
        text = f", likeness to before {min(self.kept):.3f}" if self.kept else ""
        if self.before is not None and self.after is not None:
            text += f", to the person {self.before:.3f} before, {self.after:.3f} after"
        return text


def measured(
    before: torch.Tensor,
    after: torch.Tensor,
    faces: Sequence[ChangedFace],
    person: np.ndarray | None = None,
    embedder: identity.Embedder | None = None,
) -> LikenessKept:
    """Return the likeness of faces in pictures `[B, H, W, C]` before and after a change that moves nothing.

    Both are read at the landmarks of before. `person` is the direction `[K]` of the person, measured by `embedder`.
    """
    own = [[one.face for one in faces if one.frame == frame] for frame in range(len(before))]
    found = []
    for pictures in (before, after):
        pixels = [to_uint8(picture) for picture in pictures]
        found.append([each for each in identity.embed_all(pixels, own, embedder) if len(each)])
    kept = [float(np.clip(cosine, -1, 1)) for b, a in zip(*found, strict=True) for cosine in (b * a).sum(1)]
    if person is None or not kept:
        return LikenessKept(tuple(kept))
    was, now = (max(identity.likeness(each, person) for part in parts for each in part) for parts in found)
    return LikenessKept(tuple(kept), was, now)
