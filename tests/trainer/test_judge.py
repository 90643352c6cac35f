"""Checkpoints are judged by colour and by the largest face, and chosen by words first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from portrait_studio.portrait import identity, photos
from portrait_studio.portrait.faces import detect
from portrait_studio.trainer import judge
from portrait_studio.trainer.judge import CheckpointScore, Question

NORA = judge.FILE.parents[1] / "pocket" / "subjects" / "nora"
RED = judge.questions(1)[0].expect


def score(step: int, likeness: float, words: float | None = 1.0, fused: tuple[int, ...] = ()) -> CheckpointScore:
    return CheckpointScore(step, (likeness,), (True,), words, fused)


def dressed(colour: tuple[int, int, int]) -> np.ndarray:
    """A picture of a face with a garment of one colour below it."""
    picture = photos.read(NORA / "nora-01.jpg").copy()
    face = detect(picture)[0]
    picture[round(face.box[1] + 1.3 * face.box[3]) :] = colour
    return picture


@pytest.mark.parametrize(
    ("colour", "is_red"), [((190, 30, 35), True), ((40, 70, 190), False), ((120, 120, 120), False)]
)
def test_a_red_garment_is_seen_where_the_face_says_it_must_be(colour, is_red):
    picture = dressed(colour)
    assert judge.follows(picture, detect(picture)[0], RED) is is_red


def test_without_a_face_no_garment_is_seen_but_a_tone_is():
    grey = np.full((64, 64, 3), 90, np.uint8)
    assert not judge.follows(grey, None, RED)
    assert judge.follows(grey, None, {"region": "picture", "chroma": [0, 6]})
    assert not judge.follows(
        np.full((64, 64, 3), (200, 90, 40), np.uint8), None, {"region": "picture", "chroma": [0, 6]}
    )


def test_a_background_is_seen_in_the_upper_corners():
    picture = np.full((100, 100, 3), 200, np.uint8)
    picture[:30] = (60, 90, 200)
    assert judge.follows(picture, None, {"region": "background", "b": [-128, -5]})


def test_the_largest_face_is_measured_not_the_leftmost():
    """EasyPhoto took the leftmost."""
    person = photos.read(NORA / "nora-01.jpg")
    other = photos.read(NORA.parent / "henry" / "henry-01.jpg")
    high, wide = (side // 2 for side in other.shape[:2])
    small = np.asarray(Image.fromarray(other).resize((wide, high)))
    both = np.zeros((person.shape[0], person.shape[1] + wide, 3), np.uint8)
    both[:high, :wide], both[:, wide:] = small, person
    known = identity.embed(person, detect(person)[0])
    found = judge.judge(10, [both], [Question("{subject}", 1, RED)], known, identity.embedder())
    assert found.likeness > 0.9


def test_a_picture_without_a_face_counts_as_nothing():
    found = judge.judge(
        10, [np.zeros((64, 64, 3), np.uint8)], [Question("", 1, RED)], np.ones(128, np.float32), identity.embedder()
    )
    assert found.likenesses == (None,)
    assert found.likeness == 0.0
    assert CheckpointScore(1, (None, 0.8), (True, True)).likeness == pytest.approx(0.4)


def test_words_are_counted_against_what_the_base_model_follows():
    assert judge.kept([True, False, True, False], [True, True, False, False]) == 0.5
    assert judge.kept([True], [False]) is None


def test_the_likest_wins_unless_it_has_lost_its_words():
    scores = [score(60, 0.5), score(120, 0.7), score(180, 0.8, words=0.5)]
    assert judge.best(scores).step == 120
    assert judge.best([score(60, 0.5, 0.5), score(120, 0.7, 0.6)]).step == 120  # all have: the likest
    assert judge.worse_for(scores) == 1


def test_an_earlier_checkpoint_wins_only_where_it_is_ahead_by_more_than_chance():
    early, by_chance = pictures(60, 0.8, 0.7, 0.75, 0.8), pictures(120, 0.7, 0.75, 0.78, 0.79)
    assert early.likeness > by_chance.likeness
    assert judge.best([early, by_chance]) is by_chance
    clearly_worse = pictures(180, 0.7, 0.6, 0.66, 0.7)
    assert judge.best([early, clearly_worse]) is early
    assert judge.best([early, by_chance, clearly_worse]) is by_chance
    assert judge.best([pictures(60, 0.9), pictures(120, 0.5)]).step == 120  # one picture decides nothing


def test_patience_counts_from_the_checkpoint_that_was_best_so_far_by_chance_or_not():
    assert judge.worse_for([pictures(60, 0.8, 0.7), pictures(120, 0.7, 0.75), pictures(180, 0.74, 0.7)]) == 2
    assert judge.worse_for([pictures(60, 0.7), pictures(120, 0.7)]) == 1


def test_of_close_ones_the_one_that_copies_more_loses_though_it_came_later():
    honest = CheckpointScore(60, (0.6, 0.6), (True, True), 1.0, credits=(0.6, 0.6))
    copied = CheckpointScore(120, (0.99, 0.7), (True, True), 1.0, credits=(0.0, 0.7))
    assert judge.lead(honest, copied)[0] < judge.lead(honest, copied)[1]
    assert judge.best([honest, copied]) is honest


def test_no_question_is_a_training_caption_and_every_one_has_its_own_seed():
    plain = judge.questions(6)
    known = plain[0].text("ohwx woman")
    asked = judge.questions(8, [known], "ohwx woman")
    assert known not in [question.text("ohwx woman") for question in asked]
    assert len({question.seed for question in asked}) == 8
    assert judge.questions(8, [known], "ohwx woman") == asked


def test_a_verdict_survives_being_written_down():
    before = CheckpointScore(60, (0.51239, None), (True, False), 0.5, (20, 60))
    after = CheckpointScore.from_dict(before.as_dict())
    assert after.fused == (20, 60)
    assert after.likenesses == (0.5124, None)
    assert after.as_dict() == before.as_dict()


def pictures(step: int, *values: float, words: float | None = 1.0, fused: tuple[int, ...] = ()) -> CheckpointScore:
    return CheckpointScore(step, values, (True,) * len(values), words, fused)


def test_a_copy_counts_for_nothing_however_alike_it_is():
    copied = CheckpointScore(60, (0.99, 0.7), (True, True), 1.0, credits=(0.0, 0.7))
    honest = CheckpointScore(120, (0.6, 0.6), (True, True), 1.0, credits=(0.6, 0.6))
    assert copied.likeness > honest.likeness
    assert judge.best([copied, honest]) is honest
    assert copied.copies == 1


def test_a_fusion_wins_by_the_margin_or_not_at_all():
    single = pictures(60, 0.7, 0.7)
    barely, clearly = (pictures(60, value, value, fused=(20, 60)) for value in (0.705, 0.73))
    assert judge.best([single, barely]) is single
    assert judge.best([single, clearly]) is clearly
    assert judge.best([pictures(60, 0.9, words=0.5), clearly]) is clearly
    assert judge.best([single, pictures(60, 0.9, 0.9, words=0.5, fused=(20, 60))]) is single


def test_what_was_tuned_by_reward_wins_by_the_margin_over_a_fusion_too_and_with_no_word_less():
    single, fusion = pictures(60, 0.7, 0.7), pictures(60, 0.73, 0.73, fused=(20, 60))
    barely, clearly = (replace(fusion, likenesses=(value, value), rewarded=20) for value in (0.735, 0.75))
    assert judge.best([single, fusion, barely]) is fusion
    assert judge.best([single, fusion, clearly]) is clearly
    assert judge.best([single, fusion, replace(clearly, words=0.9)]) is fusion
    assert judge.undecided([single, fusion, replace(clearly, likenesses=(0.732, 0.75))]) is not None
    assert CheckpointScore.from_dict(clearly.as_dict()) == clearly
    assert not clearly.plain


def test_pictures_of_the_same_question_are_compared():
    """The second is better by as much on the hard question as on the easy one."""
    ahead, error = judge.lead(pictures(120, 0.25, 0.85), pictures(60, 0.2, 0.8))
    assert ahead == pytest.approx(0.05)
    assert error == pytest.approx(0.0, abs=1e-9)
    assert judge.undecided([pictures(60, 0.2, 0.8), pictures(120, 0.25, 0.9)]) is None
    close = [pictures(60, 0.2, 0.9), pictures(120, 0.4, 0.75)]
    assert judge.undecided(close) == (close[1], close[0])
    assert judge.undecided([close[0], pictures(120, 0.4, 0.75, words=0.5)]) is None


def test_a_fusion_is_decided_about_at_its_margin():
    """It is no nearer to winning where it is as good as the best checkpoint than where it lacks the margin."""
    single = pictures(60, 0.7, 0.71)
    equal, by_margin = (pictures(60, 0.702 + more, 0.708 + more, fused=(20, 60)) for more in (0.0, judge.margin()))
    assert judge.undecided([single, equal]) is None
    assert judge.undecided([single, by_margin]) is not None


def test_more_pictures_join_the_first_and_leave_the_words():
    both = judge.joined(pictures(60, 0.5, 0.7, words=0.9), pictures(60, 0.9, words=None))
    assert both.likenesses == (0.5, 0.7, 0.9)
    assert (both.words, both.step) == (0.9, 60)
