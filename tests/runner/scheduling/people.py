"""People who run one job each on the hosts of a simulated night, and follow it with the real follower.

Everything around the follower is scripted: the websocket that breaks or falls silent, requests that are lost or late,
a process that is killed and started again. It must end, and say what is true.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from portrait_studio.runner.client import events, following
from portrait_studio.runner.client.answers import HistoryEntry
from portrait_studio.runner.client.errors import (
    ConnectionLostError,
    HostError,
    JobTimeoutError,
    LostError,
    NotComfyUIError,
    StalledError,
)
from portrait_studio.runner.client.follower import Follower
from portrait_studio.runner.client.messages import Executing, Message

from .hosts import WRONG, NoAnswerError, SimulatedHost, World
from .scenario import Person

PATIENCE = following.FollowerPatience(patience=60.0, start_grace=40.0, stall=60.0, lost_grace=3.0, silence=15.0)
REQUEST = 30.0  # seconds until an answer that does not come is given up
LONGEST = 900.0  # seconds that anybody waits in a night in which something may hang
SLACK = 2 * REQUEST + 10.0  # by how much one request and the cancelling may outlast a time limit


class BrokenPromiseError(AssertionError):
    """Something that must never happen has happened."""


def promise(holds: bool, what: str) -> None:
    """Raise BrokenPromiseError unless it holds."""
    if not holds:
        raise BrokenPromiseError(what)


class Following:
    """One person's job, from its posting to what they are told in the end."""

    def __init__(self, number: int, person: Person, host: SimulatedHost, world: World) -> None:
        self.person, self.host, self.world = person, host, world
        self.deaf = person.deaf
        self.plan = world.plan
        self.draw = random.Random(self.plan.seed << 8 | number)
        self.prompt_id = f"person-{number}"
        self.follower: Follower | None = None
        self.over = False
        self.verdict = ""
        self.life = 0
        self.began = 0.0
        self.open = False
        self.reopening = False
        self.wakes = 0
        self.told: list[type[events.Event]] = []
        self.node = ""
        self.away = False
        self.looks = 0
        self.timeout = person.timeout or (0.0 if self.plan.fair and not self.plan.bad else LONGEST)
        world.at(person.at, self._start)
        for time in person.kills:
            world.at(time, self._kill)
        for time in person.cuts:
            world.at(time, self._cut)

    # --- The process -------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Post the prompt, unless the host has it; both are tried until the host answers."""
        if self.over:
            return
        try:
            if not self.host.knows(self.prompt_id):
                self.host.post_of(self.prompt_id, self.person.seconds)
        except NoAnswerError as error:
            if error.fault is WRONG or self.world.now() > self.person.at + 300.0:
                self.over = True  # never sent: there is nothing to follow
            else:
                self.world.at(5.0, self._start)
            return
        self.follower = Follower(self.prompt_id, {"1": ("", "Node")}, self.host.plan.name, PATIENCE, self.world.now())
        self.began, self.looks, self.told, self.node, self.away = self.world.now(), 0, [], "", False
        self._reopen()
        self.feed(following.Begin(self.timeout, float("inf")))

    def _kill(self) -> None:
        if self.follower is not None and not self.over:
            self.life += 1
            self.follower, self.open = None, False
            self.world.at(self.draw.uniform(0.1, 60.0), self._start)

    def feed(self, signal: following.FollowerSignal | None) -> None:
        follower = self.follower
        if follower is None or self.over:
            return
        for action in follower.step(signal, self.world.now()):
            self._carry_out(action)
        if not self.over:
            self.wakes += 1
            number = self.wakes
            self._later(max(0.001, follower.wake()), lambda: self.feed(None) if number == self.wakes else None)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do something later, unless the process is killed before."""
        life = self.life
        if seconds < 1e8:
            self.world.at(seconds, lambda: what() if life == self.life else None)

    # --- The websocket -----------------------------------------------------------------------------------------------

    def _cut(self) -> None:
        if self.open:
            self.open = False
            self.feed(following.Line(False, self.world.now()))
            self._later(self.draw.choice((0.3, 5.0)), self._reopen)

    def _reopen(self) -> None:
        """What the shell does whenever it listens; the host then tells again which node runs, and not whose."""
        if self.over or self.open or self.follower is None:
            return
        if not self.host.up or self.host.lie == "error 500":
            self._later(5.0, self._reopen)
            return
        self.open = True
        self.feed(following.Line(True, self.world.now()))
        running = self.host.running.prompt_id if self.host.running else ""
        if running == self.prompt_id and self.host.lie != "dead worker" and self.follower.running:
            self.feed(following.MessageRecalled(Executing(None, "1", "1")))

    def said(self, prompt_id: str, messages: tuple[Message, ...]) -> None:
        """The host says something over its websocket, of this prompt or of another."""
        if self.follower is None or self.over or not self.open:
            return
        deaf = self.deaf and self.world.now() > self.deaf
        for message in () if deaf else messages:
            if prompt_id != self.prompt_id:
                self._later(self.plan.latency, lambda: self.feed(following.QueueMoved()))
                break
            if self._chance(self.plan.lost * 3):
                continue
            for _ in range(2 if self._chance(self.plan.doubled) else 1):
                delay = self.draw.uniform(1.0, 30.0) if self._chance(self.plan.late) else self.plan.latency
                self._later(delay, lambda message=message: self._arrives(message))

    def _arrives(self, message: Message) -> None:
        self.feed(following.Line(self.open, self.world.now()))
        self.feed(following.MessageHeard(message))

    def host_died(self) -> None:
        """The host's end of the websocket is closed."""
        self._cut()

    # --- Requests ----------------------------------------------------------------------------------------------------

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self.draw.random() < probability

    def _carry_out(self, action: following.FollowerAction) -> None:
        promise(not self.over, "the follower wants something after its end")
        if isinstance(action, following.Tell):
            self._listen(action)
        elif isinstance(action, following.LookFor):
            self.looks += 1
            self._look(action)
        elif isinstance(action, following.ReadLog):
            dead = self.host.up and self.host.lie == "dead worker" and self.draw.random() < 0.5  # some show no log
            self._later(self.plan.latency, lambda: self.feed(following.LogRead(dead)))
        elif isinstance(action, following.HangUp):
            self.open = False
            self.deaf = 0.0
            self._later(0.01, self._reopen)
        elif isinstance(action, following.Cancel):
            self._later(self.plan.latency, self._cancel)
        elif isinstance(action, following.End):
            self._ended(action)
        elif isinstance(action, following.GiveUp):
            self._given_up(action.error)

    def _look(self, look: following.LookFor) -> None:
        no_answer = following.PromptNotSeen(look.serial, ConnectionLostError("no answer"))
        if self._chance(self.plan.lost):
            self._later(REQUEST, lambda: self.feed(no_answer))
        else:
            self._later(self.draw.expovariate(1 / self.plan.latency), lambda: self._queue(look))

    def _queue(self, look: following.LookFor) -> None:
        try:
            running, pending, _ = self.host.queue_and_history(())
        except NoAnswerError as error:
            self._refused(look, error)
            return
        queue = (list(running), list(pending)) if look.queue else None
        self._later(self.draw.expovariate(1 / self.plan.latency), lambda: self._history(look, queue))

    def _history(self, look: following.LookFor, queue: tuple[list[str], list[str]] | None) -> None:
        try:
            ended = self.host.queue_and_history((self.prompt_id,))[2]
        except NoAnswerError as error:
            self._refused(look, error)
            return
        entry = _entry(ended[self.prompt_id]) if self.prompt_id in ended else None
        seen = following.PromptSeen(look.serial, queue, entry)
        self._later(self.plan.latency, lambda: self.feed(seen))
        if self._chance(self.plan.doubled):
            self._later(self.draw.uniform(0.0, 20.0), lambda: self.feed(seen))

    def _refused(self, look: following.LookFor, error: NoAnswerError) -> None:
        told = NotComfyUIError("wrong") if error.fault is WRONG else ConnectionLostError(error.fault.message)
        self._later(self.plan.latency, lambda: self.feed(following.PromptNotSeen(look.serial, told)))

    def _cancel(self) -> None:
        try:
            gone: bool | None = self.host.remove(self.prompt_id, interrupt=True)
        except NoAnswerError:
            gone = None
        self.feed(following.CancelTried(gone))

    # --- What must hold ----------------------------------------------------------------------------------------------

    def _listen(self, tell: following.Tell) -> None:
        kind = tell.kind
        self.told.append(kind)
        if kind in (events.HostAway, events.HostBack):
            promise(self.away == (kind is events.HostBack), "a host came back that was not away, or left twice")
            self.away = kind is events.HostAway
        elif kind is events.NodeStarted:
            promise(not self.node, "two nodes run at a time")
            self.node = tell.facts["node"]
        elif kind is events.NodeFinished:
            promise(self.node == tell.facts["node"], "a node ended that did not run")
            promise(tell.facts["seconds"] >= 0, "a node took less than no time")
            self.node = ""

    def _ended(self, end: following.End) -> None:
        self.over, self.verdict = True, end.outcome.state
        truth = self.world.endings.get(self.prompt_id)
        told = {"success": "success", "interrupted": "interrupted"}.get(end.outcome.state, "error")
        promise(truth == told, f"{self.prompt_id} ended as {truth}, and {told} was told")
        promise(not self.node, "a node runs on after the end")

    def _given_up(self, error: Exception) -> None:
        self.over, self.verdict = True, type(error).__name__
        waited = self.world.now() - self.began
        lossy = self.plan.lost > 0 or self.plan.late > 0
        broken = bool(self.host.plan.deaths) or "crash" in self.plan.bad.values()
        if isinstance(error, LostError):
            promise(self.prompt_id in self.world.lost_jobs, f"{self.prompt_id} is said to be lost and was not: {error}")
        elif isinstance(error, JobTimeoutError):
            promise(bool(self.timeout), "time was up that nobody had limited")
            promise(self.timeout <= waited + 0.01 and waited < self.timeout + SLACK, f"time was up after {waited} s")
        elif isinstance(error, StalledError):
            hangs = self.host.plan.lie in ("never finishes", "dead worker")
            promise(hangs or lossy or bool(self.person.deaf), f"nothing hung, and yet: {error}")
        elif isinstance(error, NotComfyUIError):
            promise(self.host.plan.lie == "wrong", f"a host was taken for something else: {error}")
        else:
            promise(isinstance(error, HostError), f"an error that nobody expects: {error!r}")
            away = broken or lossy or self.host.plan.lie == "error 500"
            promise(away, f"the host was there, and yet: {error}")


def _entry(fault: object) -> HistoryEntry:
    """What a host's history says of a prompt that ended so."""
    if fault is None:
        return HistoryEntry({}, "success", (("execution_start", {}), ("execution_success", {})))
    last = "execution_interrupted" if getattr(fault, "kind", "") == "interrupted" else "execution_error"
    return HistoryEntry({}, "error", (("execution_start", {}), (last, {})))
