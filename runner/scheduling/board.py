"""Rows, attempts and hosts together, and the ways in which an attempt or a row ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from .messages import AttemptClosed, AttemptOpened, Decision, Fault, OpenAttempt, OpenRow, Post, RowDone, RowSetAside
from .policy import Policy
from .state import HELD, POSTING, SAVING, UNSURE, AttemptState, HostState, RowState

BRINGING = "subject"
"""The kind of failure by which a host lacks a subject of the row, and could not be brought it."""
CRASHED = "crash"
"""The kind of failure by which a host lost a job that ran, or ran next: which of them was it?"""


class Board:
    """All that is open. Rows that are done are forgotten: memory follows what is open, not how long the table is."""

    def __init__(self, hosts: Iterable[str], policy: Policy, name: Callable[[int, int], str]) -> None:
        self.policy = policy
        self.name = name
        self.now = 0.0
        self.hosts = {one: HostState(one, policy.host_pause) for one in hosts}
        self.rows: dict[int, RowState] = {}
        self.fresh: deque[int] = deque()
        self.again: dict[int, float] = {}  # rows between two attempts, and when they are ready for the next
        self.last = False  # whether every row of the table has been loaded
        self.done = self.set_aside = 0
        self.seconds = 0.0  # what a job takes on any host, a running mean
        self.measured = 0
        self.serial = 0
        self.out = Decision()

    def attempt(self, row: int, number: int) -> AttemptState | None:
        """Return an open attempt."""
        found = self.rows.get(row)
        return next((one for one in found.open if one.number == number), None) if found else None

    def gone(self, host: str) -> bool:
        """Whether a host has been away for so long that its rows go to others."""
        away = self.hosts[host].away_since if host in self.hosts else None
        return away is not None and self.now - away >= self.policy.patience

    def has_room(self, host: HostState, row: RowState) -> bool:
        """Whether a host may take a row besides what it holds. One whose host crashed is tried alone from then on.

        So it is known which row it was the next time.
        """
        held = [self.rows[one.row] for one in host.open.values() if one.status in HELD]
        alone = any(CRASHED in one.strikes for one in (row, *held))
        return len(held) < (1 if alone else self.policy.depth)

    def idle(self, row: RowState) -> bool:
        """Whether nothing happens to a row: it has no open attempt, or all of them are on hosts that are gone."""
        return all(one.status != SAVING and self.gone(one.host) for one in row.open)

    def next_serial(self) -> int:
        """Return a number that no request has had."""
        self.serial += 1
        return self.serial

    def add(self, one: OpenRow) -> list[AttemptState]:
        """Take in a row from the table, and return its attempts whose files may be in place."""
        row = self.rows[one.number] = RowState(one.number, one.attempts, dict(one.strikes), needs=one.needs)
        for left in one.open:
            self._adopt(row, left)
        if not row.open:
            if one.attempts:
                self.again[one.number] = self.now
            else:
                self.fresh.append(one.number)
        return [attempt for attempt in row.open if attempt.status == SAVING]

    def _adopt(self, row: RowState, left: OpenAttempt) -> None:
        """Take an attempt over from an earlier run: its host may have it still, or its files may be here."""
        host = self.hosts.get(left.host)
        if host is None and not left.saving:
            self.out.notes.append(AttemptClosed(row.number, left.number, "withdrawn"))
            return
        status = SAVING if left.saving else UNSURE
        attempt = AttemptState(row.number, left.number, left.host, left.prompt_id, status, self.now)
        row.open.append(attempt)
        if host is not None:
            host.open[left.prompt_id] = attempt

    def open(self, row: RowState, host: HostState) -> Post:
        """Begin the next attempt at a row."""
        self.again.pop(row.number, None)
        row.attempts += 1
        prompt_id = self.name(row.number, row.attempts)
        attempt = AttemptState(row.number, row.attempts, host.name, prompt_id, POSTING, self.now)
        row.open.append(attempt)
        host.open[prompt_id] = attempt
        self.out.notes.append(AttemptOpened(row.number, attempt.number, host.name, prompt_id))
        return Post(host.name, self.next_serial(), row.number, attempt.number, prompt_id)

    def close(self, attempt: AttemptState, state: str, fault: Fault | None = None, there: bool = False) -> None:
        """End an attempt. If it may still be `there`, on its host, it is removed from it, now or when it turns up."""
        self.rows[attempt.row].open.remove(attempt)
        host = self.hosts.get(attempt.host)
        if host is not None:
            host.open.pop(attempt.prompt_id, None)
            host.ghosts[attempt.prompt_id] = self.now + self.policy.ghost_keep
            if there:
                host.remove[attempt.prompt_id] = None
        self.out.notes.append(AttemptClosed(attempt.row, attempt.number, state, fault))

    def withdraw(self, attempt: AttemptState, there: bool) -> None:
        """End an attempt through no fault of its row, which is tried again elsewhere at once."""
        self.close(attempt, "withdrawn", there=there)
        self._go_on(self.rows[attempt.row], attempt.host, 0.0)

    def strike(self, attempt: AttemptState, fault: Fault) -> None:
        """Count a failure against the row, and if need be the host; try again later, or set the row aside."""
        row, host, rule = self.rows[attempt.row], self.hosts.get(attempt.host), self.policy.rules[fault.kind]
        self.close(attempt, "failed", fault, there=fault.kind in ("stalled", "timeout"))
        row.strikes[fault.kind] = row.strikes.get(fault.kind, 0) + 1
        if host is not None:
            host.free |= rule.free
            if rule.blame:
                self._blame(host, fault)
        if row.strikes[fault.kind] > rule.retries and not self._to_be_had(row, attempt.host, fault):
            row.last = fault
        self._go_on(row, attempt.host, rule.pause(row.strikes[fault.kind]))

    def miss(self, attempt: AttemptState, fault: Fault) -> None:
        """The files of an attempt could not be fetched, and may be later."""
        attempt.fetches += 1
        attempt.fetch_at = self.now + min(self.policy.host_pause * 2**attempt.fetches, self.policy.host_longest)
        if attempt.fetches >= self.policy.fetch_tries:
            self.strike(attempt, Fault("missing", fault.message))

    def finish(self, attempt: AttemptState) -> None:
        """The files of an attempt are in place: its row is done, and no other attempt at it is wanted."""
        row, host = self.rows[attempt.row], self.hosts.get(attempt.host)
        row.open.remove(attempt)
        if host is not None:
            host.open.pop(attempt.prompt_id, None)
            host.done += 1
            host.strikes = 0
        for other in list(row.open):
            self.close(other, "withdrawn", there=True)
        self.out.notes.append(RowDone(attempt.row, attempt.number))
        self._forget(row)
        self.done += 1

    def _blame(self, host: HostState, fault: Fault) -> None:
        """Pause a host that fails one job after another, as long as there are others."""
        host.strikes += 1
        others = any(other.up for other in self.hosts.values() if other is not host)
        if host.strikes >= self.policy.host_strikes and others:
            host.leave(self.now, self.policy, fault.message)

    def _go_on(self, row: RowState, avoid: str, pause: float) -> None:
        """After an attempt: leave a row to those that are still open, let it wait for the next, or set it aside."""
        if row.last is not None and not self._hopeful(row):
            self.give_up(row, row.last)
        elif self.idle(row):
            row.avoid = avoid
            self.again[row.number] = self.now + pause

    def give_up(self, row: RowState, fault: Fault) -> None:
        """Set a row aside."""
        for other in list(row.open):
            self.close(other, "withdrawn", there=True)
        self.out.notes.append(RowSetAside(row.number, fault))
        self._forget(row)
        self.set_aside += 1

    def _to_be_had(self, row: RowState, failed: str, fault: Fault) -> bool:
        """Whether a row that was not brought its subject is only waiting: another host has it, and is busy."""
        others = [one for one in self.hosts.values() if one.name != failed and not self.gone(one.name)]
        return fault.kind == BRINGING and any(row.needs <= one.has for one in others)

    def _hopeful(self, row: RowState) -> bool:
        """Whether another attempt at a row may still end well: its host answers, or its files are here."""
        return any(one.status == SAVING or (one.host in self.hosts and self.hosts[one.host].up) for one in row.open)

    def _forget(self, row: RowState) -> None:
        del self.rows[row.number]
        self.again.pop(row.number, None)
