"""What the photo report says of one photo."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .faces import Face
from .quality import Quality


@dataclass
class Verdict:
    """One photo: its name, whether it is accepted, the reason in words, and what was seen in it.

    `size` is the photo's (width, height); it and the boxes of `faces` are in pixels of the whole photo, however small
    a copy of it was looked at. `face` is the index of the subject's face in `faces`, -1 when there is none; `likeness`
    its cosine to the subject, `embedding` its direction. `stranger`: the photo shows another person only. `held_out`:
    accepted, and kept from training so that likeness can be measured on it.
    """

    name: str
    accepted: bool = True
    reason: str = ""
    remarks: list[str] = field(default_factory=list)
    faces: list[Face] = field(default_factory=list)
    face: int = -1
    quality: Quality | None = None
    likeness: float | None = None
    embedding: np.ndarray | None = None
    stranger: bool = False
    held_out: bool = False
    size: tuple[int, int] = (0, 0)

    def reject(self, reason: str) -> None:
        """Reject the photo; the first reason stays."""
        if self.accepted:
            self.accepted, self.reason = False, reason
