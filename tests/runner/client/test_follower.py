"""The follower of a prompt by itself: signals in, actions out. tests/runner/scheduling simulates nights with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from portrait_studio.runner.client import events, following
from portrait_studio.runner.client.answers import HistoryEntry
from portrait_studio.runner.client.errors import (
    ConnectionLostError,
    HostError,
    JobTimeoutError,
    LostError,
    NotComfyUIError,
)
from portrait_studio.runner.client.follower import Follower
from portrait_studio.runner.client.messages import Begun, Cached, Ended, Executing
from portrait_studio.runner.client.outcome import Outcome
from tests.closure import imported

CLIENT = Path(__file__).parents[3] / "runner" / "client"
MACHINE = ("follower", "following", "progress", "outcome", "answers", "messages")
PURE = {"__future__", "collections.abc", "dataclasses", "math", "struct", "typing"}
FLOOR = {f"runner.client.{name}" for name in (*MACHINE, "wire", "events", "errors", "limits", "naming")}
SUCCESS = HistoryEntry({}, "success", (("execution_success", {}),))


def test_the_follower_has_no_sockets_clocks_or_files_of_its_own():
    for name in MACHINE:
        found = imported(CLIENT / f"{name}.py") - PURE - {"runner.client"}
        outside = {one for one in found if one not in FLOOR and one.rpartition(".")[0] not in FLOOR}
        assert not outside, name


class Desk:
    """A follower that waits, and what it has asked for."""

    def __init__(self, timeout: float = 0.0) -> None:
        patience = following.FollowerPatience(patience=10.0, start_grace=8.0, stall=30.0, lost_grace=3.0, silence=5.0)
        self.now = 0.0
        self.follower = Follower("mine", {"1": ("", "KSampler")}, "http://a", patience, self.now)
        self.done: list[following.FollowerAction] = []
        self.tell(following.Line(True, 0.0))
        self.tell(following.Begin(timeout, float("inf")))

    def tell(self, signal: following.FollowerSignal | None, after: float = 0.0) -> list[following.FollowerAction]:
        self.now += after
        out = self.follower.step(signal, self.now)
        self.done += out
        return out

    def look(self) -> following.LookFor:
        """Wait until it looks."""
        for _ in range(100):
            for action in self.tell(None, self.follower.wake()):
                if isinstance(action, following.LookFor):
                    return action
        raise AssertionError("it does not look")

    def see(self, running=(), pending=(), entry=None) -> list[following.FollowerAction]:
        look = self.look()
        queue = (list(running), list(pending)) if look.queue else None
        return self.tell(following.PromptSeen(look.serial, queue, entry))

    def outcome(self) -> Outcome:
        last = self.done[-1]
        assert isinstance(last, following.End)
        return last.outcome

    def error(self) -> Exception:
        last = self.done[-1]
        assert isinstance(last, following.GiveUp)
        return last.error


def test_the_end_is_looked_for_at_once_and_the_history_has_the_last_word():
    desk = Desk()
    desk.see(["mine"])
    for message in (Begun("mine"), Cached("mine"), Executing("mine", "1", "1")):
        desk.tell(following.MessageHeard(message))
    assert any(isinstance(one, following.LookFor) for one in desk.tell(following.MessageHeard(Ended("mine"))))
    assert not desk.follower.over
    desk.tell(following.PromptSeen(desk.follower._serial, None, None))
    assert desk.follower.wake() < 0.01
    desk.see(entry=SUCCESS)
    assert desk.outcome().state == "success"
    kinds = [one.kind for one in desk.done if isinstance(one, following.Tell)]
    assert kinds[-2:] == [events.NodeStarted, events.NodeFinished]


def test_an_announced_end_that_never_comes_is_taken_for_a_lie():
    desk = Desk()
    desk.see(["mine"])
    desk.tell(following.MessageHeard(Ended("mine")))
    for _ in range(19):
        assert not desk.follower.listening
        desk.tell(following.PromptSeen(desk.follower._serial, None, None), 0.01)
        desk.tell(None, desk.follower.wake() + 0.001)
    desk.tell(following.PromptSeen(desk.follower._serial, None, None))
    assert desk.follower.listening
    assert 2.0 < desk.now < 5.0  # with pauses in between


def test_an_answer_to_an_earlier_question_changes_nothing():
    desk = Desk()
    first = desk.look()
    desk.tell(following.PromptNotSeen(first.serial, ConnectionLostError("no answer")))
    assert desk.tell(following.PromptSeen(first.serial, ([], []), SUCCESS)) == []
    assert not desk.follower.over


def test_a_host_that_is_away_is_told_once_and_given_up_after_the_patience():
    desk = Desk()
    while not desk.follower.over:
        desk.tell(following.PromptNotSeen(desk.look().serial, ConnectionLostError("no answer")))
    assert 10.0 < desk.now < 12.0
    assert isinstance(desk.error(), HostError)
    assert [one.kind for one in desk.done if isinstance(one, following.Tell)] == [events.HostAway]


def test_a_job_in_neither_queue_nor_history_is_lost_after_the_grace_and_not_before():
    desk = Desk()
    while not desk.follower.over:
        desk.see()
    assert isinstance(desk.error(), LostError)
    assert 3.0 < desk.now < 8.0


@pytest.mark.parametrize(("gone", "words"), [(True, "was cancelled"), (False, "let go"), (None, "not answer")])
def test_time_that_is_up_cancels_the_job_and_says_what_came_of_it(gone, words):
    desk = Desk(timeout=5.0)
    while not any(isinstance(one, following.Cancel) for one in desk.done):
        desk.see(pending=["mine"]) if desk.follower._asked is None else None
        desk.tell(None, desk.follower.wake())
        if desk.follower._asked is not None:
            desk.tell(following.PromptSeen(desk.follower._serial, ([], ["mine"]), None))
    desk.tell(following.CancelTried(gone))
    error = desk.error()
    assert isinstance(error, JobTimeoutError)
    assert words in str(error)
    assert "still waiting after 5 s" in str(error)


def test_what_is_not_comfyui_is_not_waited_for():
    desk = Desk()
    desk.tell(following.PromptNotSeen(desk.look().serial, NotComfyUIError("something else")))
    assert isinstance(desk.error(), NotComfyUIError)


def test_after_its_end_it_wants_nothing():
    desk = Desk()
    desk.see(entry=SUCCESS)
    desk.tell(None, 1.0)
    assert isinstance(desk.done[-1], following.End)
    assert desk.tell(following.MessageHeard(Executing("mine", "1", "1")), 1.0) == []
