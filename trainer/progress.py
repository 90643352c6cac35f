"""What a training says while it works: the phase, the time left, the likeness so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from ..portrait.sheet import Tile, draw_sheet
from .judge import CheckpointScore
from .session import TrainingObserver

QUIET = 0.5
"""Seconds between two messages of one phase: a step of a small model takes less."""


class TrainingProgress:
    """Says in words and on a bar how far a training has come.

    `tell(text)` gets a few lines, once anything is judged with `curve`, a list of (step, likeness); `bar` is like
    ComfyUI's ProgressBar; `clock` counts seconds.
    """

    def __init__(self, tell: Callable[..., None], bar: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self.tell, self.bar, self.clock = tell, bar, clock
        self.scores: list[CheckpointScore] = []
        self.place, self.now = (0, 1), ""
        self.started: tuple[float, int] | None = None
        self.told = -QUIET

    @property
    def observer(self) -> TrainingObserver:
        """What the trainer reports to."""
        return TrainingObserver(self.step, self.pictures, self.phase, self.judged, self.drawing)

    def photo(self, done: int, total: int) -> None:
        """Count a photo that has been looked at."""
        self.bar.update_absolute(done, total)
        self._say(f"Looking at the photos: {done} of {total}", done == total)

    def phase(self, text: str) -> None:
        """Say what begins now."""
        self.now = text[:1].upper() + text[1:]
        self._say(self.now)

    def drawing(self, done: int, total: int) -> None:
        """Show on the bar how far the pictures of this phase are."""
        if not self.place[0]:  # once steps are counted, the bar is theirs
            self.bar.update_absolute(done, total)
        self._say(f"{self.now} ({100 * done // total} %)", False)

    def step(self, done: int, total: int, loss: float) -> None:
        """Count a step; the time left comes from all steps so far, the judging between them included."""
        self.place = (done, total)
        self.bar.update_absolute(done, total)
        now = self.clock()
        if self.started is None:
            self.started = (now, done)
        since, first = self.started
        left = (now - since) / (done - first) * (total - done) if done > first else None
        words = f", {duration(left)} left" if left is not None and done < total else ""
        self._say(f"Training: step {done} of {total}{words}", done == total)

    def judged(self, score: CheckpointScore) -> None:
        """Remember a judged checkpoint; the base model's comes first."""
        self.scores.append(score)

    def pictures(self, at: int, shown: list[np.ndarray]) -> None:
        """Show judged pictures on the node, side by side."""
        tiles = [Tile(Image.fromarray(picture), "") for picture in shown]
        title = f"step {at}" + (f", likeness {self.scores[-1].likeness:.2f}" if self.scores else "")
        sheet = draw_sheet(tiles, title, columns=min(4, len(tiles)), cell=256)
        self.bar.update_absolute(*self.place, ("JPEG", sheet, 1024))

    def _say(self, text: str, at_once: bool = True) -> None:
        if not at_once and self.clock() - self.told < QUIET:
            return
        self.told = self.clock()
        lines, facts = [text], dict[str, Any]()
        if self.scores:
            lines.append(self._likeness())
            facts["curve"] = [(score.step, round(score.likeness, 4)) for score in self.scores]
        self.tell("\n".join(lines), **facts)

    def _likeness(self) -> str:
        before, *later = self.scores
        if not later:
            return f"likeness before training {before.likeness:.2f}"
        best = max(later, key=lambda score: score.likeness)
        return f"best likeness so far {best.likeness:.2f} at step {best.step} (before training {before.likeness:.2f})"


def duration(seconds: float) -> str:
    """Return a time as people say it: no more exact than an estimate is."""
    if seconds < 60:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"
