"""What all phases share: settings, renders, and how a network is trained."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from .data import People, join
from .machine import TimedTraining, rank, ranks, say


@dataclass
class RankSettings:
    """What all phases share: the work folder, this rank's device, the batch of one rank, the tokenizer's folder."""

    work: Path
    device: torch.device
    batch: int
    control_batch: int
    tokenizer: Path
    compile: bool = True
    held: dict[str, People] = field(default_factory=dict)

    def people(self, name: str) -> People:
        """Return this rank's renders by name; they are read once."""
        if name not in self.held:
            paths = sorted(self.work.glob(f"{name}-{rank()}-*.safetensors"))
            self.held[name] = join([People.load(path, self.device) for path in paths])
        return self.held[name]

    def path(self, name: str) -> Path:
        """Return a file of the work folder."""
        return self.work / name

    def mine(self, name: str) -> Path:
        """Return this rank's own file of the work folder."""
        return self.work / f"{name}-{rank()}.safetensors"


def faster(network: nn.Module, settings: RankSettings) -> Callable:
    """Return the network on the device, compiled if that is wanted and there is a GPU."""
    network.to(settings.device)
    if settings.device.type == "cuda":
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - not in torch's types
    return torch.compile(network) if settings.compile and settings.device.type == "cuda" else network


def pictures(images: torch.Tensor) -> torch.Tensor:
    """Return uint8 pictures as float32, 0..1."""
    return images.float() / 255


def channels_last(x: torch.Tensor, settings: RankSettings) -> torch.Tensor:
    """Return x in the memory layout that the device likes."""
    return x.contiguous(memory_format=torch.channels_last) if settings.device.type == "cuda" else x


def gradients(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the steps downwards [..., H - 1, W] and to the right [..., H, W - 1]."""
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


def train(
    name: str, run: TimedTraining, loss: Callable[[], torch.Tensor], batch: int, every: int = 100
) -> dict[str, float]:
    """Go down the loss, which draws its own batch, until the run's time is up; says how it goes `every` steps."""
    total, before = torch.zeros((), device=run.parameters[0].device), time.monotonic()
    first = run.step
    for step in run.steps():
        value = loss()
        run.update(value)
        total += value.detach()
        if (step + 1 - first) % every == 0:
            rate = batch * ranks() * every / (time.monotonic() - before)
            say(name, step + 1, f"loss {total.item() / every:.4f}", f"{rate:.0f}/s", f"{run.trained:.0f} s")
            total.zero_()
            before = time.monotonic()
    say(name, "steps", run.step, "seconds", round(run.trained))
    return {"steps": run.step, "seconds": run.trained}
