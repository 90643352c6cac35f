"""What a training says while it works."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from portrait_studio.trainer.judge import CheckpointScore
from portrait_studio.trainer.progress import TrainingProgress, duration


class Bar:
    """Remembers what it was set to."""

    def __init__(self):
        self.shown = []

    def update_absolute(self, value, total=None, preview=None):
        self.shown.append((value, total, preview))


class Heard(list):
    """Everything that was said, as (text, facts)."""

    def __call__(self, text, **facts):
        self.append((text, facts))

    @property
    def last(self) -> str:
        return self[-1][0]


@pytest.fixture
def clock():
    return SimpleNamespace(now=0.0)


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def bar():
    return Bar()


@pytest.fixture
def progress(heard, bar, clock):
    return TrainingProgress(heard, bar, lambda: clock.now)


def score(step: int, likeness: float) -> CheckpointScore:
    return CheckpointScore(step, (likeness,) * 4, ())


def test_the_time_left_follows_from_the_steps_so_far(progress, heard, clock):
    for done in (1, 2, 3):
        progress.step(done, 61, 0.1)
        clock.now += 2.0
    assert heard.last == "Training: step 3 of 61, about 2 min left"


def test_the_first_step_promises_no_time(progress, heard):
    progress.step(1, 60, 0.1)
    assert heard.last == "Training: step 1 of 60"


def test_the_best_likeness_so_far_is_said_beside_the_one_before_training(progress, heard, clock):
    for one in (score(0, 0.42), score(20, 0.61), score(40, 0.58)):
        progress.judged(one)
    clock.now = 10.0
    progress.step(41, 60, 0.1)
    text, facts = heard[-1]
    assert text.splitlines()[1] == "best likeness so far 0.61 at step 20 (before training 0.42)"
    assert facts["curve"] == [(0, 0.42), (20, 0.61), (40, 0.58)]


def test_many_quick_steps_are_few_messages_and_the_last_is_among_them(progress, heard, bar, clock):
    for done in range(1, 1001):
        clock.now += 0.001
        progress.step(done, 1000, 0.1)
    assert len(heard) <= 4
    assert heard.last == "Training: step 1000 of 1000"
    assert len(bar.shown) == 1000


def test_the_bar_moves_before_the_first_step(progress, heard, bar, clock):
    progress.phase("drawing 8 pictures of the class")
    clock.now = 1.0
    progress.drawing(3, 12)
    assert heard.last == "Drawing 8 pictures of the class (25 %)"
    assert bar.shown[-1][:2] == (3, 12)


def test_judged_pictures_are_shown_with_their_likeness_and_leave_the_bar_at_its_step(progress, bar):
    progress.step(20, 60, 0.1)
    progress.judged(score(20, 0.61))
    progress.pictures(20, [np.zeros((64, 64, 3), np.uint8)] * 4)
    done, total, (kind, sheet, _) = bar.shown[-1]
    assert (done, total, kind) == (20, 60, "JPEG")
    assert sheet.width > 4 * 200


@pytest.mark.parametrize(
    ("seconds", "words"), [(2, "about 5 s"), (42, "about 40 s"), (200, "about 3 min"), (9000, "about 2.5 h")]
)
def test_a_time_is_said_as_people_say_it(seconds, words):
    assert duration(seconds) == words
