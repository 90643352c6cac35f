"""How far a job is, from what its host says: pure, so that it can be tried without a host."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from ...runner.client import events

TRAINER = "PortraitTrainLoRA"
STEP = re.compile(r"Training: step (\d+) of (\d+)")
"""What trainer/progress.py says at each step."""
_TRAINING, _SAMPLING, _OTHER = 500, 20, 1
"""Roughly how long kinds of nodes take, compared with each other."""
_BEFORE = 0.1
"""The share of a training before its first step."""


@dataclass
class JobTrack:
    """Takes in the events of one prompt. `progress` is 0..1 and never goes back; `left` are seconds of the training.

    `curve` is (step, likeness) of what the training has judged, and `sample` the newest picture of it, with its type.
    """

    prompt: Mapping[str, Any]
    clock: Callable[[], float] = monotonic
    progress: float = 0.0
    left: float | None = None
    curve: list[tuple[float, float]] = field(default_factory=list)
    sample: tuple[str, bytes] | None = None
    _done: float = 0.0
    _first: tuple[float, int] | None = None

    def take(self, event: events.Event) -> None:
        """Take in an event."""
        if isinstance(event, events.NodeFinished):
            self._done += self._weight(event.node)
            self._reach(self._done)
            if self._trains(event.node):
                self.left = None
        elif isinstance(event, events.NodeProgress) and event.max:
            # Before its steps a training counts photos and pictures, each from nothing.
            share = _BEFORE if self._trains(event.node) else 1.0
            self._reach(self._done + self._weight(event.node) * share * event.value / event.max)
        elif isinstance(event, events.NodeSaid):
            self.curve = event.curve or self.curve
            if (step := STEP.match(event.text)) and self._trains(event.node):
                self._train(event.node, int(step[1]), int(step[2]))
        elif isinstance(event, events.Preview) and self._trains(event.node) and event.picture:
            self.sample = (event.media_type, event.picture)

    def _train(self, node: str, done: int, total: int) -> None:
        """Estimate the time left from all steps so far, the judging between them included."""
        self._reach(self._done + self._weight(node) * (_BEFORE + (1 - _BEFORE) * done / total))
        now = self.clock()
        if self._first is None:
            self._first = now, done
        since, first = self._first
        self.left = (now - since) / (done - first) * (total - done) if done > first else None

    def _reach(self, done: float) -> None:
        whole = sum(map(self._weight, self.prompt))
        self.progress = max(self.progress, min(1.0, done / whole)) if whole else self.progress

    def _trains(self, node: str) -> bool:
        return self.prompt.get(node, {}).get("class_type") == TRAINER

    def _weight(self, node: str) -> int:
        if self._trains(node):
            return _TRAINING
        return _SAMPLING if "steps" in self.prompt.get(node, {}).get("inputs", {}) else _OTHER
