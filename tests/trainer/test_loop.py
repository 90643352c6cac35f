"""The loop learns, goes on after a crash exactly as it would have, and stops with a sentence when it must."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from portrait_studio.trainer import state
from portrait_studio.trainer.loop import LossError, MemoryShortError, Training
from portrait_studio.trainer.lora import Lora
from portrait_studio.trainer.settings import TrainSettings
from portrait_studio.trainer.training_data import TrainingData

from ..present import present
from .small import SmallModel, training_set

SETTINGS = TrainSettings(
    steps=12, batch=2, accumulation=2, resolution=64, rank=4, alpha=4.0, learning_rate=2e-2, warm_up=2, ema_decay=0.9
)


def training(settings: TrainSettings = SETTINGS, class_images: bool = True) -> Training:
    model = SmallModel()
    extra = [(np.full((64, 64, 3), 50 * i, np.uint8), "portrait of a person") for i in range(3)] if class_images else []
    learner = TrainingData(model, training_set(), settings, extra)
    return Training(learner, Lora(model.layers, settings.rank, settings.alpha, 1), settings)


def data_of(one: Training) -> TrainingData:
    assert isinstance(one.learner, TrainingData)
    return one.learner


def run(one: Training, steps: int) -> Training:
    with one.lora.attached():
        while one.step < steps:
            one.advance()
    return one


def test_training_lowers_the_loss_on_what_it_trains_on():
    one = run(training(SETTINGS.with_changes({"steps": 100, "accumulation": 1, "batch": 4})), 100)
    assert np.mean(one.losses[-30:]) < 0.8 * np.mean(one.losses[:10])


@pytest.mark.parametrize("name", ["adamw", "prodigy"])
def test_a_crash_in_mid_run_changes_nothing_of_the_result(tmp_path, name):
    settings = SETTINGS.with_changes({"optimiser": name, "learning_rate": 1.0 if name == "prodigy" else 2e-2})
    whole = run(training(settings), 12)

    broken = run(training(settings), 5)
    state.save(tmp_path, broken.parts(), broken.notes())
    run(broken, 7)  # steps behind the kept state are lost with the process
    again = training(settings)
    again.restore(*present(state.load(tmp_path)))
    assert again.step == 5
    run(again, 12)

    for key, tensor in whole.lora.state_dict().items():
        assert torch.equal(tensor, again.lora.state_dict()[key]), key
    for mine, other in zip(whole.average.values, again.average.values, strict=True):
        assert torch.equal(mine, other)
    assert again.losses == pytest.approx(whole.losses, abs=1e-6)


def test_a_loss_that_is_no_number_names_step_and_learning_rate():
    one = training()
    run(one, 3)
    data_of(one).latents[0].fill_(math.nan)
    with pytest.raises(
        LossError, match=r"The loss is nan at step [4-6] with learning rate 0\.0\d+; lower the learning"
    ):
        run(one, 12)


class Narrow(SmallModel):
    """A device on which only so many pictures fit."""

    fits = 1

    def predict(self, x, t, prompts):
        if len(x) > self.fits:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return super().predict(x, t, prompts)


def test_the_batch_is_halved_once_by_itself_and_the_pictures_a_step_stay():
    one = training(SETTINGS.with_changes({"batch": 4, "accumulation": 1}))
    one.learner.model.__class__ = Narrow
    Narrow.fits = 2
    run(one, 3)
    assert (one.batch, one.accumulation) == (2, 2)
    assert len(one.losses) == 3
    Narrow.fits = 1
    with pytest.raises(MemoryShortError, match="too little memory for batch 2 at 64 px; lower the resolution"):
        run(one, 4)


def test_what_is_kept_to_be_quick_is_given_up_before_the_batch_is_halved(monkeypatch):
    one = training(SETTINGS.with_changes({"batch": 4, "accumulation": 1}))
    one.learner.model.__class__ = Narrow
    monkeypatch.setattr(Narrow, "fits", 3)

    def free(model: Narrow) -> bool:
        model.fits = 4
        return True

    monkeypatch.setattr(Narrow, "free", free)
    run(one, 2)
    assert (one.batch, one.accumulation) == (4, 1)
    assert len(one.losses) == 2


def test_another_error_than_memory_goes_on_its_way():
    one = training()
    captions = data_of(one).captions
    captions[:] = ["not read before"] * len(captions)
    with pytest.raises(KeyError):
        run(one, 1)
    assert one.batch == SETTINGS.batch


def test_class_pictures_are_seen_and_weigh_what_they_should():
    seen = training(SETTINGS.with_changes({"prior_share": 0.5, "accumulation": 1}))
    heavy = training(SETTINGS.with_changes({"prior_share": 0.5, "accumulation": 1, "prior_weight": 5.0}))
    without = training(SETTINGS.with_changes({"prior_weight": 0.0}))
    assert float(heavy.learner.loss(0, 2)) > float(seen.learner.loss(0, 2))
    data = data_of(without)
    captions = [text for number in range(20) for part in data.parts(number, 2) for text in part.texts]
    assert "portrait of a person" not in captions
    assert len(set(captions) - {""}) == 5


def test_latents_of_two_sizes_are_trained_in_passes_of_their_own():
    mixed = training_set(4)
    wide = training_set(4, side=96)
    examples = (
        *mixed.examples[:2],
        *(e.__class__(e.image[:48], e.mask[:48], e.caption, e.name, e.sha256) for e in wide.examples),
    )
    learner = TrainingData(SmallModel(), type(mixed)(examples, mixed.held_out, (), "ohwx", "person"), SETTINGS)
    assert len(set(learner.sizes)) == 2
    assert all(math.isfinite(float(learner.loss(number, 2))) for number in range(8))
