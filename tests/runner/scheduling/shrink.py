"""A night that breaks a promise, made as small as it can be: faults, hosts, people and rows are dropped one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path

from .scenario import Scenario

KEPT = Path(__file__).with_name("nights.json")
"""Nights that broke a promise once, each with the words of the promise; tests live through them for ever."""


def shrink(plan: Scenario, broken: Callable[[Scenario], str]) -> Scenario:
    """Return the smallest night that is still broken; `broken` returns what a night breaks, or ""."""
    smaller = True
    while smaller:
        smaller = False
        for simpler in simpler_nights(plan):
            if broken(simpler):
                plan, smaller = simpler, True
                break
    return plan


def simpler_nights(plan: Scenario) -> Iterator[Scenario]:
    """Yield nights with one thing less, the largest things first."""
    for number, host in enumerate(plan.hosts if len(plan.hosts) > 1 else ()):
        fewer = _changed(plan, hosts=plan.hosts[:number] + plan.hosts[number + 1 :])
        fewer.people = [one for one in fewer.people if one.host != host.name]
        yield fewer
    if plan.rows > 1:
        for rows in {1, plan.rows // 2, plan.rows - 1}:
            yield _changed(plan, rows=rows)
    for name in ("people", "kills", "full", "stops", "leaps", "bad", "hungry", "needs"):
        for shorter in _shorter(getattr(plan, name)):
            yield _changed(plan, **{name: shorter})
    for name in ("lost", "late", "doubled", "lag"):
        if getattr(plan, name):
            yield _changed(plan, **{name: 0.0})
    for place, host in enumerate(plan.hosts):
        for name in ("deaths", "foreign"):
            for shorter in _shorter(getattr(host, name)):
                yield _inside(plan, "hosts", place, name, shorter)
        for name, plain in (("lie", ""), ("speed", 1.0), ("honest_at", 0.0 if not host.lie else host.honest_at)):
            if getattr(host, name) != plain:
                yield _inside(plan, "hosts", place, name, plain)
    for place, one in enumerate(plan.people):
        for name in ("kills", "cuts"):
            for shorter in _shorter(getattr(one, name)):
                yield _inside(plan, "people", place, name, shorter)
        for name in ("deaf", "timeout"):
            if getattr(one, name):
                yield _inside(plan, "people", place, name, 0.0)


def faults(plan: Scenario) -> int:
    """How many things go wrong in a night."""
    several = [plan.kills, plan.full, plan.stops, plan.leaps, plan.bad, plan.hungry]
    several += [part for host in plan.hosts for part in (host.deaths, host.foreign)]
    several += [part for one in plan.people for part in (one.kills, one.cuts)]
    single = [plan.lost, plan.late, plan.doubled, plan.lag, *(host.lie for host in plan.hosts)]
    return sum(map(len, several)) + sum(map(bool, [*single, *(one.deaf for one in plan.people)]))


def keep(plan: Scenario, promise: str) -> None:
    """Add a night to those that the tests live through."""
    nights = json.loads(KEPT.read_text("utf-8"))
    if asdict(plan) not in [one["night"] for one in nights]:
        nights.append({"promise": promise, "night": asdict(plan)})
        KEPT.write_text(json.dumps(nights, indent=1) + "\n", "utf-8")


def kept() -> list[tuple[str, Scenario]]:
    """Return those nights, each with the promise that it broke."""
    return [(one["promise"], Scenario.of(one["night"])) for one in json.loads(KEPT.read_text("utf-8"))]


def _shorter(several: list | dict) -> Iterator[list | dict]:
    if isinstance(several, dict):
        yield from ({key: value for key, value in several.items() if key != left_out} for left_out in several)
    else:
        yield from (several[:place] + several[place + 1 :] for place in range(len(several)))


def _changed(plan: Scenario, **changes: object) -> Scenario:
    changed = deepcopy(plan)
    for name, value in changes.items():
        setattr(changed, name, deepcopy(value))
    return changed


def _inside(plan: Scenario, group: str, place: int, name: str, value: object) -> Scenario:
    changed = deepcopy(plan)
    setattr(getattr(changed, group)[place], name, value)
    return changed
