"""A training set as files that sd-scripts reads: numbered PNGs with captions, class pictures, and a dataset TOML.

Everything lies in one working folder and is named relative to it. Neither the names of photos nor those of folders
reach sd-scripts, so none can end up in what it writes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..examples import TrainingSet
from ..settings import TrainSettings
from .errors import KohyaError

TRAIN, CLASS, CONFIG = "train", "class", "dataset.toml"
BUCKET = 64  # px; what both layouts divide by


@dataclass(frozen=True)
class Dataset:
    """What was written. `mean_weight` is the mean of the loss mask over the training pictures, 1 without masks."""

    config: Path
    pictures: int
    class_pictures: int
    repeats: int
    mean_weight: float


def write(
    training_set: TrainingSet, settings: TrainSettings, folder: Path, class_images: Sequence[np.ndarray] = ()
) -> Dataset:
    """Write `training_set` and the class pictures (RGB uint8 `[H, W, 3]`) into `folder`.

    With class pictures and a prior weight, every second picture that sd-scripts sees is one of them. Raises KohyaError
    when there is nothing to train on or the disk refuses.
    """
    if not training_set.examples:
        raise KohyaError("There is no picture to train on; give photos of which at least one is accepted.")
    prior = bool(class_images) and settings.prior_weight > 0
    words = _one_line(training_set.prompt_words) or "person"
    weights = []
    try:
        for number, example in enumerate(training_set.examples, 1):
            mask = weight(example.mask, settings.mask_weight) if settings.mask_weight else None
            weights.append(1.0 if mask is None else float(mask.mean()))
            _picture(folder / TRAIN, number, example.image, _one_line(example.caption) or words, mask)
        for number, image in enumerate(class_images if prior else (), 1):
            _picture(folder / CLASS, number, image, _one_line(training_set.class_word) or "person", None)
        repeats = math.ceil(settings.passes / len(training_set.examples))
        config = folder / CONFIG
        config.write_text(to_toml(configuration(settings, repeats, prior)), "utf-8")
    except OSError as error:
        raise KohyaError(
            f"The training set cannot be written to {folder.name} ({error.strerror}); free some room or choose "
            "another folder."
        ) from None
    return Dataset(
        config, len(training_set.examples), len(class_images) if prior else 0, repeats, float(np.mean(weights))
    )


def weight(mask: np.ndarray, extra: float) -> np.ndarray:
    """Return the loss weights for a face mask (0..1): 1 at the face and 1 / (1 + extra) elsewhere.

    sd-scripts multiplies the loss by a mask of 0..1 and divides by nothing, so weights are relative to the largest.
    """
    return (1.0 + extra * np.clip(mask, 0.0, 1.0)) / (1.0 + extra)


def configuration(settings: TrainSettings, repeats: int, prior: bool) -> dict[str, Any]:
    """Return the dataset configuration of sd-scripts (its docs/config_README-en.md), captions in .txt files.

    One epoch holds the whole training, for the loader is started anew and buckets are filled up anew at every epoch.
    """
    side = max(BUCKET, settings.resolution)
    train = {
        "image_dir": TRAIN,
        "num_repeats": repeats,
        "caption_dropout_rate": float(settings.caption_dropout),
        "alpha_mask": settings.mask_weight > 0,
    }
    subsets = [train, {"image_dir": CLASS, "num_repeats": 1, "is_reg": True}] if prior else [train]
    return {
        "general": {"caption_extension": ".txt", "enable_bucket": True},
        "datasets": [
            {
                "resolution": side,
                "batch_size": settings.batch,
                "min_bucket_reso": max(BUCKET, side // 2 // BUCKET * BUCKET),
                "max_bucket_reso": math.ceil(side * 2 / BUCKET) * BUCKET,
                "bucket_reso_steps": BUCKET,
                "bucket_no_upscale": False,
                "subsets": subsets,
            }
        ],
    }


def to_toml(config: Mapping[str, Any]) -> str:
    """Return a dataset configuration as TOML: tables of scalars, and the datasets with their subsets."""
    lines = ["[general]", *_scalars(config["general"])]
    for dataset in config["datasets"]:
        lines += ["", "[[datasets]]", *_scalars(dataset)]
        for subset in dataset["subsets"]:
            lines += ["", "[[datasets.subsets]]", *_scalars(subset)]
    return "\n".join(lines) + "\n"


def _scalars(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, list)]


def _one_line(text: str) -> str:
    """sd-scripts reads the first line of a caption file."""
    return " ".join(text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8").split())


def _picture(folder: Path, number: int, image: np.ndarray, caption: str, mask: np.ndarray | None) -> None:
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    if mask is not None:
        alpha = np.round(mask * 255).astype(np.uint8)
        image = np.dstack([image, alpha])
    Image.fromarray(image).save(folder / f"{number:04d}.png", compress_level=1)
    (folder / f"{number:04d}.txt").write_text(caption + "\n", "utf-8")
