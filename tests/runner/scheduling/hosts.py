"""A simulated host: a queue, a worker, a history, a disk; it dies, returns, lies and forgets."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from portrait_studio.runner.client.messages import Begun, Cached, Ended, Executing, Message, NodeStep
from portrait_studio.runner.scheduling import Fault

from .scenario import HostPlan, Scenario

CONNECTION = Fault("connection", "no answer")
PROGRESS = 10.0  # seconds between two messages of a node that works
WRONG = Fault("wrong", "another prompt's history")


class NoAnswerError(Exception):
    """The host is down, or what it says is not worth reading."""

    def __init__(self, fault: Fault = CONNECTION) -> None:
        self.fault = fault


@dataclass
class Job:
    """A prompt at a host; `row` is 0 for other people's."""

    prompt_id: str
    row: int
    seconds: float
    steps: int = 0


@dataclass
class World:
    """What all hosts share: the plan, a clock with alarms, and a record of what really happened."""

    plan: Scenario
    at: Callable[[float, Callable[[], None]], None]
    now: Callable[[], float]
    say: Callable[[str, str, tuple[Message, ...]], None]  # host, prompt id, what its websocket says of the prompt
    renders: dict[int, int] = field(default_factory=dict)
    endings: dict[str, str] = field(default_factory=dict)  # prompt id -> the kind of its failure on the host
    hunger: dict[int, int] = field(default_factory=dict)
    brought: list[tuple[str, str]] = field(default_factory=list)  # host and subject
    lost_jobs: set[str] = field(default_factory=set)  # prompt ids that a host had and lost
    died: Callable[[str], None] = lambda host: None


class SimulatedHost:
    """A host as the shell would see it."""

    def __init__(self, plan: HostPlan, world: World) -> None:
        self.plan, self.world = plan, world
        self.up = True
        self.life = 0
        self.running: Job | None = None
        self.pending: list[Job] = []
        self.history: dict[str, Fault | None] = {}
        self.files: dict[str, list[bytes]] = {}
        self.has = set(plan.has)  # on its disk
        self.freed = False
        for time in plan.deaths:
            world.at(time, self.die)
        for time, seconds in plan.foreign:
            world.at(time, lambda seconds=seconds: self._queue(Job(f"foreign-{world.now()}", 0, seconds)))

    @property
    def lie(self) -> str:
        return self.plan.lie if self.world.now() < self.plan.honest_at else ""

    def die(self) -> None:
        """Lose everything but the disk, and come back later."""
        if not self.up:
            return
        self.up = False
        self.life += 1
        for job in [*self.pending, *([self.running] if self.running else [])]:
            self.world.lost_jobs.add(job.prompt_id)
        self.world.lost_jobs.update(self.history)
        self.running, self.pending, self.history = None, [], {}
        self.world.at(self.plan.downtime, self._return)
        self.world.died(self.plan.name)

    def _return(self) -> None:
        self.up = True

    # --- What is asked of it -----------------------------------------------------------------------------------------

    def _answering(self) -> None:
        if not self.up or self.lie == "error 500":
            raise NoAnswerError

    def queue_and_history(
        self, prompts: tuple[str, ...]
    ) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, Fault | None]]:
        self._answering()
        if self.lie == "wrong" and prompts:
            raise NoAnswerError(WRONG)
        if self.lie == "forgets":
            for prompt_id in prompts:
                if self.history.pop(prompt_id, CONNECTION) is not CONNECTION:
                    self.world.lost_jobs.add(prompt_id)
        running = (self.running.prompt_id,) if self.running else ()
        pending = tuple(job.prompt_id for job in self.pending)
        ended = {one: self.history[one] for one in prompts if one in self.history and one not in (*running, *pending)}
        return running, pending, ended

    def knows(self, prompt_id: str) -> bool:
        """Whether a prompt waits, runs, or has run."""
        running, pending, ended = self.queue_and_history((prompt_id,))
        return prompt_id in (*running, *pending, *ended)

    def post_of(self, prompt_id: str, seconds: float) -> None:
        """Queue the prompt of somebody who runs no batch."""
        self._answering()
        self._queue(Job(prompt_id, 0, seconds * self.plan.speed))

    def post(self, prompt_id: str, row: int, others: Collection[SimulatedHost] = ()) -> None:
        self._answering()
        subject = self.world.plan.needs.get(row)
        if subject and subject not in self.has:
            self._be_brought(subject, prompt_id, others)
        if self.world.plan.bad.get(row) == "refused":
            self.world.endings[prompt_id] = "refused"
            raise NoAnswerError(Fault("refused", "a value is not in the list"))
        self._queue(Job(prompt_id, row, self.world.plan.job * self.plan.speed))

    def _be_brought(self, subject: str, prompt_id: str, others: Collection[SimulatedHost]) -> None:
        """What the shell does before it posts: it gets the subject from a host that answers and has it."""
        able = any(one.up and one.lie != "error 500" and subject in one.has for one in others)
        if not (able and self.plan.takes):
            self.world.endings[prompt_id] = "subject"
            raise NoAnswerError(Fault("subject", "it is nowhere to be had, or not taken here"))
        self.has.add(subject)
        self.world.brought.append((self.plan.name, subject))

    def fetch(self, prompt_id: str) -> list[bytes]:
        self._answering()
        if self.lie == "missing" or prompt_id not in self.files:
            self.world.endings[prompt_id] = "missing"
            raise NoAnswerError(Fault("missing", "no picture"))
        return self.files[prompt_id]

    def remove(self, prompt_id: str, interrupt: bool) -> bool:
        self._answering()
        self.pending = [job for job in self.pending if job.prompt_id != prompt_id]
        if self.running and self.running.prompt_id == prompt_id:
            if not interrupt or (self._hangs(self.running) and not self.plan.obeys):
                return False
            self._end(self.running, self.life, Fault("interrupted", "somebody pressed cancel"))
            return True
        return interrupt or prompt_id not in self.history

    def free(self) -> None:
        self._answering()
        self.freed = True

    # --- Its worker --------------------------------------------------------------------------------------------------

    def _queue(self, job: Job) -> None:
        if self.up:
            self.pending.append(job)
            self._work()

    def _hangs(self, job: Job) -> bool:
        return self.lie in ("never finishes", "dead worker") or self.world.plan.bad.get(job.row) == "hangs"

    def _work(self) -> None:
        if self.running is not None or not self.pending:
            return
        job = self.running = self.pending.pop(0)
        if self.lie == "dead worker":
            return
        self._say(job, Begun(job.prompt_id), Cached(job.prompt_id), Executing(job.prompt_id, "1", "1"))
        life = self.life
        if self.world.plan.bad.get(job.row) == "crash":
            self.world.at(job.seconds / 2, lambda: self.die() if life == self.life else None)
        elif not self._hangs(job):
            self.world.at(PROGRESS, lambda: self._moves(job, life))
            self.world.at(job.seconds, lambda: self._through(job, life))
            if self.lie == "cries wolf":
                self.world.at(job.seconds / 3, lambda: self._say(job, Ended(job.prompt_id)))

    def _say(self, job: Job, *messages: Message) -> None:
        if self.up:
            self.world.say(self.plan.name, job.prompt_id, messages)

    def _moves(self, job: Job, life: int) -> None:
        if self.running is job and life == self.life:
            job.steps += 1
            self._say(job, NodeStep(job.prompt_id, "1", job.steps, 100.0))
            self.world.at(PROGRESS, lambda: self._moves(job, life))

    def _through(self, job: Job, life: int) -> None:
        """A host says that a prompt is through some time before its history has it."""
        fault = self._verdict(job) if life == self.life and self.running is job else None
        if self.world.plan.lag and life == self.life and self.running is job:
            self._say(job, Ended(job.prompt_id))
            self.world.at(self.world.plan.lag, lambda: self._end(job, life, fault))
        else:
            self._end(job, life, fault)

    def _verdict(self, job: Job) -> Fault | None:
        world = self.world
        if world.plan.bad.get(job.row) == "node":
            return Fault("node", "ValueError: poison", "Traceback")
        if world.hunger.get(job.row, 0) < world.plan.hungry.get(job.row, 0):
            world.hunger[job.row] = world.hunger.get(job.row, 0) + 1
            return Fault("memory", "out of memory")
        return None

    def _end(self, job: Job, life: int, fault: Fault | None) -> None:
        if life != self.life or self.running is not job:
            return
        self.running = None
        self.history[job.prompt_id] = fault
        if fault is None and job.row:
            self.world.renders[job.row] = self.world.renders.get(job.row, 0) + 1
            self.files[job.prompt_id] = [
                f"{job.row}/{place}/{job.prompt_id}".encode() for place in range(1 + job.row % 2)
            ]
        if job.row == 0 or fault is not None:
            self.world.endings[job.prompt_id] = fault.kind if fault else "success"
        self._say(job, Ended(job.prompt_id), Executing(job.prompt_id))
        self._work()
