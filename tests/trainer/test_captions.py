"""Captions say what is measured, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.portrait.errors import PortraitError
from portrait_studio.portrait.poses.library import VIEWS
from portrait_studio.trainer import captions

yaws = st.floats(-80, 80) | st.none()
ratios = st.floats(0.5, 12) | st.none()
ALLOWED = {"portrait photo of anb3ll woman", "close-up", "head and shoulders", "half body", "black and white"}
ALLOWED |= {part for words in VIEWS.values() for part in words.split(", ")}


@pytest.mark.parametrize(
    ("yaw", "ratio", "text"),
    [
        (0, 2.75, "head and shoulders, front view"),
        (-30, 1.7, "close-up, three-quarter view, turned to the left"),
        (40, 2.2, "head and shoulders, three-quarter view, turned to the right"),
        (-75, 2.75, "head and shoulders, profile view, turned to the left"),
    ],
)
def test_framing_and_view_are_named(yaw, ratio, text):
    assert captions.caption("anb3ll", "woman", yaw, ratio) == f"portrait photo of anb3ll woman, {text}"


@pytest.mark.parametrize("yaw", [None, 15, -15, 60, -60])
def test_a_view_in_doubt_is_not_named(yaw):
    assert captions.caption("anb3ll", "woman", yaw) == "portrait photo of anb3ll woman"


@given(yaws, ratios, st.booleans())
def test_nothing_but_measured_words_is_said_and_none_twice(yaw, ratio, monochrome):
    parts = captions.caption("anb3ll", "woman", yaw, ratio, monochrome).split(", ")
    assert parts[0] == "portrait photo of anb3ll woman"
    assert set(parts) <= ALLOWED
    assert len(set(parts)) == len(parts)
    assert ("black and white" in parts) == monochrome
    if "front view" in parts:
        assert abs(yaw) <= 10
    if any("left" in part for part in parts):
        assert yaw < -15
    if any("right" in part for part in parts):
        assert yaw > 15


@given(st.floats(-80, 80), ratios)
def test_a_mirrored_face_has_the_sides_exchanged(yaw, ratio):
    plain = captions.caption("anb3ll", "woman", yaw, ratio)
    swapped = plain.replace("left", "#").replace("right", "left").replace("#", "right")
    assert captions.caption("anb3ll", "woman", -yaw, ratio) == swapped


@given(st.text(max_size=80))
def test_a_trigger_is_one_piece_of_prompt_or_refused(trigger):
    try:
        text = captions.caption(trigger, "woman", 0, 2.75)
    except PortraitError as error:
        assert "trigger" in str(error)
        assert "\n" not in str(error)
        return
    assert text == f"portrait photo of {' '.join(trigger.split())} woman, head and shoulders, front view"
    assert "(" not in text


@pytest.mark.parametrize("word", ["", "  ", "a, b", "(anna:1.2)", "a\x00b", "x" * 61, "<lora:a>"])
def test_words_that_prompts_read_otherwise_are_refused(word):
    with pytest.raises(PortraitError, match=r"class word .* is not a word"):
        captions.caption("anb3ll", word)


def test_names_of_all_scripts_may_be_triggers():
    assert captions.caption("김민지", "woman") == "portrait photo of 김민지 woman"


def test_grey_pictures_are_told_from_coloured_ones():
    grey = np.repeat(np.random.default_rng(1).integers(0, 256, (9, 9, 1), np.uint8), 3, axis=2)
    assert captions.is_monochrome(grey)
    coloured = grey.copy()
    coloured[..., 0] = np.minimum(255, coloured[..., 0].astype(int) + 20)
    assert not captions.is_monochrome(coloured)
