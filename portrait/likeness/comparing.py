"""What comparisons of aligned faces of 112 px share."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from ..colour_spaces import LUMA
from ..disk import read_toml

# The mouth as rows and columns of the aligned face; sides divide by CELL.
MOUTH = (slice(76, 108), slice(32, 80))
CELL = 4  # px
CANDIDATES = 3  # photos whose pixels are compared with a face's: those most like it as faces


@functools.cache
def limits() -> dict[str, Any]:
    """Return limits.toml."""
    return read_toml(Path(__file__).with_name("limits.toml"))


def pattern(faces: np.ndarray, part: tuple[slice, slice] = MOUTH) -> np.ndarray:
    """Return light and shade of aligned faces `[N, 112, 112, 3]` as vectors `[N, P]` of mean 0 and length 1."""
    luma = np.asarray(faces)[:, part[0], part[1]].astype(np.float32) @ LUMA.astype(np.float32)
    count, high, wide = luma.shape
    cells = luma.reshape(count, high // CELL, CELL, wide // CELL, CELL).mean((2, 4)).reshape(count, -1)
    cells = cells - cells.mean(1, keepdims=True)
    return cells / np.maximum(np.linalg.norm(cells, axis=1, keepdims=True), 1e-6)


def nearest_faces(cosines: np.ndarray) -> np.ndarray:
    """Return the columns of the CANDIDATES largest of each row `[N, M]`, the largest first."""
    return np.argsort(-cosines, axis=1)[:, :CANDIDATES]
