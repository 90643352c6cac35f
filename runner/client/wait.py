"""Waiting for a prompt to end: listening to the websocket, believing only /history and /queue."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import events
from .errors import (
    AddressError,
    ConnectionLostError,
    HostError,
    JobTimeoutError,
    LostError,
    NothingThereError,
    StalledError,
)
from .host import LocalHost, tail
from .http import Address
from .progress import JobProgress
from .websocket import Message, Stream


@dataclass(frozen=True)
class Outcome:
    """How a prompt ended, as /history tells it.

    `state` is "success", "error" or "interrupted"; `outputs` maps a node id to what the node showed; `cached` are the
    nodes that did not run because an earlier prompt had done their work; `seconds` is the time in each node that was
    seen over the websocket (it may be empty); `failure` is the host's `execution_error` message; `notes` are messages
    of nodes that blocked what follows them, without failing.
    """

    prompt_id: str
    state: str
    outputs: dict[str, dict[str, Any]]
    cached: frozenset[str]
    seconds: dict[str, float]
    failure: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Asked(Protocol):
    """What waiting needs of the client that waits; its times are explained there."""

    address: Address
    stream: Stream
    local: LocalHost | None
    patience: float
    start_grace: float
    stall: float
    lost_grace: float
    silence: float

    def listen(self, timeout: float) -> Message | None:
        """Take one message from the websocket."""
        ...

    def queue(self) -> tuple[list[str], list[str]]:
        """Return the prompt ids that run and those that wait."""
        ...

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        """Return the host's history entry of a prompt, or None."""
        ...

    def cancel(self, prompt_id: str) -> bool:
        """Take a prompt off the host, and return whether it is gone."""
        ...

    def worker_died(self) -> bool:
        """Whether the thread that runs prompts has ended."""
        ...


class Follow:
    """The waiting for the end of one prompt: it listens, asks, judges, and gives up."""

    def __init__(self, client: Asked, progress: JobProgress, timeout: float) -> None:
        self.client = client
        self.progress = progress
        self.begin = time.monotonic()
        self.deadline = self.begin + timeout if timeout else None
        self.timeout = timeout
        self.away: float | None = None
        self.missing: float | None = None
        self.next_history = self.begin + 0.25
        self.next_queue = self.begin + 0.05  # most small jobs have begun by then
        self.last_queue = self.begin
        self.pause = 0.05
        self.reads = 0
        self.heard = client.stream.connected
        self.probed = False
        self.ahead: list[str] | None = None
        self.look_at_worker = 0.0

    def wait(self) -> Outcome:
        """Return how the prompt ended; see `Client.follow` for what is raised."""
        while True:
            if self.deadline is not None and time.monotonic() > self.deadline:
                self._give_up()
            message = None
            if not self.progress.ended:
                message = self.client.listen(max(0.0, min(self.next_history, self.next_queue) - time.monotonic()))
            now = time.monotonic()
            if self.heard and not self.client.stream.connected:
                self.next_history = now  # whatever broke the websocket may have ended the job
            self.heard = self.client.stream.connected
            if message is not None and message.type == "status" and not self.progress.started:
                self.next_queue = min(self.next_queue, max(now, self.last_queue + 1.0))
            if self.progress.ended or now >= self.next_history or now >= self.next_queue:
                outcome = self._ask(now)
                if outcome is not None:
                    return outcome

    def _ask(self, now: float) -> Outcome | None:
        """Look at the truth; returns None while the job goes on."""
        try:
            queue = self.client.queue() if now >= self.next_queue and not self.progress.ended else None
            entry = self.client.history(self.progress.prompt_id)
        except (NothingThereError, ConnectionLostError) as error:
            self._host_away(error, now)
            return None
        if self.away is not None:
            self.away = None
            self.progress.listener(events.HostBack(prompt_id=self.progress.prompt_id))
        if entry is not None:
            self._hear_out()
            self.progress.finish()
            return _outcome(self.progress, entry)
        if self.progress.ended:
            # "success" is said before the history is written: look again, at once and then more slowly.
            time.sleep(min(0.001 * 2**self.reads, 0.25))
            self.reads += 1
            self.progress.ended = self.reads < 20
        if queue is not None:
            self._place(queue, now)
        self._refresh(now)
        self._schedule(now)
        return None

    def _refresh(self, now: float) -> None:
        """Replace a silent socket: it can be dead unnoticed, or forgotten by the host when an older one closed late."""
        stream = self.client.stream
        if (
            stream.connected
            and self.progress.started
            and now - max(self.progress.sign, stream.heard) > self.client.silence
        ):
            stream.close()

    def _schedule(self, now: float) -> None:
        """Say when to ask again: often without the websocket, seldom while it speaks."""
        heard = self.client.stream.connected and self.missing is None
        self.pause = min(self.pause * 1.5, 1.0)
        self.next_history = now + (min(2.0, self.client.silence) if heard else self.pause)
        if now >= self.next_queue:
            # /queue carries every waiting prompt whole.
            seldom = 5.0 if self.progress.working else 2.0
            self.last_queue, self.next_queue = now, now + (seldom if heard else self.pause)

    def _hear_out(self, patience: float = 0.2) -> None:
        """Take in what the host said before the end, when its history was read ahead of its messages."""
        end = time.monotonic() + patience
        while not self.progress.ended and self.client.stream.connected and time.monotonic() < end:
            self.client.listen(max(0.0, end - time.monotonic()))

    def _place(self, queue: tuple[list[str], list[str]], now: float) -> None:
        """Find the job in the queue, and judge whether it lives."""
        progress, client = self.progress, self.client
        running, pending = queue
        self._look_at_worker(running, now)
        if progress.prompt_id in pending:
            self.missing = None
            progress.sign = now
            position = len(running) + pending.index(progress.prompt_id)
            if position != progress.position:
                progress.position = position
                progress.listener(events.Queued(prompt_id=progress.prompt_id, position=position))
        elif progress.prompt_id in running:
            self.missing = None
            if progress.started is None:
                progress.started = now
            self._judge(now)
        elif self.missing is None:
            self.missing = now
        elif now - self.missing > client.lost_grace:
            raise LostError(
                f"The host at {client.address.url} knows nothing of job {progress.prompt_id} any more: it was deleted "
                "from the queue or the host was restarted; run it again",
                progress.prompt_id,
            )

    def _look_at_worker(self, running: list[str], now: float) -> None:
        """Give up when the queue stands still and the host's log tells that it will for ever."""
        progress, client = self.progress, self.client
        if running != self.ahead or progress.working:
            self.ahead, self.look_at_worker = running, now + min(5.0, client.start_grace / 4)
        elif now >= self.look_at_worker:
            self.look_at_worker = now + 30.0
            if client.worker_died():
                raise StalledError(
                    f"The worker of the host at {client.address.url} is dead, as its log tells, and job "
                    f"{progress.prompt_id} will never run: restart that ComfyUI and run the job again"
                )

    def _judge(self, now: float) -> None:
        progress, client = self.progress, self.client
        assert progress.started is not None
        if not client.stream.connected:
            progress.sign = now  # without the websocket, silence means nothing
            return
        quiet = now - max(progress.started, progress.sign)
        if not progress.working and quiet > client.start_grace / 2 and not self.probed:
            # A live worker's node is told again to a socket that opens; so silence is not the socket's fault.
            self.probed = True
            client.stream.close()
        elif not progress.working and quiet > client.start_grace and self.probed:
            raise StalledError(
                f"The worker of the host at {client.address.url} is dead: it took job {progress.prompt_id} and has not "
                f"begun a node in {client.start_grace:g} s; restart that ComfyUI and run the job again"
            )
        elif client.stall and quiet > client.stall:
            where = f" in {progress.title(progress.node)}" if progress.node else ""
            raise StalledError(
                f"Job {progress.prompt_id} has made no progress{where} for {client.stall:g} s on the host at "
                f"{client.address.url}: look at its log, or allow more with --stall"
            )

    def _host_away(self, error: Exception, now: float) -> None:
        progress, client = self.progress, self.client
        where = f" while {progress.title(progress.node)} ran" if progress.node else ""
        if client.local is not None and client.local.process.poll() is not None:
            raise HostError(
                f"ComfyUI ended in mid-job{where} (exit code {client.local.process.returncode}); its log ends: "
                f"{tail(client.local.log)}"
            ) from error
        if self.away is None:
            self.away = now
            client.stream.close()
            progress.listener(events.HostAway(prompt_id=progress.prompt_id, reason=str(error)))
        elif now - self.away > client.patience:
            raise HostError(
                f"The host at {client.address.url} went away{where} and did not come back in {client.patience:g} s; "
                f"start it again and repeat job {progress.prompt_id}"
            ) from error
        self.next_history = self.next_queue = now + 0.5

    def _give_up(self) -> None:
        progress = self.progress
        where = "waiting" if progress.started is None else "running"
        if progress.node:
            where = f"in {progress.title(progress.node)}"
        try:
            gone = self.client.cancel(progress.prompt_id)
            end = "it was cancelled on the host" if gone else "the host does not let go of it"
        except (AddressError, HostError):
            end = "it could not be cancelled, since the host does not answer"
        raise JobTimeoutError(
            f"Job {progress.prompt_id} was still {where} after {self.timeout:g} s; {end}", progress.prompt_id
        )


def _outcome(progress: JobProgress, entry: dict[str, Any]) -> Outcome:
    """Read a history entry. Its last message decides: `status_str` says "success" for some failures."""
    status = entry.get("status") or {}
    messages = [(kind, data) for kind, data in status.get("messages") or []]
    last = messages[-1][0] if messages else ""
    if last == "execution_interrupted":
        state = "interrupted"
    elif last == "execution_success" or (not messages and status.get("status_str") == "success"):
        state = "success"
    else:
        state = "error"
    cached = next((data.get("nodes", ()) for kind, data in messages if kind == "execution_cached"), ())
    failure = next((data for kind, data in reversed(messages) if kind == "execution_error"), {})
    notes = [
        f"{progress.title(str(note.get('node_id')))}: {note.get('exception_message', '')}" for note in progress.errors
    ]
    return Outcome(
        prompt_id=progress.prompt_id,
        state=state,
        outputs=entry.get("outputs") or {},
        cached=frozenset(cached),
        seconds=dict(progress.seconds),
        failure=dict(failure),
        notes=tuple(notes) if state == "success" else (),
    )
