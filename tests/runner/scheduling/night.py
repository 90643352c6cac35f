"""A simulated night: one batch, its hosts, the network and the disk between them, from one seed and in no time.

The scheduler and the state are the real ones; the state's database is in memory. Everything else is scripted. The
runner is killed between any two durable writes, and started again on what was written.
"""

from __future__ import annotations

import hashlib
import heapq
import random
import uuid
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from portrait_studio.runner.batch.policies import policy
from portrait_studio.runner.batch.state import KeptFile, State
from portrait_studio.runner.client.messages import Ended, Executing, Message
from portrait_studio.runner.scheduling import Fault, Policy, Scheduler, Signal
from portrait_studio.runner.scheduling import messages as m

from .hosts import CONNECTION, NoAnswerError, SimulatedHost, World
from .people import BrokenPromiseError, Following, promise
from .scenario import Scenario, scenario

TIMEOUT = 30.0
MOST_EVENTS = 60_000
EVENTS_A_SECOND = 5  # of a row on the slowest host: it is looked at every five seconds, and tried six times
POLICY = policy(stall=60.0, hosts_gone=900.0, look_latest=5.0, cancel_patience=5.0)
DISK = Fault("disk", "the disk is full")
Sha = str


class KilledError(Exception):
    """The runner was killed here."""


class Night:
    """Runs one scenario to its end, and judges it."""

    def __init__(self, plan: Scenario, patience: Policy = POLICY) -> None:
        self.plan, self.policy = plan, patience
        self.draw = random.Random(plan.seed ^ 0x5EED)
        self.time = 0.0
        self.leap = 0.0
        self.alarms: list[tuple[float, int, Callable[[], object]]] = []
        self.count = 0
        self.world = World(plan, self.after, lambda: self.time, self._hear)
        self.hosts = {one.name: SimulatedHost(one, self.world) for one in plan.hosts}
        self.world.died = self._host_died
        self.people = [
            Following(number, one, self.hosts[one.host], self.world) for number, one in enumerate(plan.people)
        ]
        self.state = State.create(":memory:", {}, (self._row(number) for number in range(1, plan.rows + 1)))
        self.final: dict[str, bytes] = {}
        self.temporary: dict[tuple[int, int, int], bytes] = {}
        self.writes = 0
        self.kills, self.full, self.leaps = list(plan.kills), list(plan.full), list(plan.leaps)
        self.disk_is_full = False
        self.life = 0
        self.scheduler: Scheduler | None = None
        self.verdict: Fault | None = None
        self.over = False
        self.restarts = 0
        self.next_wake = 0

    def _row(self, number: int) -> dict[str, Any]:
        subject = self.plan.needs.get(number)
        return {"row": number} | ({"subjects": [subject]} if subject else {})

    # --- Time --------------------------------------------------------------------------------------------------------

    def after(self, seconds: float, what: Callable[[], object]) -> None:
        self.count += 1
        heapq.heappush(self.alarms, (self.time + seconds, self.count, what))

    def run(self) -> Night:
        """Live through the night; raises BrokenPromiseError."""
        for time in self.plan.stops:
            self.after(time, lambda: self.feed(m.Stop(Fault("stopped", "Ctrl-C"))))
        self._start()
        slowest = max(one.speed for one in self.plan.hosts)
        most = MOST_EVENTS + EVENTS_A_SECOND * self.plan.rows * self.plan.job * slowest
        events = 0
        while not (self.over and all(one.over for one in self.people)):
            if not self.alarms or events > most:
                waiting = "somebody's waiting" if self.over else "the batch"
                raise BrokenPromiseError(f"{waiting} does not end ({events} events, {self.time:.0f} s)")
            events += 1
            self.time, _, what = heapq.heappop(self.alarms)
            what()
        self._judge()
        return self

    # --- The runner --------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Start the runner, or start it again on what the last one wrote."""
        self.life += 1
        if self.leaps:
            self.leap += self.leaps.pop()
        saving = set(self.state.query("SELECT row, number FROM attempts WHERE state = 'saving'"))
        self.temporary = {key: data for key, data in self.temporary.items() if key[:2] in saving}
        self.scheduler = Scheduler(self.hosts, self.policy, self._name, self.time + self.leap)
        self.feed(None)

    def _name(self, row: int, attempt: int) -> str:
        return uuid.UUID(int=self.plan.seed << 64 | row << 32 | attempt).hex

    def _end_life(self, pause: float) -> None:
        """The process is gone; somebody, or something, starts it again."""
        self.life += 1
        self.scheduler = None
        self.restarts += 1
        if self.restarts > 60:
            raise BrokenPromiseError("the runner is started again for ever")
        self.after(pause, self._start)

    def feed(self, signal: Signal | None) -> None:
        scheduler = self.scheduler
        if scheduler is None or self.over:
            return
        try:
            step = scheduler.step(signal, self.time + self.leap)
            if step.notes:
                self._durable()
                if self.disk_is_full:
                    self._disk_full()
                    return
                self.state.write(step.notes)
            for action in step.actions:
                self._carry_out(action)
                if self.scheduler is not scheduler:
                    return
        except KilledError:
            self._end_life(self.draw.uniform(0.1, 30.0))
            return
        self._wake(scheduler)

    def _wake(self, scheduler: Scheduler) -> None:
        self.next_wake += 1
        number = self.next_wake
        self.after(scheduler.wake(), lambda: self.feed(None) if number == self.next_wake else None)

    def _durable(self) -> None:
        """One more durable write is about to be made; this may be where the power goes, or the room."""
        self.writes += 1
        if self.kills and self.writes >= self.kills[0]:
            self.kills.pop(0)
            raise KilledError
        if self.full and self.writes >= self.full[0]:
            self.full.pop(0)
            self.disk_is_full = True

    def _disk_full(self) -> None:
        self.disk_is_full = False  # somebody makes room and starts it again
        self._end_life(self.draw.uniform(1.0, 60.0))

    def _carry_out(self, action: m.Action) -> None:
        life = self.life
        if isinstance(action, m.Request):
            self._send(action)
        elif isinstance(action, m.Load):
            self.after(0.0, lambda: self._if(life, lambda: self.state.load(action.count, action.after)))
        elif isinstance(action, m.Keep):
            self.after(0.001, lambda: self._keep(action, life))
        elif isinstance(action, m.Discard):
            for key in [key for key in self.temporary if key[:2] == (action.row, action.attempt)]:
                del self.temporary[key]
        elif isinstance(action, m.Finish):
            self._finished(action.fault)

    def _if(self, life: int, signal: Callable[[], Signal]) -> None:
        if life == self.life:
            self.feed(signal())

    def _finished(self, fault: Fault | None) -> None:
        if fault is None or (fault.kind == "hosts" and self._hopeless()):
            self.verdict, self.over = fault, True
        elif fault.kind == "disk":
            self._disk_full()
        else:
            self._end_life(self.draw.uniform(1.0, 600.0))

    def _hopeless(self) -> bool:
        """Whether no host will ever be of use again."""
        return all(
            host.lie in ("error 500", "wrong", "never finishes", "dead worker") or not self.plan.fair
            for host in self.hosts.values()
        )

    def _keep(self, action: m.Keep, life: int) -> None:
        if life != self.life:
            return
        try:
            for one in self.state.files(action.row, action.attempt):
                key = (action.row, action.attempt, one.place)
                if self._sha(self.final.get(one.name)) == one.sha256:
                    self.temporary.pop(key, None)
                elif self._sha(self.temporary.get(key)) == one.sha256:
                    self._durable()
                    self.final[one.name] = self.temporary.pop(key)
                else:
                    self.feed(m.NotKept(action.row, action.attempt, Fault("missing", "its files are gone")))
                    return
            for name in self.state.names_of_others(action.row, action.attempt):
                if name in self.final:
                    self._durable()
                    del self.final[name]
        except KilledError:
            self._end_life(self.draw.uniform(0.1, 30.0))
            return
        self.feed(m.Kept(action.row, action.attempt))

    def _sha(self, data: bytes | None) -> Sha:
        return hashlib.sha256(data).hexdigest() if data is not None else ""

    # --- The network -------------------------------------------------------------------------------------------------

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self.draw.random() < probability

    def _send(self, request: m.Request) -> None:
        plan, life = self.plan, self.life
        there, back = self.draw.expovariate(1 / plan.latency), self.draw.expovariate(1 / plan.latency)
        no_answer = m.RequestFailed(request.host, request.serial, CONNECTION)
        if self._chance(plan.lost):
            self.after(TIMEOUT, lambda: self._if(life, lambda: no_answer))
        elif self._chance(plan.late):
            self.after(TIMEOUT, lambda: self._if(life, lambda: no_answer))
            self.after(TIMEOUT + self.draw.uniform(0.1, 60.0), lambda: self._reach(request))
        else:
            deaf = self._chance(plan.lost)
            twice = self._chance(plan.doubled)
            self.after(there, lambda: self._exchange(request, life, back, deaf))
            if twice:
                self.after(there + 0.01, lambda: self._reach(request))

    def _exchange(self, request: m.Request, life: int, back: float, deaf: bool) -> None:
        answer = self._reach(request)
        if deaf:
            no_answer = m.RequestFailed(request.host, request.serial, CONNECTION)
            self.after(TIMEOUT, lambda: self._if(life, lambda: no_answer))
            return
        self.after(back, lambda: self._arrive(request, answer, life))
        if self._chance(self.plan.doubled):
            self.after(back + self.draw.uniform(0.0, 5.0), lambda: self._arrive(request, answer, life))

    def _reach(self, request: m.Request) -> m.HostAnswer | list[bytes]:
        """The host acts on a request, whether or not anybody still waits for the answer."""
        host, name, serial = self.hosts[request.host], request.host, request.serial
        try:
            if isinstance(request, m.Look):
                return m.Seen(name, serial, *host.queue_and_history(request.prompts), frozenset(host.has))
            if isinstance(request, m.Post):
                host.post(request.prompt_id, request.row, self.hosts.values())
                return m.PostAccepted(name, serial)
            if isinstance(request, m.Collect):
                return host.fetch(request.prompt_id)
            if isinstance(request, m.Withdraw | m.Interrupt):
                return m.Removed(name, serial, host.remove(request.prompt_id, isinstance(request, m.Interrupt)))
            assert isinstance(request, m.Free)
            host.free()
            return m.Freed(name, serial)
        except NoAnswerError as error:
            return m.RequestFailed(name, serial, error.fault)

    def _arrive(self, request: m.Request, answer: m.HostAnswer | list[bytes], life: int) -> None:
        if life != self.life:
            return
        if isinstance(answer, list):
            assert isinstance(request, m.Collect)
            try:
                signal = self._write_beside(request, answer)
            except KilledError:
                self._end_life(self.draw.uniform(0.1, 30.0))
                return
        else:
            signal = answer
        self.feed(signal)

    def _write_beside(self, request: m.Collect, pictures: list[bytes]) -> m.HostAnswer:
        """What a host's thread does with the pictures that it has fetched."""
        files = []
        for place, data in enumerate(pictures):
            self._durable()
            if self.disk_is_full:
                return m.RequestFailed(request.host, request.serial, DISK)
            self.temporary[request.row, request.attempt, place] = data
            name = f"{request.row:06d}-{place}.png"
            files.append(KeptFile(place, name, self._sha(data), len(data), ""))
        return m.FilesFetched(request.host, request.serial, request.row, request.attempt, tuple(files))

    def _host_died(self, host: str) -> None:
        for one in self.people:
            if one.person.host == host:
                one.host_died()

    def _hear(self, host: str, prompt_id: str, messages: tuple[Message, ...]) -> None:
        for one in self.people:
            one.said(prompt_id, messages)
        life, ended = self.life, any(isinstance(one, Ended) or _is_last(one) for one in messages)
        if self._chance(self.plan.lost * 3):
            return
        for _ in range(2 if self._chance(self.plan.doubled) else 1):
            delay = self.draw.uniform(5.0, 60.0) if self._chance(self.plan.late) else self.plan.latency
            self.after(delay, lambda: self._if(life, lambda: m.Heard(host, prompt_id, ended)))

    # --- What must hold ----------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        plan, counts = self.plan, self.state.counts()
        promise(sum(counts.values()) == plan.rows, f"rows were lost or made: {counts}")
        promise(self.verdict is not None or not counts["open"], f"it ended with open rows: {counts}")
        attempts = list(self.state.query("SELECT row, number, prompt_id, state, error FROM attempts"))
        done = Counter(row for row, _, _, state, _ in attempts if state == "done")
        promise(all(count == 1 for count in done.values()), "a row is in the table twice")
        promise(len(done) == counts["done"], "a row is done without an attempt that did it")
        wanted = {}
        for row, number, *_ in (one for one in attempts if one[3] == "done"):
            files = self.state.files(row, number)
            promise(len(files) == 1 + row % 2, f"row {row} has {len(files)} files")
            wanted |= {one.name: (row, one) for one in files}
        for name, (row, one) in wanted.items():
            data = self.final.get(name, b"")
            promise(self._sha(data) == one.sha256, f"{name} is not whole")
            promise(data.startswith(f"{row}/{one.place}/".encode()), f"{name} is another row's")
        if self.verdict is None:
            saved = {name for name in self.final if int(name[:6]) in done}
            promise(saved == set(wanted), f"strangers: {saved ^ set(wanted)}")
            promise(not any(state in ("open", "saving") for *_, state, _ in attempts), "an attempt is still open")
        self._judge_failures(attempts)
        if plan.calm:
            promise(self.world.renders == dict.fromkeys(range(1, plan.rows + 1), 1), f"renders: {self.world.renders}")

    def _judge_failures(self, attempts: list) -> None:
        """No row may be set aside that did nothing wrong, and no attempt called failed that did not fail."""
        for row, kind in self.state.query("SELECT number, error FROM rows WHERE state = 'failed'"):
            struck = sum(one[0] == row and one[3] == "failed" and one[4] == kind for one in attempts)
            promise(struck > self.policy.rules[kind].retries, f"row {row} was set aside too early ({kind})")
            if self.plan.fair:
                guilty = row in self.plan.bad or row in self.plan.hungry
                promise(guilty, f"row {row} did nothing wrong and was set aside ({kind})")
        for row, _, prompt_id, state, kind in attempts:
            if state == "failed" and kind in ("node", "memory", "refused", "subject"):
                promise(self.world.endings.get(prompt_id) == kind, f"row {row} did not fail so on its host ({kind})")
        for row, kind in self.plan.bad.items():
            ended = self.state.value("SELECT state FROM rows WHERE number = ?", row)
            promise(ended != "done", f"row {row} cannot be done ({kind})")


def _is_last(message: Message) -> bool:
    return isinstance(message, Executing) and message.node is None


def night(plan: Scenario | int) -> Night:
    """Live through a night, or the night of a seed; raises BrokenPromiseError."""
    return Night(scenario(plan) if isinstance(plan, int) else deepcopy(plan)).run()


def broken(plan: Scenario | int) -> str:
    """Return what a night breaks, or ""."""
    try:
        night(plan)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
