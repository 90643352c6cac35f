"""Photos that are looked at reduced, while their whole pixels stay in the file.

A photo of 48 megapixels takes 576 MB as ComfyUI's IMAGE. So what is passed on has about two megapixels, and whoever
needs more of a face or of the whole photo reads it from the file, one photo at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from . import decoding
from .decoding import Box, Patch, PhotoError

# Pixels of a reduced photo: 23 MB as IMAGE, so thirty of them take 0.7 GB and leave room for decoding within 1.5 GB.
REDUCED = 1_900_000


@dataclass(frozen=True)
class Original:
    """A file on the disk as it was when it was looked at first; `size` is that of the upright photo, width, height."""

    path: Path
    size: tuple[int, int]
    stamp: tuple[int, int]

    def whole(self) -> np.ndarray:
        """Return the whole photo, RGB uint8 `[H, W, 3]`. Raises PhotoError when the file has changed since."""
        self._unchanged()
        return decoding.read_whole(self.path)

    def regions(self, boxes: Sequence[Box], least: int) -> list[Patch]:
        """Return regions of the photo; see decoding.read_regions. Raises PhotoError when the file has changed since."""
        self._unchanged()
        return decoding.read_regions(self.path, boxes, least)

    def _unchanged(self) -> None:
        if _stamp(self.path) != self.stamp:
            raise PhotoError(f"{self.path.name} has changed since it was loaded; queue the graph again.")


class Photo:
    """One photo: pixels to look at, and the file that has more of them, if there is one.

    `pixels` is an array RGB uint8 `[h, w, 3]`, or what makes it when it is asked for.
    """

    def __init__(self, pixels: np.ndarray | Callable[[], np.ndarray], original: Original | None = None) -> None:
        self._pixels = pixels
        self.original = original

    @property
    def pixels(self) -> np.ndarray:
        """The pixels to look at; made again each time if they were given as a function, so ask once."""
        return self._pixels() if callable(self._pixels) else self._pixels

    def whole(self) -> np.ndarray:
        """Return the whole photo, RGB uint8 `[H, W, 3]`. Raises PhotoError when its file is not to be had any more."""
        return self.original.whole() if self.original else self.pixels


AnyPhoto: TypeAlias = "Photo | np.ndarray"


def as_photo(photo: AnyPhoto) -> Photo:
    """Return an array (RGB uint8 `[H, W, 3]`) as a photo that is already whole, and a photo as it is."""
    return Photo(photo) if isinstance(photo, np.ndarray) else photo


def open_photo(path: Path, most: int = REDUCED) -> Photo:
    """Return the photo of a file, with at most `most` pixels to look at. Raises PhotoError when it cannot be read."""
    stamp = _stamp(path)
    pixels, size = decoding.read_reduced(path, most)
    if (pixels.shape[1], pixels.shape[0]) == size:
        return Photo(pixels)
    return Photo(pixels, Original(path.absolute(), size, stamp))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError as error:
        raise PhotoError(
            f"{path.name} cannot be opened ({error.strerror or error}); check its name and place."
        ) from error
    return facts.st_size, facts.st_mtime_ns
