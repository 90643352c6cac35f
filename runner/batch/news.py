"""What an operator hears of a batch, as it happens."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..scheduling import HostView

WINDOW = 600.0  # seconds over which the speed is measured


@dataclass(frozen=True)
class News:
    """Something that happened to a batch."""


@dataclass(frozen=True)
class RowFinished(News):
    """A row is done; `files` are names in the pictures folder, `likeness` the last stage's or None, `seconds` from its
    posting to its pictures."""

    row: int
    host: str
    files: tuple[str, ...]
    seconds: float
    likeness: float | None


@dataclass(frozen=True)
class AttemptFailed(News):
    """An attempt failed; the row is tried again unless `RowFailed` follows."""

    row: int
    attempt: int
    host: str
    error: str
    message: str


@dataclass(frozen=True)
class RowFailed(News):
    """A row was set aside."""

    row: int
    error: str
    message: str


@dataclass(frozen=True)
class HostChanged(News):
    """A host went away (`reason` says why) or came back."""

    host: str
    up: bool
    reason: str


@dataclass(frozen=True)
class SubjectBrought(News):
    """A subject was brought to a host that lacked it, from another; `size` in bytes."""

    subject: str
    host: str
    source: str
    size: int
    seconds: float


Reporter = Callable[[News], None]


@dataclass
class Tally:
    """How a batch does: counts of rows, speed and what is left; times in seconds."""

    rows: int
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    pictures: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    hosts: list[HostView] = field(default_factory=list)
    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)
    seconds: float = 0.0  # in jobs, for a mean

    def __post_init__(self) -> None:
        self.began = self.clock()
        self.here = 0  # rows done in this run
        self._recent: deque[tuple[float, int, int]] = deque()  # second, and the rows and pictures done in it

    @property
    def left(self) -> int:
        """Rows that are still open."""
        return max(0, self.rows - self.done - self.failed - self.cancelled)

    def __call__(self, news: News) -> None:
        """Take in something that happened."""
        if isinstance(news, RowFinished):
            self.done += 1
            self.here += 1
            self.pictures += len(news.files)
            self.seconds += news.seconds
            self._note(float(int(self.clock())), len(news.files))
        elif isinstance(news, RowFailed):
            self.failed += 1
            self.failures[news.error] += 1

    def _note(self, second: float, pictures: int) -> None:
        rows = 1
        if self._recent and self._recent[-1][0] == second:
            _, others, more = self._recent.pop()
            rows, pictures = rows + others, pictures + more
        self._recent.append((second, rows, pictures))

    def _lately(self) -> tuple[float, int, int]:
        """Return over how many seconds the speed is measured, and the rows and pictures made in them."""
        now = self.clock()
        while self._recent and self._recent[0][0] < now - WINDOW:
            self._recent.popleft()
        rows, pictures = sum(rows for _, rows, _ in self._recent), sum(pictures for *_, pictures in self._recent)
        return min(WINDOW, now - self.began), rows, pictures

    @property
    def pictures_a_minute(self) -> float:
        """The speed of the last ten minutes."""
        seconds, _, pictures = self._lately()
        return 60.0 * pictures / seconds if seconds > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """The seconds until the last row at the speed of the last ten minutes; None while nothing is done."""
        seconds, rows, _ = self._lately()
        return self.left * seconds / rows if rows else None
