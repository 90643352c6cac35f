"""A training set of four pictures, and settings small enough to run anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from portrait_studio.trainer.examples import Example, TrainingSet
from portrait_studio.trainer.settings import TrainSettings


@pytest.fixture
def settings() -> TrainSettings:
    return TrainSettings(
        steps=2,
        batch=1,
        resolution=128,
        rank=8,
        alpha=4.0,
        text_encoder_rate=5e-5,
        warm_up=1,
        sample_every=1,
        samples=1,
        sample_steps=1,
        precision="fp32",
        ema_decay=0.0,
        patience=0,
    )


@pytest.fixture
def training_set() -> TrainingSet:
    random = np.random.default_rng(0)
    mask = np.zeros((160, 120), np.float32)
    mask[40:120, 30:90] = 1
    examples = tuple(
        Example(
            random.integers(0, 255, (160, 120, 3), dtype=np.uint8),
            mask,
            f"photo of zzperson woman, view {number}",
            f"Holiday in Rome {number}.jpg",
            f"{number}" * 64,
        )
        for number in range(4)
    )
    return TrainingSet(examples, (), (), "zzperson", "woman")
