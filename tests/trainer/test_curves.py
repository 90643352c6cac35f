"""The picture of a training's curves, drawn from whatever there is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from portrait_studio.trainer import curves
from portrait_studio.trainer.judge import CheckpointScore

SCORES = [
    CheckpointScore(0, (0.3,), (True,)),
    CheckpointScore(60, (0.6,), (True,), 1.0),
    CheckpointScore(120, (0.7,), (True,), 0.8),
]


def where(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Rows and columns of the pixels of a colour."""
    return np.argwhere((picture == np.array(colour, np.uint8)).all(-1))


def test_a_rising_likeness_rises_in_the_picture():
    points = where(curves.draw([0.1] * 120, SCORES), curves.LIKENESS)
    points = points[points[:, 0] > 330]  # below the legend
    first, last = points[points[:, 1].argmin()], points[points[:, 1].argmax()]
    assert first[0] > last[0] + 60


def test_a_falling_loss_falls_in_the_picture():
    points = where(curves.draw(list(np.linspace(1.0, 0.1, 120)), SCORES), curves.LOSS)
    points = points[points[:, 0] > 75]
    assert points[points[:, 1].argmin()][0] < points[points[:, 1].argmax()][0] - 60


def test_the_chosen_checkpoint_has_a_ring():
    plain, marked = curves.draw([0.1] * 120, SCORES), curves.draw([0.1] * 120, SCORES, SCORES[2])
    changed = np.argwhere((plain != marked).any(-1))
    assert abs(changed[:, 1].max() - (960 - 40)) < 40
    assert len(changed) > 50


@pytest.mark.parametrize("losses", [[], [0.5], [float("nan"), 0.5, 0.4]])
@pytest.mark.parametrize("scores", [[], SCORES[:1], [*SCORES, CheckpointScore(120, (0.9,), (True,), 1.0, (60, 120))]])
def test_it_is_drawn_from_whatever_there_is(losses, scores):
    picture = curves.draw(losses, scores, scores[-1] if scores else None, "미나 🙂")
    assert picture.shape == (620, 960, 3)
    assert picture.dtype == np.uint8


def test_a_running_mean_keeps_what_is_level():
    assert curves.smoothed(np.full(50, 0.25)) == pytest.approx(np.full(50, 0.25))
    assert len(curves.smoothed(np.zeros(0))) == 0


def test_the_loss_on_held_out_photos_has_its_own_line():
    assert not len(where(curves.draw([0.1] * 120, SCORES), curves.HELD_OUT))
    known = [replace(score, held_out_loss=loss) for score, loss in zip(SCORES, (0.2, 0.15, 0.1), strict=True)]
    points = where(curves.draw([0.1] * 120, known), curves.HELD_OUT)
    points = points[points[:, 0] > 76]  # below the legend
    first, last = points[points[:, 1].argmin()], points[points[:, 1].argmax()]
    assert last[0] > first[0] + 40
