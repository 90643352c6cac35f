"""A stage may change a picture as long as it keeps the person."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_studio.portrait import faces, guard, identity
from portrait_studio.portrait.face import Face
from portrait_studio.portrait.guard import LEAST_SHARE, GuardError, PersonSeen

from .scenes import astronaut, group, image, nobody, person, scaled

FACE = Face((12.0, 8.0, 20.0, 24.0), ((17.0, 17.0), (27.0, 17.0), (22.0, 22.0), (18.0, 27.0), (26.0, 27.0)), 0.9)


@pytest.fixture(scope="module")
def collins() -> np.ndarray:
    return identity.embed(astronaut(), faces.detect(astronaut())[0])


def one(picture: np.ndarray) -> torch.Tensor:
    return image(picture)[0]


def by_grey(curve):
    """Look at a made-up picture whose face has the likeness that `curve` gives for the grey in its middle."""

    def look(picture: torch.Tensor) -> PersonSeen:
        high, wide = picture.shape[:2]
        grey = float(picture[round(high * 0.4), round(wide * 0.4), 0])
        likeness = curve(grey)
        scale = wide / 50
        x, y, w, h = (value * scale for value in FACE.box)
        points = tuple((x * scale, y * scale) for x, y in FACE.landmarks)
        return PersonSeen(None, None) if likeness is None else PersonSeen(Face((x, y, w, h), points, 0.9), likeness)

    return look


def grey(value: float, size: int = 50) -> torch.Tensor:
    return torch.full((size, size, 3), value)


@settings(max_examples=200)
@given(
    allowed=st.floats(0, 2),
    knots=st.lists(st.one_of(st.none(), st.floats(-1, 1)), min_size=5, max_size=5),
    size=st.sampled_from((50, 100, 96)),
)
def test_whatever_likeness_does_on_the_way_the_result_keeps_the_person(allowed, knots, size):
    """Likeness may jump, fall, rise and vanish between before (grey 0) and after (grey 1)."""
    look = by_grey(lambda value: knots[min(4, int(value * 4 + 0.5))])
    before, after = grey(0.0), grey(1.0, size)
    picture, kept = guard.guard(before, after, look, allowed)
    was, now = knots[0], knots[4]
    assert picture.shape == after.shape
    if was is None:
        assert kept.choice == "after"
    else:
        assert kept.likeness is not None
        assert kept.likeness >= was - allowed
        assert look(picture).likeness == kept.likeness
    if was is not None and now is not None and now >= was - allowed:
        assert kept.choice == "after"
    assert (kept.choice == "after") == (picture is after)
    assert (kept.choice == "before") == (float(picture.max()) == 0.0)
    assert kept.sentence.endswith(".")
    assert kept.sentence.count("\n") == 0


@settings(max_examples=100)
@given(allowed=st.floats(0.0, 0.5), fall=st.floats(0.01, 1.0))
def test_the_blend_keeps_as_much_of_the_stage_as_it_may(allowed, fall):
    _, kept = guard.guard(grey(0.0), grey(1.0), by_grey(lambda value: 0.8 - fall * value), allowed)
    most = allowed / fall
    if most >= 1:
        assert kept.choice == "after"
    elif most >= LEAST_SHARE + 0.001:
        assert kept.choice == "blend"
        assert most - 0.05 <= kept.share <= most + 1e-4
    elif most < LEAST_SHARE - 0.001:
        assert kept.choice == "before"


def test_a_blend_leaves_everything_but_the_face_as_the_stage_made_it():
    before, after = grey(0.0), grey(1.0)
    picture, kept = guard.guard(before, after, by_grey(lambda value: 0.8 - 0.4 * value), 0.2)
    assert kept.choice == "blend"
    assert torch.equal(picture[:4], after[:4])
    assert torch.equal(picture[:, 45:], after[:, 45:])
    assert float(picture[20, 22, 0]) == pytest.approx(kept.share, abs=1e-3)
    assert torch.equal(before, grey(0.0))
    assert torch.equal(after, grey(1.0))


def test_a_stage_that_keeps_the_person_passes(collins):
    warmer = np.clip(astronaut() * np.array((1.04, 1.0, 0.96)), 0, 255).astype(np.uint8)
    picture, kept = guard.guard(one(astronaut()), one(warmer), guard.person_in(collins, identity.embedder()), 0.05)
    assert kept.choice == "after"
    assert torch.equal(picture, one(warmer))
    assert kept.before == pytest.approx(1.0, abs=0.01)


def test_a_face_that_became_another_is_held_back(collins):
    """The face of somebody else drawn into the picture: a blend at most, and likeness within the loss."""
    look = guard.person_in(collins, identity.embedder())
    stranger = astronaut().copy()
    (x, y, wide, high) = (round(value) for value in faces.detect(astronaut())[0].box)
    other = faces.detect(person("ben_0.jpg"))[0].box
    ox, oy, ow, oh = (round(value) for value in other)
    stranger[y : y + high, x : x + wide] = cv2.resize(person("ben_0.jpg")[oy : oy + oh, ox : ox + ow], (wide, high))
    picture, kept = guard.guard(one(astronaut()), one(stranger), look, 0.1)
    assert kept.after is not None
    assert kept.after < 0.5
    assert kept.choice in ("blend", "before")
    again = look(picture).likeness
    assert again is not None
    assert again >= 0.9 - 0.02


def test_after_an_upscale_the_picture_before_comes_back_at_the_larger_size(collins):
    look = guard.person_in(collins, identity.embedder())
    picture, kept = guard.guard(one(scaled(astronaut(), 0.5)), one(np.zeros((512, 512, 3), np.uint8)), look, 0.05)
    assert picture.shape == (512, 512, 3)
    assert kept.choice == "before"
    assert kept.sentence.startswith("No face was found after this stage")
    again = look(picture).likeness
    assert again is not None
    assert again > 0.8


def test_of_ten_faces_the_person_counts(collins):
    look = guard.person_in(collins, identity.embedder())
    crowd = group(2, 5)
    picture, kept = guard.guard(one(crowd), one(crowd), look, 0.0)
    assert kept.choice == "after"
    assert kept.before == kept.after
    assert torch.equal(picture, one(crowd))


def test_without_a_face_before_nothing_is_held_back(collins):
    look = guard.person_in(collins, identity.embedder())
    for after in (nobody(512, 512), astronaut()):
        _, kept = guard.guard(one(nobody(512, 512)), one(after), look, 0.05)
        assert kept.choice == "after"
        assert kept.before is None
        assert kept.sentence.startswith("No face was found before this stage")


@pytest.mark.parametrize("wrong", [-0.01, math.nan, math.inf, -math.inf])
def test_an_allowed_loss_below_zero_is_refused(wrong):
    with pytest.raises(GuardError, match="must be 0 or more"):
        guard.guard(grey(0.0), grey(1.0), by_grey(lambda value: 0.5), wrong)


def test_pictures_of_different_shapes_are_refused():
    look = by_grey(lambda value: 0.5)
    with pytest.raises(GuardError, match="50 x 50 px and the one after 80 x 50: they differ in shape"):
        guard.guard(grey(0.0), torch.zeros(50, 80, 3), look, 0.1)
    with pytest.raises(GuardError, match="3 channels and the one after 4"):
        guard.guard(grey(0.0), torch.zeros(50, 50, 4), look, 0.1)
