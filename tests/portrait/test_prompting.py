"""Prompts out of parts: what the artist writes counts, and the subject's look fills in."""

from __future__ import annotations

import pytest

from portrait_studio.portrait.prompting import joined, one_line

LOOK = "red long wavy hair, fair skin"


def test_the_parts_come_in_order_with_commas_between():
    assert joined("n0ra woman, front view", LOOK, "wearing navy sweater") == (
        "n0ra woman, front view, red long wavy hair, fair skin, wearing navy sweater"
    )


@pytest.mark.parametrize(
    ("prompt", "kept"),
    [
        ("short black hair, white shirt", "fair skin"),
        ("(BALD:1.2), white shirt", "fair skin"),
        ("a dark-haired woman", "fair skin"),
        ("tanned skin", "red long wavy hair"),
        ("blonde, deep complexion", ""),
        ("a chair, an eyesore, fairly skinny", LOOK),
        ("", LOOK),
    ],
)
def test_what_the_prompt_speaks_of_itself_is_left_out_of_the_look(prompt, kept):
    assert joined("woman", LOOK, prompt) == ", ".join(part for part in ("woman", kept, prompt) if part)


def test_a_phrase_of_no_known_topic_is_left_out_where_the_prompt_has_it():
    assert joined("man", "wide shoulders, short beard", "Wide Shoulders, stubble") == "man, Wide Shoulders, stubble"
    assert joined("man", "wide shoulders", "wide shouldersy") == "man, wide shoulders, wide shouldersy"


def test_empty_parts_leave_no_comma():
    assert joined("", "", " , wearing a hat, ") == "wearing a hat"
    assert joined("woman,", " ,, ", "") == "woman"
    assert joined("", "", "") == ""


def test_a_look_is_kept_on_one_line():
    assert one_line(" red\nlong hair ,, fair   skin,") == "red long hair, fair skin"
