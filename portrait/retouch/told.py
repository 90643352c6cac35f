"""What a retouch did to the likeness of the faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .. import identity
from ..tensors import to_uint8
from .retouching import Retouched

LEAST_KEPT = 0.95
"""The cosine between a face before and after below which a retouch has done too much to it."""


@dataclass(frozen=True)
class RetouchReport:
    """Cosines of face embeddings, -1..1.

    `kept` is each face after the retouch to the same face before, in the order of `Retouched.faces`; `before` and
    `after` are the likeness to the person, of the face most like them, None where nobody is known or no face was found.
    """

    kept: tuple[float, ...]
    before: float | None = None
    after: float | None = None


def measured(
    images: torch.Tensor,
    retouched: Retouched,
    person: np.ndarray | None = None,
    embedder: identity.Embedder | None = None,
) -> RetouchReport:
    """Return the likeness of the faces before (`images`, `[B, H, W, C]`) and after a retouch.

    Both are read at the landmarks of before, because a retouch moves nothing. `person` is the direction `[K]` of the
    person, measured by `embedder`.
    """
    own = [[one.face for one in retouched.faces if one.frame == frame] for frame in range(len(images))]
    found = []
    for pictures in (images, retouched.images):
        pixels = [to_uint8(picture) for picture in pictures]
        found.append([each for each in identity.embed_all(pixels, own, embedder) if len(each)])
    kept = [float(np.clip(cosine, -1, 1)) for b, a in zip(*found, strict=True) for cosine in (b * a).sum(1)]
    if person is None or not kept:
        return RetouchReport(tuple(kept))
    before, after = (max(identity.likeness(each, person) for part in parts for each in part) for parts in found)
    return RetouchReport(tuple(kept), before, after)
