"""Gaze and mouth from the points of a face mesh; MediaPipe runs in an environment of its own (pocket/README.md)."""

from __future__ import annotations

import numpy as np
import pytest

from portrait_studio.pocket.quality import gaze

from ..present import present


def mesh(left: tuple[float, float] = (0, 0), right: tuple[float, float] = (0, 0), smile: float = 0, turn: float = 0):
    """A mesh with eyes 30 px wide, the irises moved by `left` and `right` px, the mouth's corners up by `smile` px."""
    points = np.zeros((478, 2))
    points[[33, 133, 468]] = (100, 100), (130, 100), (115 + left[0], 100 + left[1])
    points[[362, 263, 473]] = (160, 100), (190, 100), (175 + right[0], 100 + right[1])
    points[[61, 291, 13, 14]] = (120, 170 - smile), (170, 170 - smile), (145, 168), (145, 172)
    spun = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return points @ spun


@pytest.mark.parametrize("turn", [0, 0.6])
def test_eyes_that_look_aside_together_have_one_gaze(turn):
    assert gaze.one_gaze(mesh((6, 2), (6, 2), turn=turn))


@pytest.mark.parametrize("turn", [0, 0.6])
@pytest.mark.parametrize("moved", [(6, 0), (-6, 0), (0, 6)])
def test_an_iris_that_goes_its_own_way_is_noticed(moved, turn):
    assert gaze.one_gaze(mesh((0, 0), moved, turn=turn)) is False


def test_eyes_that_are_too_small_are_not_judged():
    assert gaze.one_gaze(mesh((0, 0), (6, 0)) * 0.3) is None


def test_a_smile_lifts_the_corners_of_the_mouth():
    assert gaze.mouth_lift(mesh(smile=5)) == pytest.approx(0.1)
    assert gaze.mouth_lift(mesh(smile=5, turn=0.6)) == pytest.approx(0.1)
    assert gaze.mouth_lift(mesh(smile=-5)) == pytest.approx(-0.1)


def test_a_smile_is_held_against_words_that_ask_for_one_and_words_that_do_not():
    assert present(gaze.mood_followed("smiling", 0.1))
    assert not present(gaze.mood_followed("slight smile", 0.0))
    assert not present(gaze.mood_followed("sad", 0.1))
    assert gaze.mood_followed("surprised", 0.1) is None
