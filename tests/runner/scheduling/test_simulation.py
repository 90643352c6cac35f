"""Two thousand simulated nights: hosts that die, return, lie and slow down; a network that loses and repeats; a runner
killed between any two writes; a disk that fills. No row lost, none twice, and every batch ends or says why it does not.

A seed that breaks a promise is printed by its number, with the smallest night that breaks it too. `simulate --keep`
adds that night to nights.json, and these tests live through it from then on.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from portrait_studio.runner.client import following
from portrait_studio.runner.client.answers import HistoryEntry
from portrait_studio.runner.client.follower import Follower
from portrait_studio.runner.client.messages import Ended

from .night import Night, broken, night
from .people import BrokenPromiseError
from .scenario import LIES, LIES_TO_PEOPLE, HostPlan, Scenario, scenario
from .shrink import faults, kept, shrink

BROKEN_ONCE = {
    118: "a slow host without news counted as stalled",
    146: "a prompt that could not be withdrawn was withdrawn again for ever",
    251: "a row with an attempt on a host that never answers was tried for ever elsewhere",
    1825: "the same, with two hosts that it crashed in turn",
    1962: "the same, without a pause between the tries",
    2192: "a row that waited behind one that crashes the host was blamed too",
}
BROKEN_AMONG_MANY = {
    70210: "a row was blamed again and again beside one that crashes the host",
    85974: "the same",
    94927: "the same",
    98803: "the same, the row being first in the queue each time",
    128893: "the same",
    168735: "the same",
    91493: "a row went to and fro between a host that has its subject and one that does not take it",
    117441: "two hosts that died in turn had an attempt at the same row each, and it never had its last",
    38841: "on a host that hangs each answer that was lost began the stall anew",
    37380: "no hang: a slow host that forgets fails each row six times",
    80243: "the same",
}


def broken_of(seeds: range) -> dict[int, tuple[str, Scenario]]:
    found = {seed: promise for seed in seeds if (promise := broken(seed))}
    return {seed: (promise, shrink(scenario(seed), broken)) for seed, promise in found.items()}


@pytest.mark.parametrize("first", range(0, 2000, 250))
def test_every_night_keeps_its_promises(first):
    assert broken_of(range(first, first + 250)) == {}


@pytest.mark.parametrize("seed", BROKEN_ONCE)
def test_a_night_that_was_broken_once_is_whole(seed):
    night(scenario(seed, people=False))


@pytest.mark.parametrize("seed", BROKEN_AMONG_MANY)
def test_a_night_that_was_broken_among_a_hundred_thousand_is_whole(seed):
    night(seed)


def test_the_smallest_nights_that_were_broken_once_are_whole():
    assert [(promise, again) for promise, plan in kept() if (again := broken(plan))] == []


def test_the_nights_are_as_bad_as_they_should_be():
    plans = [scenario(seed) for seed in range(500)]
    lies = {host.lie for plan in plans for host in plan.hosts}
    assert lies == {"", *LIES, *LIES_TO_PEOPLE}
    assert {kind for plan in plans for kind in plan.bad.values()} == {"node", "crash", "refused", "hangs"}
    assert sum(bool(plan.kills) for plan in plans) > 80
    assert sum(bool(plan.full) for plan in plans) > 25
    assert sum(plan.calm for plan in plans) > 8
    people = [one for plan in plans for one in plan.people]
    assert sum(bool(one.deaf) for one in people) > 25
    assert sum(bool(one.kills) for one in people) > 25
    assert sum(bool(one.cuts) for one in people) > 25
    assert sum(bool(plan.lag) for plan in plans) > 50
    assert sum(any(not host.takes for host in plan.hosts) for plan in plans if plan.needs) > 25


def test_subjects_are_brought_on_many_nights():
    nights = [night(seed) for seed in range(300) if scenario(seed).needs]
    assert sum(bool(one.world.brought) for one in nights) > 20
    brought = [pair for one in nights for pair in one.world.brought]
    assert len(brought) < 2 * len(nights)  # each to a host once


def test_on_a_calm_night_nothing_is_brought_to_a_host_for_which_nothing_is_left():
    """The host that has the subject takes as many rows as it holds, before it is brought to the other."""
    hosts = [HostPlan("host-0"), HostPlan("host-1", has=["mina"])]
    assert night(Scenario(5, 1, 2.0, hosts, {}, {}, needs={1: "mina"})).world.brought == []
    many = night(Scenario(5, 8, 2.0, hosts, {}, {}, needs=dict.fromkeys(range(1, 9), "mina")))
    assert many.world.brought == [("host-0", "mina")]
    assert many.time < 8 * 2.0


def test_people_are_told_everything_that_can_be_told():
    told = {one.verdict for seed in range(150) for one in night(seed).people}
    assert told >= {"success", "LostError", "JobTimeoutError", "StalledError", "HostError"}


def test_the_same_seed_is_the_same_night():
    one, other = night(77), night(77)
    assert (one.time, one.writes, one.final) == (other.time, other.writes, other.final)


def test_a_runner_that_keeps_no_notes_is_found_out(monkeypatch):
    """The promises are checked, not only made: without its notes the table does not agree with the pictures."""
    monkeypatch.setattr("portrait_studio.runner.batch.state.State.write", lambda self, notes: None)
    with pytest.raises(BrokenPromiseError):
        Night(scenario(3)).run()


def first_broken(seeds: range) -> tuple[int, str]:
    return next(((seed, promise) for seed in seeds if (promise := broken(seed))), (-1, ""))


def test_a_follower_that_believes_the_websocket_is_found_out_and_its_night_shrinks(monkeypatch):
    """It takes every message that a prompt is through for its end, where the history has the last word."""

    def gullible(follower, signal):
        if isinstance(signal, following.MessageHeard) and isinstance(signal.message, Ended):
            entry = HistoryEntry({}, "success", (("execution_success", {}),))
            follower._entry, follower._hear_until = entry, follower.now
        take(follower, signal)

    take = Follower._take
    monkeypatch.setattr(Follower, "_take", gullible)
    seed, promise = first_broken(range(200))
    assert "and success was told" in promise
    smallest = shrink(scenario(seed), broken)
    assert broken(smallest)
    assert faults(smallest) <= 2 < faults(scenario(seed)) + 3
    assert (len(smallest.people), len(smallest.hosts)) == (1, 1)
    assert Scenario.of(json.loads(json.dumps(asdict(smallest)))) == smallest


def test_a_follower_that_trusts_the_websocket_to_tell_the_end_is_found_out(monkeypatch):
    """A message can be lost, and a socket can fall silent: somebody would wait for ever."""

    def trusting(follower, asked):
        schedule(follower, asked)
        if follower._connected:
            follower._look_at = follower._queue_at = float("inf")

    schedule = Follower._schedule
    monkeypatch.setattr(Follower, "_schedule", trusting)
    assert "somebody's waiting does not end" in first_broken(range(400))[1]
