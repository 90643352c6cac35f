"""Photos that are all but the same: the burst, the same file at another size, the copy with other colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .scaling import averaged

# Two pictures are nearly the same when their difference hashes differ in at most HASH_BITS of 256 bits and their grey
# thumbnails, brought to one brightness and contrast, by at most THUMBNAIL_DIFFERENCE standard deviations on average.
HASH_SIDE = 16
HASH_BITS = 30
THUMBNAIL_SIDE = 32
THUMBNAIL_DIFFERENCE = 0.22
GREY = np.array((0.299, 0.587, 0.114), np.float32)  # Rec. 601 luma


@dataclass(frozen=True)
class Fingerprint:
    """A picture's difference hash (256 bits) and its grey thumbnail `[32, 32]` of mean 0 and deviation 1."""

    bits: np.ndarray
    thumbnail: np.ndarray


def fingerprint(image: np.ndarray) -> Fingerprint:
    """Return the fingerprint of a picture `[H, W, 3]` (RGB, uint8).

    The hash is dHash (Neal Krawetz, "Kind of Like That", 2013) at 16 x 16: whether each cell is brighter than the next.
    """
    # One pass over the photo, at a width that both sizes divide.
    grey = averaged(image, THUMBNAIL_SIDE, THUMBNAIL_SIDE * (HASH_SIDE + 1)) @ GREY
    thumbnail = np.rint(grey.reshape(THUMBNAIL_SIDE, THUMBNAIL_SIDE, -1).mean(2))
    cells = np.rint(grey.reshape(HASH_SIDE, THUMBNAIL_SIDE // HASH_SIDE, HASH_SIDE + 1, -1).mean((1, 3)))
    spread = float(thumbnail.std())
    return Fingerprint(
        (cells[:, 1:] > cells[:, :-1]).ravel(), (thumbnail - thumbnail.mean()) / (spread if spread > 1e-3 else 1.0)
    )


def alike(first: Fingerprint, second: Fingerprint) -> bool:
    """Return whether two pictures are nearly the same."""
    if int((first.bits != second.bits).sum()) > HASH_BITS:
        return False
    return float(np.abs(first.thumbnail - second.thumbnail).mean()) <= THUMBNAIL_DIFFERENCE


def near_duplicates(prints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return the groups of two or more indices whose pictures are nearly the same as the group's first."""
    groups: list[list[int]] = []
    for index, print_ in enumerate(prints):
        for group in groups:
            if alike(prints[group[0]], print_):
                group.append(index)
                break
        else:
            groups.append([index])
    return [group for group in groups if len(group) > 1]
