"""What goes wrong in a simulated night, drawn from one seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LIES = ("missing", "wrong", "error 500", "never finishes", "forgets")
LIES_TO_PEOPLE = ("dead worker", "cries wolf")


@dataclass
class HostPlan:
    """One host: `speed` multiplies every job's seconds; `deaths` are times; `lies` until `honest_at`."""

    name: str
    speed: float = 1.0
    deaths: list[float] = field(default_factory=list)
    downtime: float = 20.0
    lie: str = ""
    honest_at: float = 0.0
    obeys: bool = True  # whether an interrupt reaches a hanging node
    foreign: list[tuple[float, float]] = field(default_factory=list)  # other people's jobs: when, how long
    has: list[str] = field(default_factory=list)  # subjects that it has from the beginning
    takes: bool = True  # whether a subject can be brought to it


@dataclass
class Person:
    """Somebody who runs one job on one host and follows it; `kills` are times at which that process is killed.

    `deaf` is when the websocket stays open and brings nothing any more; 0 for never. `timeout` is 0 for none.
    """

    host: str
    at: float
    seconds: float
    timeout: float = 0.0
    deaf: float = 0.0
    cuts: list[float] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)


@dataclass
class Scenario:
    """A night. Chances are per message; `kills` and `full` count durable writes; times are seconds."""

    seed: int
    rows: int
    job: float
    hosts: list[HostPlan]
    bad: dict[int, str]  # rows that fail wherever they run: "node", "crash", "refused", "hangs"
    hungry: dict[int, int]  # rows that run out of memory so often
    lost: float = 0.0
    late: float = 0.0
    doubled: float = 0.0
    latency: float = 0.01
    kills: list[int] = field(default_factory=list)
    full: list[int] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    leaps: list[float] = field(default_factory=list)
    lag: float = 0.0  # seconds between a host's word that a prompt is through and its history
    people: list[Person] = field(default_factory=list)
    needs: dict[int, str] = field(default_factory=dict)  # the subjects of rows

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Scenario:
        """Read what `dataclasses.asdict` and JSON have made of a night."""
        hosts = [
            HostPlan(**{**one, "foreign": [(when, long) for when, long in one["foreign"]]}) for one in data["hosts"]
        ]
        numbered = {key: {int(row): what for row, what in data[key].items()} for key in ("bad", "hungry", "needs")}
        return cls(**{**data, **numbered, "hosts": hosts, "people": [Person(**one) for one in data["people"]]})

    @property
    def calm(self) -> bool:
        """Whether nothing at all goes wrong."""
        quiet = not (self.bad or self.hungry or self.kills or self.full or self.stops or self.leaps or self.nowhere)
        return (
            quiet
            and not self.people
            and not (self.lost or self.late or self.doubled)
            and all(_honest(one) for one in self.hosts)
        )

    @property
    def fair(self) -> bool:
        """Whether no host lies or hangs, nor seems to, and each subject is somewhere: then every good row is done."""
        silent = self.lost > 0 and any(self.job * one.speed > 60 for one in self.hosts)
        lies = any(one.lie for one in self.hosts) or "hangs" in self.bad.values()
        return not (silent or lies or self.nowhere)

    @property
    def nowhere(self) -> set[str]:
        """The subjects that are needed, and that no host has: a night is never drawn so, and may be shrunk to it."""
        return set(self.needs.values()).difference(*(one.has for one in self.hosts))


def _honest(host: HostPlan) -> bool:
    return not (host.deaths or host.lie or host.foreign)


def scenario(seed: int, *, people: bool = True) -> Scenario:
    """Draw a night. Each kind of fault is absent from most nights, so that each is also seen alone."""
    plan = _batch(seed)
    if people:
        _invite(plan, random.Random(seed ^ 0xF01108))
    _ask_for_subjects(plan, random.Random(seed ^ 0x5B7EC7))
    return plan


def _ask_for_subjects(plan: Scenario, draw: random.Random) -> None:
    """Give rows subjects that some hosts have, and others are brought or, now and then, do not take."""
    if draw.random() < 0.6:
        return
    for subject in ("mina", "jun")[: draw.choice((1, 1, 2))]:
        holders = draw.sample(plan.hosts, draw.randint(1, len(plan.hosts)))
        for host in holders:
            host.has.append(subject)
        for row in range(1, plan.rows + 1):
            if draw.random() < 0.7:
                plan.needs[row] = subject
    for host in plan.hosts:
        host.takes = draw.random() < 0.85


def _invite(plan: Scenario, draw: random.Random) -> None:
    """Add people who run a job of their own, and what only they meet."""
    if draw.random() < 0.5:
        return
    plan.lag = draw.choice((0.0, 0.0, 0.01, 0.6))
    for host in plan.hosts:
        if not host.lie and draw.random() < 0.06:
            host.lie, host.honest_at = draw.choice(LIES_TO_PEOPLE), 1e9
    span = plan.rows * plan.job + 10.0
    for _ in range(draw.randint(1, 3)):
        one = Person(draw.choice(plan.hosts).name, draw.uniform(0, span), draw.choice((0.0, 0.1, 5.0, 45.0)))
        one.timeout = draw.choice((0.0, 20.0, 900.0))
        if draw.random() < 0.15:
            one.deaf = one.at + draw.uniform(0.5, 20.0)
        if draw.random() < 0.2:
            one.cuts = sorted(one.at + draw.uniform(0.1, 60.0) for _ in range(draw.randint(1, 4)))
        if draw.random() < 0.2:
            one.kills = sorted(one.at + draw.uniform(0.1, 60.0) for _ in range(draw.randint(1, 3)))
        plan.people.append(one)


def _batch(seed: int) -> Scenario:
    draw = random.Random(seed)

    def now_and_then(chance: float) -> bool:
        return draw.random() < chance

    rows = draw.choice((1, 2, 3, 5, 8, 13))
    job = draw.choice((0.2, 2.0, 20.0))
    span = rows * job + 10.0
    hosts = []
    for number in range(draw.choice((1, 1, 2, 2, 3))):
        host = HostPlan(f"host-{number}", speed=draw.choice((1.0, 1.0, 1.3, 0.5)))
        if now_and_then(0.1):
            host.speed = 50.0
        if now_and_then(0.35):
            host.deaths = sorted(draw.uniform(0, span * 2) for _ in range(draw.randint(1, 4)))
            host.downtime = draw.choice((0.5, 20.0, 90.0))
        if now_and_then(0.12):
            host.lie = draw.choice(LIES)
            host.honest_at = draw.choice((span / 2, 1e9))
            host.obeys = now_and_then(0.5)
        if now_and_then(0.1):
            host.foreign = [(draw.uniform(0, span), draw.uniform(1, 100)) for _ in range(2)]
        hosts.append(host)
    plan = Scenario(seed, rows, job, hosts, {}, {})
    if now_and_then(0.3):
        plan.bad = {draw.randint(1, rows): draw.choice(("node", "crash", "refused", "hangs"))}
    if now_and_then(0.2):
        plan.hungry = {draw.randint(1, rows): draw.randint(1, 2)}
    if now_and_then(0.4):
        plan.lost, plan.late, plan.doubled = (draw.choice((0.0, 0.02, 0.1)) for _ in range(3))
        plan.latency = draw.choice((0.01, 0.3))
    if now_and_then(0.5):
        plan.kills = sorted(draw.randint(1, rows * 16) for _ in range(draw.randint(1, 4)))
    if now_and_then(0.1):
        plan.full = sorted(draw.randint(1, rows * 12) for _ in range(draw.randint(1, 2)))
    if now_and_then(0.1):
        plan.stops = [draw.uniform(0, span)]
    if now_and_then(0.05):
        plan.leaps = [draw.choice((-3600.0, 3600.0, 1e6)) for _ in range(2)]
    return plan
