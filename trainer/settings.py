"""How a subject is trained: every figure by name, presets as data, and refusals in one sentence.

A setting means the same to the native trainer and to the kohya backend; what one of them cannot do it says.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..portrait import presets
from ..portrait.disk import read_toml
from ..portrait.errors import PortraitError

FILE = Path(__file__).with_name("presets.toml")
OPTIMISERS = ("adamw", "prodigy")
SCHEDULES = ("constant", "cosine", "linear")
PRECISIONS = ("auto", "fp32", "bf16")


class SettingsError(PortraitError):
    """A setting that cannot be used."""

    key = "settings"


@dataclass(frozen=True)
class TrainSettings:
    """The settings of one training; the defaults suit SD1.5 on a card of 12 GB or more.

    steps               optimiser steps
    batch, accumulation pictures per pass, passes per step
    resolution          the side in px of a square of the area that crops are scaled to
    rank, alpha         of the LoRA; the change is scaled by alpha / rank
    convolutions        whether the residual blocks learn too, not the attention blocks alone (kohya's conv_dim)
    learning_rate       of the UNet's LoRA; with prodigy a factor, 1 as a rule
    text_encoder_rate   of the text encoder's LoRA; 0 leaves the text encoder alone
    optimiser           "adamw" or "prodigy" (Mishchenko and Defazio 2023, arXiv:2306.06101)
    weight_decay        decoupled, as in AdamW
    schedule, warm_up   of the learning rate; warm_up in steps
    min_snr_gamma       min-SNR loss weights (Hang et al. 2023, arXiv:2303.09556); 0 is off
    noise_offset        a constant added to the noise of each channel, times this; 0 is off
    clip_norm           the largest norm of the gradient; 0 is off
    ema_decay           of the LoRA's running mean, which is what is sampled and saved; 0 is off
    prior_weight        of the class images' loss; 0 trains without them
    prior_share         how many of the pictures seen are class images, 0..1
    class_images        how many pictures of the class the base model makes, once
    mask_weight         what the loss at the face weighs more than elsewhere; 0 is off
    caption_dropout     the share of passes without words, so that guidance keeps its other half
    sample_every        steps between judged checkpoints
    samples             likeness pictures a judged checkpoint, each of another prompt and seed
    sample_steps, sample_cfg  of the sampler that makes them
    patience            early stop after so many judged checkpoints without a better one; 0 never stops
    final_samples       pictures more for the two best checkpoints, where they are too close to tell; native only
    fuse_best           how many of the best checkpoints are fused at the end; 1 fuses nothing
    reward_steps        steps of tuning by a reward for likeness behind all that; 0 is off; native only
    precision           "auto" (bf16 where it is fast, else fp32), "fp32" or "bf16"
    gradient_checkpointing    less memory for more time
    compile             torch.compile for the UNet; worth it from about a thousand steps on
    """

    steps: int = 800
    batch: int = 4
    accumulation: int = 1
    resolution: int = 512
    rank: int = 32
    alpha: float = 32.0
    convolutions: bool = False
    learning_rate: float = 2e-4
    text_encoder_rate: float = 0.0
    optimiser: str = "adamw"
    weight_decay: float = 0.01
    schedule: str = "cosine"
    warm_up: int = 20
    min_snr_gamma: float = 5.0
    noise_offset: float = 0.0
    clip_norm: float = 1.0
    ema_decay: float = 0.98
    prior_weight: float = 0.5
    prior_share: float = 0.25
    class_images: int = 24
    mask_weight: float = 1.0
    caption_dropout: float = 0.05
    sample_every: int = 100
    samples: int = 4
    sample_steps: int = 20
    sample_cfg: float = 6.0
    patience: int = 3
    final_samples: int = 16
    fuse_best: int = 3
    reward_steps: int = 0
    seed: int = 0
    precision: str = "auto"
    gradient_checkpointing: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name), type(field.default))

    @property
    def passes(self) -> int:
        """How many pictures training sees, class images among them."""
        return self.steps * self.batch * self.accumulation

    def with_changes(self, changes: Mapping[str, Any]) -> TrainSettings:
        """Return these settings with some changed. Raises SettingsError for an unknown name or a bad value."""
        for name in changes:
            _known(name)
        return replace(self, **changes)

    def scaled(self, changes: Mapping[str, Any]) -> TrainSettings:
        """Return these settings with some changed, and with them what belongs to them, unless it is given too.

        alpha keeps its ratio to rank, so that the LoRA acts as strongly; sample_every keeps its share of steps, so that
        as many checkpoints are judged. Raises SettingsError as `with_changes`.
        """
        changed = self.with_changes(changes)
        belonging = {
            "alpha": self.alpha * changed.rank / self.rank,
            "sample_every": max(1, round(self.sample_every * changed.steps / self.steps)),
        }
        return changed.with_changes({name: value for name, value in belonging.items() if name not in changes})

    def as_dict(self) -> dict[str, Any]:
        """Return every setting by name, as JSON can hold it."""
        return asdict(self)


# Smallest and largest value; None where there is none. Whole numbers and fractions alike.
_RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, 100_000),
    "batch": (1, 256),
    "accumulation": (1, 256),
    "resolution": (64, 2048),
    "rank": (1, 320),
    "alpha": (1e-3, 1024),
    "learning_rate": (1e-8, 10),
    "text_encoder_rate": (0, 10),
    "weight_decay": (0, 1),
    "warm_up": (0, 100_000),
    "min_snr_gamma": (0, 100),
    "noise_offset": (0, 1),
    "clip_norm": (0, 1000),
    "ema_decay": (0, 0.99999),
    "prior_weight": (0, 10),
    "prior_share": (0, 0.9),
    "class_images": (0, 1000),
    "mask_weight": (0, 100),
    "caption_dropout": (0, 1),
    "sample_every": (1, 100_000),
    "samples": (1, 64),
    "sample_steps": (1, 200),
    "sample_cfg": (1, 30),
    "patience": (0, 1000),
    "final_samples": (0, 200),
    "fuse_best": (1, 20),
    "reward_steps": (0, 10_000),
    "seed": (0, 2**63 - 1),
}
_CHOICES = {"optimiser": OPTIMISERS, "schedule": SCHEDULES, "precision": PRECISIONS}


def names() -> list[str]:
    """Return the names of the presets, in the file's order."""
    return list(_presets())


def load(name: str) -> TrainSettings:
    """Return a preset. Raises SettingsError with the nearest names when there is none of this name."""
    try:
        return TrainSettings(**_presets()[presets.choose("training preset", name, names())]["settings"])
    except PortraitError as error:
        raise SettingsError(str(error)) from None


def describe(name: str) -> str:
    """Return what a preset is for, in a few words."""
    return str(_presets()[name]["about"])


@functools.cache
def _presets() -> dict[str, dict[str, Any]]:
    return read_toml(FILE)


def _known(name: str) -> None:
    known = [field.name for field in fields(TrainSettings)]
    refusal = presets.refusal("training setting", name, known)
    if refusal:
        raise SettingsError(refusal)


def _check(name: str, value: Any, kind: type) -> None:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        article = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}[kind]
        raise SettingsError(f"The training setting {name!r} is {value!r}; it must be {article}.")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise SettingsError(f"The training setting {name!r} is {value!r}; use one of {', '.join(_CHOICES[name])}.")
    if name in _RANGES:
        least, most = _RANGES[name]
        if not (math.isfinite(value) and least <= value <= most):
            raise SettingsError(f"The training setting {name!r} is {value:g}; it must be from {least:g} to {most:g}.")
