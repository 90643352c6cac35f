"""Angles, sharpness and light of a face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.portrait import faces, quality
from portrait_studio.portrait.faces import Face
from portrait_studio.portrait.report import Limits

from .scenes import astronaut, people, person, scaled


def measured(picture: np.ndarray) -> quality.Quality:
    return quality.measure(picture, faces.detect(picture)[0])


def soft(picture: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), sigma)


@pytest.mark.parametrize("name", people())
def test_the_yaw_of_a_rendered_head_is_read(name):
    assert measured(person(name)).yaw == pytest.approx(people()[name]["yaw"], abs=12)


def test_yaw_changes_its_sign_in_the_mirror():
    picture = person("ada_2.jpg")
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    assert measured(picture).yaw < -18
    assert measured(mirrored).yaw > 18


def test_pitch_tells_up_from_down():
    assert measured(person("ada_10.jpg")).pitch < measured(person("ada_13.jpg")).pitch - 5


@pytest.mark.parametrize("factor", [0.8, 1.0, 2.5])
def test_sharpness_tells_crisp_from_blurred_at_any_size(factor):
    limit = Limits().min_sharpness
    crisp = scaled(astronaut(), factor)
    assert measured(crisp).sharpness > 3 * limit
    assert measured(soft(crisp, 3.0 * factor)).sharpness < 0.7 * limit


def test_sharpness_falls_with_every_blur():
    falls = [measured(soft(astronaut(), sigma)).sharpness for sigma in (0.5, 1, 1.5, 2, 3)]
    assert falls == sorted(falls, reverse=True)


def test_sharpness_does_not_hang_on_the_light():
    dim = (astronaut() * 0.4).astype(np.uint8)
    assert measured(dim).sharpness == pytest.approx(measured(astronaut()).sharpness, rel=0.2)


def test_a_flat_surface_is_not_sharp():
    assert quality.sharpness(np.full((50, 50), 0.5, np.float32)) == 0.0


def test_dark_skin_in_good_light_is_not_dark():
    for name in ("ada_4.jpg", "eve_0.jpg"):
        assert measured(person(name)).brightest > Limits().min_brightest + 0.05


def test_a_dark_and_a_blown_face_are_told():
    assert measured((astronaut() * 0.2).astype(np.uint8)).brightest < Limits().min_brightest
    assert measured(np.clip(astronaut() * 1.8, 0, 255).astype(np.uint8)).blown > Limits().max_blown
    assert measured(astronaut()).blown < 0.01


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=5, max_size=5))
def test_wild_landmarks_give_finite_angles(landmarks):
    yaw, pitch = quality.angles(Face((0, 0, 10, 10), tuple(landmarks), 0.9))
    assert -quality.STEEPEST <= yaw <= quality.STEEPEST
    assert -quality.STEEPEST <= pitch <= quality.STEEPEST
