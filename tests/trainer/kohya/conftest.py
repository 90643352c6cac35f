"""A training set of four pictures, settings small enough to run anywhere, and a stand-in for sd-scripts."""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from portrait_studio.trainer.examples import Example, TrainingSet
from portrait_studio.trainer.kohya.data import table
from portrait_studio.trainer.kohya.installation import KohyaInstallation
from portrait_studio.trainer.settings import TrainSettings


@pytest.fixture
def hollow():
    """Write a safetensors file of given shapes that takes no room on the disk: `hollow(path, shapes)`."""

    def write(path: Path, shapes: dict[str, list[int]]) -> Path:
        header, end = {}, 0
        for key, shape in shapes.items():
            start, end = end, end + 2 * math.prod(shape)
            header[key] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
        text = json.dumps(header).encode()
        with path.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + end)
        return path

    return write


@pytest.fixture
def replayed(tmp_path, hollow) -> tuple[Path, KohyaInstallation]:
    """A checkpoint by its header, and an sd-scripts that plays replay.json in its folder (replay.py)."""
    code = tmp_path / "sd-scripts"
    code.mkdir()
    shutil.copy(Path(__file__).with_name("replay.py"), code / "train_network.py")
    base = hollow(tmp_path / "base.safetensors", table("layouts")["sd15"]["shapes"])
    return base, KohyaInstallation(code, Path(sys.executable), "v0.10.1")


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
