"""Where a training is within its subject's folder, and the LoRA file that it leaves to other tools.

`<subjects>/<name>/` holds card, LoRA and references as portrait.subjects reads them, and `training/` what only the
trainer needs; deleting the subject's folder deletes all of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..portrait import subjects
from ..portrait.decoding import read_rgb
from . import state
from .examples import TrainingSet
from .settings import TrainSettings

BASE_VERSIONS = {"sd15": "sd_v1", "sdxl": "sdxl_base_v1-0"}


def metadata(settings: TrainSettings, family: str, steps: int, pictures: int, class_images: int) -> dict[str, str]:
    """Return kohya's `ss_*` metadata of a LoRA: no path, folder or caption, and no name of a person or photo."""
    facts = {
        "ss_base_model_version": BASE_VERSIONS[family],
        "ss_network_module": "networks.lora",
        "ss_network_dim": settings.rank,
        "ss_network_alpha": settings.alpha,
        "ss_learning_rate": settings.learning_rate,
        "ss_unet_lr": settings.learning_rate,
        "ss_text_encoder_lr": settings.text_encoder_rate or None,
        "ss_optimizer": {"adamw": "torch.optim.adamw.AdamW", "prodigy": "Prodigy"}[settings.optimiser],
        "ss_lr_scheduler": settings.schedule,
        "ss_lr_warmup_steps": settings.warm_up,
        "ss_min_snr_gamma": settings.min_snr_gamma or None,
        "ss_noise_offset": settings.noise_offset or None,
        "ss_max_grad_norm": settings.clip_norm,
        "ss_prior_loss_weight": settings.prior_weight,
        "ss_gradient_accumulation_steps": settings.accumulation,
        "ss_gradient_checkpointing": settings.gradient_checkpointing,
        "ss_mixed_precision": settings.precision,
        "ss_caption_dropout_rate": settings.caption_dropout,
        "ss_cache_latents": True,
        "ss_seed": settings.seed,
        "ss_steps": steps,
        "ss_max_train_steps": settings.steps,
        "ss_num_train_images": pictures,
        "ss_num_reg_images": class_images,
    }
    if settings.convolutions:
        facts["ss_network_args"] = json.dumps({"conv_dim": settings.rank, "conv_alpha": settings.alpha})
    return {key: str(value) for key, value in facts.items()}


def job_key(facts: Mapping[str, Any], photos: TrainingSet, settings: TrainSettings) -> str:
    """Return what identifies a training: the sha256 (hex) of base, settings, photos and words."""
    examples = [(example.sha256, example.caption, example.image.shape) for example in photos.examples]
    held_out = [photo.sha256 for photo in photos.held_out]
    known = [dict(facts), settings.as_dict(), examples, held_out, photos.trigger, photos.class_word]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def publish(
    subject: subjects.Subject, root: Path, tensors: Mapping[str, torch.Tensor], about: Mapping[str, str]
) -> subjects.Subject:
    """Put card, LoRA and references into the subject's folder, the card last, and leave its training/ be.

    Raises SubjectError or StateError when the disk refuses.
    """
    folder = root / subject.name
    staging = folder / subjects.TRAINING / "publishing"
    shutil.rmtree(staging, ignore_errors=True)
    lora = staging / subjects.LORA
    state.save_tensors(lora, tensors, about)
    whole = subjects.Subject(**{**subject.__dict__, "lora": lora})
    subjects.save(whole, staging)
    try:
        for name in (subjects.LORA, subjects.REFERENCES, subjects.CARD):
            fresh = staging / subject.name / name
            if fresh.exists():
                fresh.replace(folder / name)
    except OSError as error:
        raise state.StateError(f"The subject {subject.name!r} cannot be written ({error.strerror}).") from None
    shutil.rmtree(staging, ignore_errors=True)
    return subjects.load(subject.name, root)


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture (RGB, uint8) as PNG, whole or not at all. Raises StateError when the disk refuses."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    state.write(path, buffer.getvalue())


def load_pictures(folder: Path, label: str) -> list[np.ndarray]:
    """Return the judged pictures `<label>-<number>.png` of a folder, in order."""
    count = len(list(folder.glob(f"{label}-*.png")))
    return [read_rgb(folder / f"{label}-{index}.png", ["PNG"]) for index in range(count)]


def clear(folder: Path, samples: bool = False) -> None:
    """Remove the states and checkpoints of a training, and on request its samples; class images and curves stay."""
    if samples:
        shutil.rmtree(folder / "samples", ignore_errors=True)
    for file in (*folder.glob("state*"), *folder.glob("step-*.safetensors")):
        file.unlink(missing_ok=True)
