"""The follower of one prompt: a state machine without sockets, clocks or files; signals in, actions out.

It listens to the websocket and believes only /history and /queue. wait.py does its input and output.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from . import events
from .answers import HistoryEntry
from .errors import ConnectionLostError, HostError, JobTimeoutError, LostError, NothingThereError, StalledError
from .following import (
    Begin,
    Cancel,
    CancelTried,
    End,
    FollowerAction,
    FollowerPatience,
    FollowerSignal,
    GiveUp,
    HangUp,
    Line,
    LogRead,
    LookFor,
    MessageHeard,
    MessageRecalled,
    PromptNotSeen,
    PromptSeen,
    QueueMoved,
    ReadLog,
    Tell,
)
from .limits import words
from .outcome import read_outcome
from .progress import JobProgress

LAST = 1.5  # seconds for the cancelling of a job whose time is up
HEAR_OUT = 0.2  # seconds for what the host said before the end, when its history was read ahead of its messages
LATE_READS = 20  # how often a history that must be there is read before its announcement is taken for a lie


class Follower:
    """Follows a prompt from its submission; tells events at once, and asks the host once somebody waits (`Begin`).

    `titles` maps a node id to (title, class type); `url` is for sentences. `now` is the time in seconds on any clock
    that goes forward. Feed every signal to `step`, and call it without one when `wake` seconds have passed.
    """

    def __init__(
        self, prompt_id: str, titles: Mapping[str, tuple[str, str]], url: str, patience: FollowerPatience, now: float
    ) -> None:
        self.prompt_id = prompt_id
        self.url = url
        self.patience = patience
        self.now = now
        self.progress = JobProgress(dict(titles), self._tell, now)
        self.over = False
        self._waiting = self._cancelling = False
        self._timeout, self._deadline = 0.0, math.inf
        self._asked: LookFor | None = None
        self._serial = 0
        self._look_at = self._queue_at = self._log_at = math.inf
        self._queue_was_at = now
        self._pause = 0.05
        self._late_reads = 0
        self._connected, self._line_heard, self._probed = False, now, False
        self._away: float | None = None
        self._missing: float | None = None
        self._ahead: list[str] | None = None
        self._entry: HistoryEntry | None = None
        self._hear_until = math.inf
        self._out: list[FollowerAction] = []

    @property
    def listening(self) -> bool:
        """Whether what the websocket says is of any more interest."""
        return not self.progress.ended

    @property
    def running(self) -> bool:
        """Whether the prompt has begun and is not known to have ended."""
        return self.progress.started is not None and not self.progress.ended

    def step(self, signal: FollowerSignal | None, now: float) -> list[FollowerAction]:
        """Take in a signal, or only the time, and return what is to be done, in order."""
        self.now, self._out = now, []
        if not self.over:
            if signal is not None:
                self._take(signal)
            if self._waiting and not self.over:
                self._plan()
        return self._out

    def wake(self) -> float:
        """Return after how many seconds from the last step it wants to be called without a signal."""
        look = self._next_look if self._asked is None and self._entry is None else math.inf
        return max(0.0, min(self._deadline, self._hear_until, look) - self.now)

    @property
    def _next_look(self) -> float:
        return self._look_at if self.progress.ended else min(self._look_at, self._queue_at)

    def _tell(self, kind: type[events.Event], facts: Mapping[str, Any]) -> None:
        self._out.append(Tell(kind, facts))

    def _give_up(self, error: Exception, cause: Exception | None = None) -> None:
        error.__cause__ = cause
        self.over = True
        self._out.append(GiveUp(error))

    # --- Signals -----------------------------------------------------------------------------------------------------

    def _take(self, signal: FollowerSignal) -> None:
        if isinstance(signal, MessageHeard | MessageRecalled):
            self._hear(signal)
        elif isinstance(signal, Line):
            self._line(signal)
        elif isinstance(signal, QueueMoved):
            if self._waiting and not self.progress.started:
                self._queue_at = min(self._queue_at, max(self.now, self._queue_was_at + 1.0))
        elif isinstance(signal, PromptSeen | PromptNotSeen):
            if self._asked is not None and self._asked.serial == signal.serial:
                asked, self._asked = self._asked, None
                self._seen(asked, signal) if isinstance(signal, PromptSeen) else self._not_seen(signal)
        elif isinstance(signal, LogRead):
            if signal.dead:
                self._give_up(
                    StalledError(
                        f"The worker of the host at {self.url} is dead, as its log says, and job {self.prompt_id} "
                        "will never run: restart that ComfyUI and run the job again"
                    )
                )
        elif isinstance(signal, CancelTried):
            self._time_is_up(signal.gone)
        elif isinstance(signal, Begin):
            self._begin(signal)

    def _begin(self, signal: Begin) -> None:
        self._waiting = True
        self._timeout = signal.timeout
        self._deadline = min(signal.end, self.now + signal.timeout if signal.timeout else math.inf)
        self._look_at = self.now if self.progress.ended else self.now + 0.25
        self._queue_at = self.now + 0.05  # most small jobs have begun by then
        self._queue_was_at, self._log_at = self.now, 0.0

    def _hear(self, signal: MessageHeard | MessageRecalled) -> None:
        ended = self.progress.ended
        if isinstance(signal, MessageHeard):
            self.progress.handle(signal.message, self.now)
        else:
            self.progress.recall(signal.message, self.now)
        if self.progress.ended and not ended:
            self._look_at = self.now

    def _line(self, line: Line) -> None:
        if self._connected and not line.connected:
            self._look_at = self.now  # whatever broke the websocket may have ended the job
        self._connected, self._line_heard = line.connected, line.heard

    def _hang_up(self) -> None:
        self._connected = False
        self._out.append(HangUp())

    def _seen(self, asked: LookFor, seen: PromptSeen) -> None:
        if self._away is not None:
            self._away = None
            self._tell(events.HostBack, {})
        if seen.entry is not None:
            self._entry, self._hear_until = seen.entry, self.now + HEAR_OUT
            return
        if seen.queue is not None:
            self._place(seen.queue)
        if not self.over:
            self._replace_a_silent_line()
            self._schedule(asked)

    def _schedule(self, asked: LookFor) -> None:
        """Say when to ask again: often without the websocket, seldom while it speaks."""
        now = self.now
        heard = self._connected and self._missing is None
        self._pause = min(self._pause * 1.5, 1.0)
        self._look_at = now + (min(2.0, self.patience.silence) if heard else self._pause)
        if asked.queue:
            # /queue carries every waiting prompt whole.
            seldom = 5.0 if self.progress.working else 2.0
            self._queue_was_at, self._queue_at = now, now + (seldom if heard else self._pause)
        if self.progress.ended:
            # "success" is said before the history is written: look again, at once and then more slowly.
            self._look_at = now + min(0.001 * 2**self._late_reads, 0.25)
            self._late_reads += 1
            self.progress.ended = self._late_reads < LATE_READS

    def _replace_a_silent_line(self) -> None:
        """A silent socket can be dead unnoticed, or forgotten by the host when an older one closed late."""
        silent = self.now - max(self.progress.sign, self._line_heard)
        if self._connected and self.progress.started is not None and silent > self.patience.silence:
            self._hang_up()

    def _not_seen(self, signal: PromptNotSeen) -> None:
        where = f" while {self.progress.title(self.progress.node)} ran" if self.progress.node else ""
        if not isinstance(signal.error, NothingThereError | ConnectionLostError):
            self._give_up(signal.error)
        elif signal.ended:
            self._give_up(HostError(f"ComfyUI ended in mid-job{where} {signal.ended}"), signal.error)
        elif self._away is None:
            self._away = self.now
            self._hang_up()
            self._tell(events.HostAway, {"reason": str(signal.error)})
        elif self.now - self._away > self.patience.patience:
            self._give_up(
                HostError(
                    f"The host at {self.url} went away{where} and did not come back in {self.patience.patience:g} s; "
                    f"start it again and repeat job {self.prompt_id}"
                ),
                signal.error,
            )
        self._look_at = self._queue_at = self.now + 0.5

    def _time_is_up(self, gone: bool | None) -> None:
        progress = self.progress
        where = "waiting" if progress.started is None else "running"
        if progress.node:
            where = f"in {progress.title(progress.node)}"
        end = "it was cancelled on the host" if gone else "the host does not let go of it"
        if gone is None:
            end = "it could not be cancelled, since the host does not answer"
        told = f"Job {self.prompt_id} was still {where} after {self._timeout:g} s; {end}"
        self._give_up(JobTimeoutError(told, self.prompt_id))

    # --- Where the prompt is -----------------------------------------------------------------------------------------

    def _place(self, queue: tuple[list[str], list[str]]) -> None:
        """Find the job in the queue, and judge whether it lives."""
        progress, now = self.progress, self.now
        running, pending = queue
        self._look_at_worker(running)
        if self.prompt_id in pending:
            self._missing = None
            progress.sign = now
            position = len(running) + pending.index(self.prompt_id)
            if position != progress.position:
                progress.position = position
                self._tell(events.Queued, {"position": position})
        elif self.prompt_id in running:
            self._missing = None
            if progress.started is None:
                progress.started = now
            self._judge(progress.started)
        elif self._missing is None:
            self._missing = now
        elif now - self._missing > self.patience.lost_grace:
            self._give_up(
                LostError(
                    f"The host at {self.url} knows nothing of job {self.prompt_id} any more: it was deleted from the "
                    "queue or the host was restarted; run it again",
                    self.prompt_id,
                )
            )

    def _look_at_worker(self, running: list[str]) -> None:
        """Look into the host's log when the queue stands still: it may tell that it will for ever."""
        if running != self._ahead or self.progress.working:
            self._ahead, self._log_at = running, self.now + min(5.0, self.patience.start_grace / 4)
        elif self.now >= self._log_at:
            self._log_at = self.now + 30.0
            self._out.append(ReadLog())

    def _judge(self, started: float) -> None:
        progress, grace, stall = self.progress, self.patience.start_grace, self.patience.stall
        if not self._connected:
            progress.sign = self.now  # without the websocket, silence means nothing
            return
        quiet = self.now - max(started, progress.sign)
        if not progress.working and quiet > grace / 2 and not self._probed:
            # A live worker's node is told again to a socket that opens; so silence is not the socket's fault.
            self._probed = True
            self._hang_up()
        elif not progress.working and quiet > grace and self._probed:
            self._give_up(
                StalledError(
                    f"The worker of the host at {self.url} is dead: it took job {self.prompt_id} and has not begun a "
                    f"node in {grace:g} s; restart that ComfyUI and run the job again"
                )
            )
        elif stall and quiet > stall:
            where = f" in {progress.title(progress.node)}" if progress.node else ""
            self._give_up(
                StalledError(
                    f"Job {self.prompt_id} has made no progress{where} for {stall:g} s on the host at {self.url}: look "
                    "at its log, or allow more with --stall"
                )
            )

    # --- What next ---------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        if self._cancelling:
            return
        if self._entry is not None:
            if self.progress.ended or not self._connected or self.now >= self._hear_until:
                self._finish(self._entry)
        elif self.now >= self._deadline:
            self._cancelling = True
            self._deadline = math.inf
            self._out.append(Cancel(LAST))
        elif self._asked is None and self._next_look <= self.now:
            self._serial += 1
            self._asked = LookFor(self._serial, self._queue_at <= self.now and not self.progress.ended)
            self._out.append(self._asked)

    def _finish(self, entry: HistoryEntry) -> None:
        self.over = True
        self.progress.finish(self.now)
        notes = [f"{self.progress.title(error.node)}: {words(error.words)}" for error in self.progress.errors]
        self._out.append(End(read_outcome(self.prompt_id, entry, self.progress.seconds, notes)))
