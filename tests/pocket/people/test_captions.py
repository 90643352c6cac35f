from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from portrait_studio.pocket.people import captions, dataset, garments, identity, light

pytestmark = pytest.mark.usefixtures("body")


def shot(**changes):
    rng = np.random.default_rng(4)
    base = dataset.shot_for(12, rng, {"head and shoulders": 1.0})
    return dataclasses.replace(base, **changes)


def test_a_caption_says_hair_garment_expression_view_and_background():
    person = identity.identity(12, sex="woman", hair="long wavy", hair_colour="red", skin="fair", glasses="glasses")
    rng = np.random.default_rng(0)
    clothes = garments.outfit(rng, True, top="sweater", top_colour="green", pattern="striped", outer="none")
    lit = light.light(rng, kind="soft light", warmth="warm", background="gradient", background_colour="blue")
    text = captions.caption(shot(identity=person, outfit=clothes, light=lit), rng)
    for phrase in (
        "red long wavy hair",
        "fair skin",
        "glasses",
        "wearing green striped sweater",
        "blue gradient background",
        "soft light",
        "warm light",
    ):
        assert phrase in text.split(", ")


def test_an_outer_garment_is_named_over_the_inner_one():
    clothes = garments.outfit(
        np.random.default_rng(0),
        False,
        top="shirt",
        top_colour="white",
        pattern="plain",
        outer="blazer",
        outer_colour="navy",
    )
    assert clothes.words == "navy blazer over white shirt"


def test_captions_keep_to_the_fixed_vocabulary():
    known = {
        word
        for number in range(400)
        for word in captions.caption(dataset.shot_of(1, number), np.random.default_rng(number)).replace(",", "").split()
    }
    assert len(known) < 250
    assert not any(character.isdigit() for word in known for character in word)


def test_dropout_leaves_phrases_out_but_never_the_first():
    one = shot()
    assert "," not in captions.caption(one, np.random.default_rng(0), dropout=1.0)
    full = captions.caption(one, np.random.default_rng(0)).split(", ")
    half = captions.caption(one, np.random.default_rng(0), dropout=0.5).split(", ")
    assert set(half) < set(full)


def test_attributes_and_captions_agree_on_the_colour_that_is_seen():
    for number in range(50):
        one = dataset.shot_of(2, number)
        said = captions.attributes(one)
        outer = one.outfit.outer != "none"
        assert said["garment_colour"] == (one.outfit.outer_colour if outer else one.outfit.top_colour)
