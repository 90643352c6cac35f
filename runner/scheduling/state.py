"""What the scheduler remembers of rows, attempts and hosts."""

from __future__ import annotations

from dataclasses import dataclass, field

from .messages import Fault, Request
from .policy import Policy

POSTING, UNSURE, POSTED, RUNNING, ENDED, SAVING = "posting", "unsure", "posted", "running", "ended", "saving"
ON_HOST = (UNSURE, POSTED, RUNNING)
"""Statuses in which the host is asked how an attempt does; in UNSURE it may never have heard of it."""
HELD = (POSTING, *ON_HOST)
"""Statuses in which a host may hold the prompt."""


@dataclass(slots=True)
class AttemptState:
    """One open attempt; times are the scheduler's seconds."""

    row: int
    number: int
    host: str
    prompt_id: str
    status: str
    since: float
    missing: float | None = None  # since when the host does not know it
    fate: Fault | None = None  # what it will have failed of, if it stays missing; None: another one took it down
    fetches: int = 0  # how often its files were asked for in vain
    fetch_at: float = 0.0
    moving_out: bool = False  # to be withdrawn, since another host is idle


@dataclass(slots=True)
class RowState:
    """One open row. `avoid` is the host that the next attempt should not go to, if there is another."""

    number: int
    attempts: int = 0
    strikes: dict[str, int] = field(default_factory=dict)
    open: list[AttemptState] = field(default_factory=list)
    avoid: str = ""
    needs: frozenset[str] = frozenset()
    last: Fault | None = None  # what it failed of once too often: no more attempts, but one that is open may do it


@dataclass(slots=True)
class HostState:
    """One host. It is away until a first look has been answered.

    `has` are its subjects; `lacks` those that could not be brought to it, and until when nobody tries again.
    """

    name: str
    pause: float
    retry_at: float = 0.0
    away_since: float | None = 0.0
    reason: str = "it has not answered yet"
    heard: bool = False  # whether it has answered, or failed to, at all
    asked: Request | None = None
    open: dict[str, AttemptState] = field(default_factory=dict)
    ghosts: dict[str, float] = field(default_factory=dict)  # prompt ids given up, and until when they are looked for
    remove: dict[str, None] = field(default_factory=dict)  # those of them to be removed now
    free: bool = False
    stuck: tuple[str, ...] = ()  # what ran when the host was left because nothing moved; it is back when that changes
    look_at: float = 0.0
    look_pause: float = 0.0
    running: tuple[str, ...] = ()
    moved_at: float = 0.0
    strikes: int = 0
    done: int = 0
    seconds: float = 0.0  # what a job takes here, a running mean; 0 while unknown
    has: frozenset[str] = frozenset()
    lacks: dict[str, float] = field(default_factory=dict)

    @property
    def up(self) -> bool:
        """Whether the host answered last time."""
        return self.away_since is None

    @property
    def reached(self) -> bool:
        """Whether the host can be asked to let go of what waits there: it is up, or only stuck."""
        return self.up or bool(self.stuck)

    @property
    def held(self) -> int:
        """How many prompts of ours the host may hold."""
        return sum(one.status in HELD for one in self.open.values())

    def can_take(self, row: RowState, now: float) -> bool:
        """Whether the host has what a row needs, or may have it brought."""
        return all(one in self.has or self.lacks.get(one, 0.0) <= now for one in row.needs)

    def leave(self, now: float, policy: Policy, reason: str, pause: float = 0.0) -> None:
        """Pause the host after a failure; each further failure doubles the pause."""
        if self.away_since is None:
            self.away_since = now
        self.reason, self.heard = reason, True
        self.retry_at = now + max(pause, self.pause)
        self.pause = min(self.pause * 2, policy.host_longest)

    def come_back(self, now: float, policy: Policy) -> None:
        """The host answers."""
        self.heard = True
        if self.away_since is not None:
            self.moved_at += now - self.away_since  # the time away does not count as standing still
            self.away_since = None
        if self.strikes < policy.host_strikes:  # a host that answers and fails every job keeps its growing pause
            self.pause = policy.host_pause

    def measure(self, seconds: float) -> None:
        """Take the time of one more job into the running mean."""
        self.seconds = 0.8 * self.seconds + 0.2 * seconds if self.seconds else seconds

    def look_soon(self, now: float, policy: Policy) -> None:
        """Look again when a job may be through: after half of the usual time."""
        self.look_pause = min(max(self.seconds / 2, policy.look_soonest), policy.look_latest)
        self.look_at = now + self.look_pause

    def look_later(self, now: float, policy: Policy) -> None:
        """Look again after a longer pause than the last."""
        self.look_pause = min(max(self.look_pause * 1.5, policy.look_soonest), policy.look_latest)
        self.look_at = now + self.look_pause
