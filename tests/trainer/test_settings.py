"""Settings are refused in one sentence, and presets are what they say."""

from __future__ import annotations

import dataclasses

import pytest

from portrait_studio.trainer import settings
from portrait_studio.trainer.settings import SettingsError, TrainSettings


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 0}, "'steps' is 0; it must be from 1 to 100000"),
        ({"rank": 1000}, "'rank' is 1000; it must be from 1 to 320"),
        ({"learning_rate": float("nan")}, "'learning_rate' is nan"),
        ({"learning_rate": "fast"}, "'learning_rate' is 'fast'; it must be a number"),
        ({"batch": 2.5}, "'batch' is 2.5; it must be a whole number"),
        ({"batch": True}, "'batch' is True; it must be a whole number"),
        ({"gradient_checkpointing": 1}, "it must be true or false"),
        ({"optimiser": "adam8bit"}, "'optimiser' is 'adam8bit'; use one of adamw, prodigy"),
        ({"presicion": "bf16"}, "did you mean 'precision'"),
    ],
)
def test_a_bad_setting_is_named_with_what_it_may_be(changes, said):
    with pytest.raises(SettingsError) as refusal:
        TrainSettings().with_changes(changes)
    assert said in str(refusal.value)


def test_every_number_has_a_range():
    numbers = {field.name for field in dataclasses.fields(TrainSettings) if type(field.default) in (int, float)}
    assert numbers == set(settings._RANGES)


@pytest.mark.parametrize("name", ["pocket", "sd15", "sd15-low-memory", "sdxl"])
def test_presets_load_and_say_what_they_are_for(name):
    loaded = settings.load(name)
    assert settings.describe(name)
    assert loaded.steps % loaded.sample_every == 0
    assert TrainSettings(**loaded.as_dict()) == loaded


def test_the_low_memory_preset_sees_as_many_pictures_a_step_in_smaller_passes():
    small, plain = settings.load("sd15-low-memory"), settings.load("sd15")
    assert small.batch * small.accumulation == plain.batch * plain.accumulation
    assert small.batch < plain.batch
    assert small.gradient_checkpointing


def test_an_unknown_preset_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match="'sd15'"):
        settings.load("sd-15")


def test_alpha_follows_rank_and_sample_every_follows_steps_unless_they_are_given():
    preset = settings.TrainSettings(rank=16, alpha=8.0, steps=800, sample_every=100)
    changed = preset.scaled({"rank": 64, "steps": 400})
    assert (changed.alpha, changed.sample_every) == (32.0, 50)
    given = preset.scaled({"rank": 64, "alpha": 1.0, "steps": 400, "sample_every": 7})
    assert (given.alpha, given.sample_every) == (1.0, 7)
    assert preset.scaled({"batch": 2}) == preset.with_changes({"batch": 2})
    assert preset.scaled({"steps": 1}).sample_every == 1
