"""The input and output of a follower: websocket, requests, clock and listener; what it all means is decided there."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Protocol

from . import events, following
from .answers import HistoryEntry
from .errors import AddressError, HostError, TooLargeError
from .follower import Follower
from .host import LocalHost, tail
from .messages import Message, Status
from .outcome import Outcome
from .websocket import Stream


class Asked(Protocol):
    """What waiting needs of the client that waits; its times are explained there."""

    stream: Stream
    local: LocalHost | None

    def listen(self, timeout: float) -> Message | None:
        """Take one message from the websocket, and hand it to the prompt it belongs to."""
        ...

    def queue(self) -> tuple[list[str], list[str]]:
        """Return the prompt ids that run and those that wait."""
        ...

    def history(self, prompt_id: str) -> HistoryEntry | None:
        """Return the host's history entry of a prompt, or None."""
        ...

    @property
    def end(self) -> float:
        """The `time.monotonic()` that no request outlasts."""
        ...

    def cancel(self, prompt_id: str, patience: float) -> bool:
        """Take a prompt off the host within `patience` seconds, and return whether it is gone."""
        ...

    def granted(self, seconds: float) -> AbstractContextManager[None]:
        """Let requests be made for some seconds, though their time is up."""
        ...

    def worker_died(self) -> bool:
        """Whether the thread that runs prompts has ended."""
        ...


class Waiting:
    """A follower at work: it is told what happens, and what it wants is done at once."""

    def __init__(self, client: Asked, follower: Follower, listener: events.Listener) -> None:
        self.client = client
        self.follower = follower
        self.listener = listener
        self._line = following.Line(False, 0.0)
        self._outcome: Outcome | None = None
        self._error: Exception | None = None

    def wait(self, timeout: float) -> Outcome:
        """Return how the prompt ended; see `Client.follow` for what is raised."""
        self._look_at_line()
        self.take(following.Begin(timeout, self.client.end))
        while not self.follower.over:
            if self.follower.listening:
                message = self.client.listen(self.follower.wake())
                self._look_at_line()
                self.take(following.QueueMoved() if isinstance(message, Status) else None)
            else:
                time.sleep(self.follower.wake())
                self.take(None)
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome

    def take(self, signal: following.FollowerSignal | None) -> None:
        """Tell the follower something, and do what it wants done."""
        for action in self.follower.step(signal, time.monotonic()):
            if isinstance(action, following.Tell):
                self.listener(action.kind(prompt_id=self.follower.prompt_id, **action.facts))
            elif isinstance(action, following.End):
                self._outcome = action.outcome
            elif isinstance(action, following.GiveUp):
                self._error = action.error
            elif isinstance(action, following.HangUp):
                self.client.stream.close()
            else:
                self.take(self._answer(action))

    def _look_at_line(self) -> None:
        stream = self.client.stream
        line = following.Line(stream.connected, stream.heard)
        if line != self._line:
            self._line = line
            self.take(line)

    def _answer(self, action: following.FollowerAction) -> following.FollowerSignal:
        if isinstance(action, following.LookFor):
            return self._look(action)
        if isinstance(action, following.ReadLog):
            try:
                return following.LogRead(self.client.worker_died())
            except (AddressError, HostError):  # the next look finds out what is wrong with the host
                return following.LogRead(False)
        assert isinstance(action, following.Cancel)
        try:
            with self.client.granted(action.patience):
                return following.CancelTried(self.client.cancel(self.follower.prompt_id, action.patience))
        except (AddressError, HostError):
            return following.CancelTried(None)

    def _look(self, look: following.LookFor) -> following.FollowerSignal:
        try:
            queue = self._queue() if look.queue else None
            return following.PromptSeen(look.serial, queue, self.client.history(self.follower.prompt_id))
        except (AddressError, HostError) as error:
            return following.PromptNotSeen(look.serial, error, self._how_it_ended())

    def _queue(self) -> tuple[list[str], list[str]] | None:
        """Return the queue, or None when it is too long to be looked at: the history still shows the end."""
        try:
            return self.client.queue()
        except TooLargeError:
            return None

    def _how_it_ended(self) -> str:
        local = self.client.local
        if local is None or local.process.poll() is None:
            return ""
        return f"(exit code {local.process.returncode}); its log ends: {tail(local.log)}"
