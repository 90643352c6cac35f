"""What a model makes of noise under guidance: one look, with gradients where they are asked for, and a way of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch


class Predicts(Protocol):
    """The part of a trained model that is looked through; see training_data.Model."""

    sigmas: torch.Tensor
    velocity: bool

    def predict(self, x: torch.Tensor, t: torch.Tensor, prompts: Sequence[Any]) -> torch.Tensor:
        """Return the network's answer to noisy latents `[B, C, h, w]` at timesteps `[B]`."""
        ...


@dataclass(frozen=True, eq=False)
class SamplerPath:
    """The way of one picture through the sampler, S looks long.

    `x` are the noisy latents `[S, C, h, w]` that the sampler looked at, `seen` what it saw in them, `sigmas` `[S]` the
    noise levels, the highest first; `prompt` is the text as the model reads it, `unwanted` that of no words.
    """

    prompt: Any
    unwanted: Any
    x: torch.Tensor
    seen: torch.Tensor
    sigmas: torch.Tensor


def denoised(
    model: Predicts, x: torch.Tensor, sigma: torch.Tensor, wanted: Sequence[Any], unwanted: Any, cfg: float
) -> torch.Tensor:
    """Return the latents `[B, C, h, w]` that the model sees in noisy ones at noise levels `[B]`, a prompt each.

    Classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598): what words add to `unwanted` counts `cfg` times.
    """
    t = (sigma.log()[:, None] - model.sigmas.log()[None]).abs().argmin(1)
    level = sigma.view(-1, 1, 1, 1)
    root = (1 + level**2).sqrt()
    prompts = [*wanted, *([unwanted] * len(wanted))]
    answer = model.predict((x / root).repeat(2, 1, 1, 1), t.repeat(2), prompts).float()
    given, free = answer.chunk(2)
    mixed = free + cfg * (given - free)
    return x / root**2 - mixed * level / root if model.velocity else x - mixed * level
