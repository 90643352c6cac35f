"""The scheduler of a batch: signals in, notes and actions out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .board import BRINGING, CRASHED, Board
from .choosing import request
from .messages import (
    AttemptSaving,
    Collect,
    Decision,
    Discard,
    Fault,
    FilesFetched,
    Finish,
    Freed,
    Heard,
    HostAnswer,
    Interrupt,
    Keep,
    Kept,
    Load,
    Loaded,
    NotKept,
    Post,
    PostAccepted,
    Removed,
    Request,
    RequestFailed,
    Seen,
    Signal,
    Stop,
    Withdraw,
)
from .policy import Policy
from .state import ENDED, HELD, ON_HOST, POSTED, POSTING, RUNNING, SAVING, UNSURE, AttemptState, HostState

LOCAL = ("disk", "bug")
"""Kinds of failure of this machine. They stop the batch; no row and no host is to blame."""
REFUSALS = ("refused", "photo", BRINGING)
"""Kinds of failure by which a host, or we before we asked it, did not take a prompt."""
LOST = Fault("lost", "The host does not know the job any more: it was restarted, or its queue was cleared.")
CRASH = Fault(CRASHED, "The host lost the job while it ran: it was restarted, or it crashed.")


@dataclass(frozen=True)
class HostView:
    """How a host does, for a person: `seconds` is what a job takes there, 0 while unknown."""

    name: str
    up: bool
    reason: str
    open: int
    done: int
    seconds: float


class Scheduler:
    """Gives rows to hosts until every row is done or set aside, or the batch has to stop.

    `name(row, attempt)` is the prompt id of an attempt. Times are seconds of any clock that mostly goes forward; see
    `Policy.leap`. Feed every signal to `step`, and call it without one when `wake()` seconds have passed.
    """

    def __init__(self, hosts: Iterable[str], policy: Policy, name: Callable[[int, int], str], now: float) -> None:
        self.board = Board(hosts, policy, name)
        self.policy = policy
        self.heard = now
        self.loaded = 0  # the number of the last row that was loaded
        self.loading = False
        self.stopping: Stop | None = None
        self.stop_by = 0.0
        self.finished = False

    def step(self, signal: Signal | None, now: float) -> Decision:
        """Take in a signal, or only the time, and return what is to be written and done."""
        board = self.board
        board.now += min(max(0.0, now - self.heard), self.policy.leap)
        self.heard = now
        board.out = Decision()
        if not self.finished:
            if signal is not None:
                self._take(signal)
            self._plan()
        return board.out

    def wake(self) -> float:
        """Return after how many seconds the scheduler wants to be called without a signal; at most 5."""
        now = self.board.now
        times = [now + 5.0, *self.board.again.values()]
        for host in self.board.hosts.values():
            if host.asked is None:
                times.append(host.look_at if host.up else host.retry_at)
                times += [one.fetch_at for one in host.open.values()]
        return max(0.001, min(time for time in times if time > now) - now)

    def views(self) -> list[HostView]:
        """Return how each host does."""
        return [
            HostView(host.name, host.up, "" if host.up else host.reason, host.held, host.done, host.seconds)
            for host in self.board.hosts.values()
        ]

    # --- Signals -----------------------------------------------------------------------------------------------------

    def _take(self, signal: Signal) -> None:
        if isinstance(signal, HostAnswer):
            self._answer(signal)
        elif isinstance(signal, Heard):
            self._heard(signal)
        elif isinstance(signal, Loaded):
            self._load(signal)
        elif isinstance(signal, Kept):
            attempt = self._saving(signal.row, signal.attempt)
            if attempt is not None:
                self.board.finish(attempt)
        elif isinstance(signal, NotKept):
            self._not_kept(signal)
        elif isinstance(signal, Stop):
            self._stop(signal)

    def _heard(self, signal: Heard) -> None:
        host = self.board.hosts.get(signal.host)
        if host is not None and signal.prompt_id in host.open:
            host.moved_at = self.board.now
            if signal.ended:
                host.look_at = self.board.now

    def _load(self, signal: Loaded) -> None:
        if not self.loading:
            return
        self.loading, self.board.last = False, signal.last
        for one in signal.rows:
            self.loaded = one.number
            for attempt in self.board.add(one):
                self.board.out.actions.append(Keep(one.number, attempt.number))

    def _answer(self, answer: HostAnswer) -> None:
        host = self.board.hosts.get(answer.host)
        if host is None or host.asked is None or host.asked.serial != answer.serial:
            if isinstance(answer, FilesFetched) and self.board.attempt(answer.row, answer.attempt) is None:
                self.board.out.actions.append(Discard(answer.row, answer.attempt))
            return
        asked, host.asked = host.asked, None
        if isinstance(answer, RequestFailed):
            self._failed(host, asked, answer.fault)
            return
        if host.stuck and self._still_stuck(host, asked, answer):
            return
        host.come_back(self.board.now, self.policy)
        if isinstance(answer, Seen):
            self._seen(host, answer)
        elif isinstance(answer, PostAccepted) and isinstance(asked, Post):
            attempt = host.open.get(asked.prompt_id)
            if attempt is not None and attempt.status == POSTING:
                attempt.status, attempt.since = POSTED, self.board.now
                host.has |= self.board.rows[attempt.row].needs
                host.look_soon(self.board.now, self.policy)
        elif isinstance(answer, FilesFetched):
            self._fetched(answer)
        elif isinstance(answer, Removed) and isinstance(asked, Withdraw | Interrupt):
            self._removed(host, asked, answer.gone)
        elif isinstance(answer, Freed):
            host.free = False

    def _still_stuck(self, host: HostState, asked: Request, answer: HostAnswer) -> bool:
        """Whether a host that was left because nothing moved there is no better: only a look can tell."""
        if isinstance(answer, Removed) and isinstance(asked, Withdraw | Interrupt):
            self._removed(host, asked, answer.gone)
            return True
        if isinstance(answer, Seen) and answer.running == host.stuck:
            host.leave(self.board.now, self.policy, host.reason, self.policy.host_longest)
            self._find_ghosts(host, answer)
            return True
        host.stuck = ()
        return False

    def _failed(self, host: HostState, asked: Request, fault: Fault) -> None:
        """A request failed: the host's fault, the row's, or this machine's."""
        attempt = host.open.get(asked.prompt_id) if isinstance(asked, Post | Collect) else None
        refused = isinstance(asked, Post) and fault.kind in REFUSALS
        if attempt is not None and attempt.status == POSTING and not refused:
            attempt.status = UNSURE
        if fault.kind in LOCAL:
            self._stop(Stop(fault, cancel=False))
        elif attempt is not None and (refused or (isinstance(asked, Collect) and fault.kind != "connection")):
            host.come_back(self.board.now, self.policy)
            if fault.kind == BRINGING:
                until = self.board.now + self.policy.bring_pause
                host.lacks.update(dict.fromkeys(self.board.rows[attempt.row].needs - host.has, until))
            self.board.strike(attempt, fault)
        else:
            if isinstance(asked, Interrupt):
                host.remove.pop(asked.prompt_id, None)  # the next look says whether it is still there
            host.leave(self.board.now, self.policy, fault.message)
            if isinstance(asked, Collect) and attempt is not None:
                self.board.miss(attempt, fault)

    def _seen(self, host: HostState, seen: Seen) -> None:
        now, policy = self.board.now, self.policy
        host.has = seen.has
        first = self._first(host)
        if seen.running != host.running or not host.held:
            host.running, host.moved_at = seen.running, now
        self._find_ghosts(host, seen)
        host.look_later(now, policy)
        for attempt in list(host.open.values()):
            if attempt.status in ON_HOST:
                self._judge(host, attempt, seen, first)
        if policy.stall and host.held and now - host.moved_at > policy.stall:
            self._stalled(host, seen)

    def _find_ghosts(self, host: HostState, seen: Seen) -> None:
        """Have removed what was given up and is there after all."""
        for prompt_id, until in list(host.ghosts.items()):
            if self.board.now > until:
                del host.ghosts[prompt_id]
            elif prompt_id in (*seen.running, *seen.pending):
                host.remove[prompt_id] = None

    def _first(self, host: HostState) -> AttemptState | None:
        """The attempt that runs next or now, as far as we know: it is to blame if the host loses all it has."""
        if any(one not in host.open for one in host.running):
            return None
        return next((one for one in host.open.values() if one.status in (POSTED, RUNNING)), None)

    def _judge(self, host: HostState, attempt: AttemptState, seen: Seen, first: AttemptState | None) -> None:
        now = self.board.now
        if attempt.prompt_id in seen.ended:
            fault = seen.ended[attempt.prompt_id]
            if fault is None:
                self._measure(host, attempt)
                attempt.status = ENDED
            else:
                self.board.strike(attempt, fault)
        elif attempt.prompt_id in seen.running:
            if attempt.status != RUNNING:
                attempt.status, attempt.since = RUNNING, now
            attempt.missing = None
            if self.policy.timeout and now - attempt.since > self.policy.timeout:
                self.board.strike(attempt, Fault("timeout", f"It was still running after {self.policy.timeout:g} s."))
        elif attempt.prompt_id in seen.pending:
            attempt.status, attempt.missing = POSTED, None
        elif attempt.missing is None:
            attempt.missing = now
            blamed = attempt.status == RUNNING or attempt is first
            dragged = attempt.status == POSTED and first is not None and first.missing is not None
            attempt.fate = CRASH if blamed else None if dragged else LOST
            host.look_at = min(host.look_at, now + self.policy.lost_grace)
        elif now - attempt.missing >= self.policy.lost_grace:
            if attempt.fate is not None:
                self.board.strike(attempt, attempt.fate)
            else:
                self.board.withdraw(attempt, there=False)  # it went down with another

    def _measure(self, host: HostState, attempt: AttemptState) -> None:
        """Take the time of a job that was seen to run, or of a short one since its posting."""
        if attempt.status in (RUNNING, POSTED):
            seconds = self.board.now - attempt.since
            host.measure(seconds)
            self.board.seconds = 0.9 * self.board.seconds + 0.1 * seconds if self.board.measured else seconds
            self.board.measured += 1

    def _stalled(self, host: HostState, seen: Seen) -> None:
        """Nothing has moved for too long: take all of ours back, and leave the host if what hangs is not ours."""
        fault = Fault("stalled", f"Nothing has moved on the host for {self.policy.stall:g} s.")
        ours = [one for one in (seen.running or seen.pending) if one in host.open]
        for attempt in list(host.open.values()):
            if attempt.prompt_id in ours:
                self.board.strike(attempt, fault)
            elif attempt.status in ON_HOST:
                self.board.withdraw(attempt, there=True)
        host.moved_at = self.board.now
        if not ours:
            self._leave_stuck(host, seen.running, fault.message)

    def _leave_stuck(self, host: HostState, running: tuple[str, ...], message: str) -> None:
        host.stuck = running
        host.leave(self.board.now, self.policy, message, self.policy.host_longest)

    def _fetched(self, answer: FilesFetched) -> None:
        attempt, row = self.board.attempt(answer.row, answer.attempt), self.board.rows.get(answer.row)
        if attempt is None or row is None or any(one.status == SAVING for one in row.open):
            self.board.out.actions.append(Discard(answer.row, answer.attempt))
            if attempt is not None:
                self.board.close(attempt, "withdrawn")
            return
        attempt.status = SAVING
        self.board.out.notes.append(AttemptSaving(answer.row, answer.attempt, answer.files))
        self.board.out.actions.append(Keep(answer.row, answer.attempt))

    def _removed(self, host: HostState, asked: Withdraw | Interrupt, gone: bool) -> None:
        attempt = host.open.get(asked.prompt_id)
        host.remove.pop(asked.prompt_id, None)
        host.look_at = self.board.now
        if attempt is not None:
            attempt.moving_out = False
            if gone and attempt.status in ON_HOST:
                self.board.withdraw(attempt, there=False)
            elif attempt.status == POSTED:
                attempt.status = RUNNING  # it does not wait any more
        elif isinstance(asked, Interrupt) and not gone:
            self._leave_stuck(host, (asked.prompt_id,), "It does not let go of a job that was interrupted.")

    def _saving(self, row: int, number: int) -> AttemptState | None:
        attempt = self.board.attempt(row, number)
        return attempt if attempt is not None and attempt.status == SAVING else None

    def _not_kept(self, signal: NotKept) -> None:
        attempt = self._saving(signal.row, signal.attempt)
        if attempt is None:
            return
        if signal.fault.kind in LOCAL:
            self._stop(Stop(signal.fault, cancel=False))
        elif attempt.host in self.board.hosts:
            attempt.status, attempt.missing = UNSURE, None  # the host may still have the pictures
        else:
            self.board.strike(attempt, signal.fault)

    def _stop(self, stop: Stop) -> None:
        if self.stopping is not None and (stop.cancel or not self.stopping.cancel):
            return
        self.stopping, self.stop_by = stop, self.board.now + self.policy.cancel_patience
        for host in self.board.hosts.values():
            for attempt in host.open.values():
                if stop.cancel and attempt.status in HELD:
                    host.remove[attempt.prompt_id] = None

    # --- Plans -------------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        board = self.board
        if self.stopping is None:
            self._notice_that_all_are_gone()
        for host in board.hosts.values():
            if host.asked is None:
                host.asked = request(board, host, self.stopping)
                if host.asked is not None:
                    board.out.actions.append(host.asked)
        if self.stopping is not None:
            if self._stopped(self.stopping):
                self._finish(self.stopping.fault)
            return
        room = max(1, sum(host.up for host in board.hosts.values())) * self.policy.depth * 2
        if not board.last and not self.loading and len(board.fresh) < room:
            self.loading = True
            board.out.actions.append(Load(room * 2, self.loaded))
        if board.last and not board.rows and not self._busy():
            self._finish(None)

    def _busy(self) -> bool:
        return any((host.up and host.asked) or (host.reached and host.remove) for host in self.board.hosts.values())

    def _notice_that_all_are_gone(self) -> None:
        limit, hosts = self.policy.hosts_gone, self.board.hosts.values()
        since = [host.away_since for host in hosts if host.away_since is not None]
        if limit and len(since) == len(hosts) and self.board.now - max(since) >= limit:
            reasons = "; ".join(f"{host.name}: {host.reason}" for host in hosts)
            self._stop(Stop(Fault("hosts", f"No host was usable for {limit:g} s ({reasons})"), cancel=False))

    def _stopped(self, stop: Stop) -> bool:
        if not stop.cancel:
            return True
        saving = any(one.status == SAVING for row in self.board.rows.values() for one in row.open)
        return self.board.now >= self.stop_by or not (saving or self._busy())

    def _finish(self, fault: Fault | None) -> None:
        self.finished = True
        self.board.out.actions.append(Finish(fault))
