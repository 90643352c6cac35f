"""A training set as files that sd-scripts reads: numbered PNGs with captions, class pictures, and a dataset TOML.

Everything is in one working folder and is named relative to it. Neither the names of photos nor those of folders
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
BUCKET = 64  # px; the step that sd-scripts wants for SD1.5, and a multiple of SDXL's
LEAST_REPEATS = 20  # of a class picture, so that rounding moves the share by less than a fortieth


@dataclass(frozen=True)
class Dataset:
    """What was written; an epoch shows every picture `repeats` and every class picture `class_repeats` times."""

    config: Path
    pictures: int
    class_pictures: int
    repeats: int
    class_repeats: int


def write(
    training_set: TrainingSet,
    settings: TrainSettings,
    folder: Path,
    class_images: Sequence[tuple[np.ndarray, str]] = (),
) -> Dataset:
    """Write `training_set` and the class pictures (RGB uint8 `[H, W, 3]`) with their captions into `folder`.

    Every picture's loss is weighted by its alpha channel, as the native trainer weighs it: the face more than the rest,
    class pictures by the prior weight. sd-scripts' own regularisation set is not used, for it shows as many class
    pictures as others and knows no share. Raises KohyaError when there is nothing to train on or the disk refuses.
    """
    if not training_set.examples:
        raise KohyaError("There is no picture to train on; give photos of which at least one is accepted.")
    examples = training_set.examples
    of_class = class_images if settings.prior_weight > 0 and settings.prior_share > 0 else ()
    words = _one_line(training_set.prompt_words) or "person"
    weights = [face_weights(example.mask, settings.mask_weight) for example in examples]
    highest = max([float(array.max()) for array in weights] + ([settings.prior_weight] if of_class else []))
    repeats, class_repeats = shares(settings, len(examples), len(of_class))
    try:
        for number, (example, array) in enumerate(zip(examples, weights, strict=True), 1):
            _picture(folder / TRAIN, number, example.image, _one_line(example.caption) or words, array / highest)
        for number, (image, caption) in enumerate(of_class, 1):
            flat = np.full(image.shape[:2], settings.prior_weight / highest, np.float32)
            _picture(folder / CLASS, number, image, _one_line(caption) or words, flat)
        config = folder / CONFIG
        config.write_text(to_toml(configuration(settings, repeats, class_repeats)), "utf-8")
    except OSError as error:
        raise KohyaError(
            f"The training set cannot be written to {folder.name} ({error.strerror}); free some room or choose "
            "another folder."
        ) from None
    return Dataset(config, len(examples), len(of_class), repeats, class_repeats)


def face_weights(mask: np.ndarray, strength: float) -> np.ndarray:
    """Return weights `[H, W]` of mean 1: a face (mask 1) counts 1 + `strength` times what the rest counts.

    The same as trainer.objective.face_weights. sd-scripts multiplies the loss by an alpha of 0..1 and divides by
    nothing, so the weights of one training set are divided by the largest of them all.
    """
    weights = 1.0 + strength * np.clip(mask, 0.0, 1.0)
    return weights / weights.mean()


def shares(settings: TrainSettings, pictures: int, class_pictures: int) -> tuple[int, int]:
    """Return how often an epoch shows each picture and each class picture, so that `prior_share` of all are the latter.

    One epoch holds at least the whole training, for the loader and the buckets are filled again at every epoch.
    """
    share = settings.prior_share if class_pictures else 0.0
    repeats = math.ceil(settings.passes * (1 - share) / pictures)
    if not class_pictures:
        return repeats, 0
    repeats = max(repeats, math.ceil(LEAST_REPEATS * class_pictures * (1 - share) / (share * pictures)))
    return repeats, max(1, round(repeats * pictures * share / (1 - share) / class_pictures))


def configuration(settings: TrainSettings, repeats: int, class_repeats: int = 0) -> dict[str, Any]:
    """Return the dataset configuration of sd-scripts (its docs/config_README-en.md), captions in .txt files."""
    side = max(BUCKET, settings.resolution)
    folders = [(TRAIN, repeats), (CLASS, class_repeats)]
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
                "subsets": [
                    {
                        "image_dir": folder,
                        "num_repeats": times,
                        "caption_dropout_rate": float(settings.caption_dropout),
                        "alpha_mask": True,
                    }
                    for folder, times in folders
                    if times
                ],
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


def _picture(folder: Path, number: int, image: np.ndarray, caption: str, weights: np.ndarray) -> None:
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    alpha = np.round(weights * 255).astype(np.uint8)
    Image.fromarray(np.dstack([image, alpha])).save(folder / f"{number:04d}.png", compress_level=1)
    (folder / f"{number:04d}.txt").write_text(caption + "\n", "utf-8")
