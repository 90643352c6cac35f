"""Tuning a trained LoRA by a reward on the pictures it makes, instead of an error against photos.

The gradient of the reward goes through a picture's decoding and one look of the sampler into the LoRA, as in ReFL (Xu
et al. 2023, arXiv:2304.05977): a look at a random place of the way, not the last as in DRaFT-1 (Clark et al. 2023,
arXiv:2309.17400), which has only grain left to change. The ways are drawn once, with the LoRA as it was before; so what
it saw then is known at each place, and leaving it costs, as the distance to the model before does in reinforcement
learning. One step is one pass of the UNet and back.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ..portrait.disk import read_toml
from . import guided, objective
from .loop import LossError
from .lora import Lora
from .settings import TrainSettings
from .training_data import Model

FILE = Path(__file__).with_name("reward.toml")
Reward = Callable[[torch.Tensor, torch.Generator], torch.Tensor | None]
"""The reward `[]` of a picture `[3, H, W]` (RGB, about 0..1) with its gradient, None where it has none."""


class Rewarding:
    """The phase, one step at a time; the LoRA must be attached to its layers.

    `subject` are the words that prompts call the person by, `size` (width, height) is the pictures', in px. `rewards`
    has the mean reward of every step so far, None where no picture had one.
    """

    def __init__(
        self, model: Model, lora: Lora, reward: Reward, subject: str, size: tuple[int, int], settings: TrainSettings
    ) -> None:
        self.model, self.reward, self.settings = model, reward, settings
        self.numbers = numbers()
        # Words are read once, without gradients: a trained text encoder stays as it is.
        self.trained = lora.parameters("lora_unet")
        own = settings.optimiser == "adamw"
        self.rate = self.numbers["rate"] * (settings.learning_rate if own else self.numbers["plain_rate"])
        self.optimiser = torch.optim.AdamW(self.trained, lr=self.rate, weight_decay=0.0)
        self.decoded = model.decoder()
        count, words, seed = self.numbers["ways"], self.numbers["words"], self.numbers["seed"]
        texts = [words[i % len(words)].format(subject=subject) for i in range(count)]
        seeds = [seed + settings.seed % 1000 * count + i for i in range(count)]
        self.ways = model.ways(texts, seeds, size, settings.sample_steps, settings.sample_cfg)
        self.rewards: list[float | None] = []

    def advance(self) -> None:
        """Make one step. Raises LossError when reward or gradient are no numbers; the LoRA is as before it then."""
        step = len(self.rewards)
        random = objective.generator(self.settings.seed, step, 1)
        chosen = [self.ways[i] for i in torch.randperm(len(self.ways), generator=random)[: self.numbers["batch"]]]
        places = [self._place(len(way.x), random) for way in chosen]
        x, before, sigma = (
            torch.stack([part[place] for part, place in zip(parts, places, strict=True)])
            for parts in ([w.x for w in chosen], [w.seen for w in chosen], [w.sigmas for w in chosen])
        )
        prompts = [way.prompt for way in chosen]
        seen = guided.denoised(self.model, x, sigma, prompts, chosen[0].unwanted, self.settings.sample_cfg)
        self.optimiser.zero_grad(set_to_none=True)
        slope, found = self._slope(seen.detach(), random)
        left = (seen - before).square().mean()
        torch.autograd.backward([seen, self.numbers["pull"] * left], [slope, None])
        norm = torch.nn.utils.clip_grad_norm_(self.trained, self.settings.clip_norm or math.inf)
        if not all(map(math.isfinite, (*found, float(norm)))):
            raise LossError(
                f"The tuning by reward broke off at step {step + 1}: the reward or its gradient is no number."
            )
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * min(1.0, (step + 1) / self.numbers["warm_up"])
        self.optimiser.step()
        self.rewards.append(mean(found))

    def _slope(self, latents: torch.Tensor, random: torch.Generator) -> tuple[torch.Tensor, list[float]]:
        """Return the gradient of minus the mean reward of latents `[B, C, h, w]`, and the rewards that there are.

        One picture at a time: a decoder keeps more of each than the UNet does.
        """
        slopes, found = torch.zeros_like(latents), []
        for at in range(len(latents)):
            one = latents[at : at + 1].clone().requires_grad_()
            picture = self.decoded(one)[0]
            value = self.reward(picture, random) if picture.isfinite().all() else picture.sum()
            if value is not None:
                slopes[at : at + 1] = torch.autograd.grad(-value / len(latents), one)[0]
                found.append(float(value.detach()))
        return slopes, found

    def _place(self, looks: int, random: torch.Generator) -> int:
        """Return a look of a way, between the first and last that reward is worth anything at."""
        first, last = (round(self.numbers[name] * (looks - 1)) for name in ("first", "last"))
        return int(torch.randint(first, last + 1, (), generator=random))


def mean(rewards: Sequence[float | None]) -> float | None:
    """Return the mean of the rewards that there are."""
    known = [one for one in rewards if one is not None]
    return sum(known) / len(known) if known else None


@functools.cache
def numbers() -> dict[str, Any]:
    """Return reward.toml."""
    return read_toml(FILE)
