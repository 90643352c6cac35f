"""The optimiser of a training, its learning rate at every step, and its memory as plain tensors."""

from __future__ import annotations

import math
from typing import Any

import torch

from .lora import Lora
from .prodigy import Prodigy
from .settings import TrainSettings


def build(lora: Lora, settings: TrainSettings) -> torch.optim.Optimizer:
    """Return the optimiser of the LoRA's tensors: one group for the UNet, one for each text encoder trained."""
    rates = {"lora_unet": settings.learning_rate, "lora_te": settings.text_encoder_rate}
    groups = [{"params": lora.parameters(prefix), "lr": rate, "rate": rate} for prefix, rate in rates.items()]
    groups = [group for group in groups if group["params"]]
    if settings.optimiser == "prodigy":
        return Prodigy(groups, weight_decay=settings.weight_decay)
    on_card = groups[0]["params"][0].device.type == "cuda"  # elsewhere not every version of torch has the fused one
    return torch.optim.AdamW(groups, weight_decay=settings.weight_decay, fused=on_card)


def rate(step: int, settings: TrainSettings) -> float:
    """Return what the learning rate is multiplied by in `step` (0, 1, ...): linear warm-up, then the schedule.

    Cosine and linear come down to 0 behind the last step.
    """
    warm_up = min(settings.warm_up, settings.steps // 2)
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    done = (step - warm_up) / max(1, settings.steps - warm_up)
    return {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 + 0.5 * math.cos(math.pi * done)}[settings.schedule]


def set_rate(optimiser: torch.optim.Optimizer, step: int, settings: TrainSettings) -> float:
    """Give the optimiser the learning rate of `step`; return the UNet's."""
    for group in optimiser.param_groups:
        group["lr"] = group["rate"] * rate(step, settings)
    return optimiser.param_groups[0]["lr"]


def memory(optimiser: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """Return the tensors of the optimiser's state by `<parameter>.<name>`, and the numbers of its groups."""
    state = optimiser.state_dict()
    tensors = {
        f"{index}.{name}": torch.as_tensor(value).detach().cpu().clone()
        for index, values in state["state"].items()
        for name, value in values.items()
    }
    groups = [
        {key: value for key, value in group.items() if isinstance(value, (int, float))}
        for group in state["param_groups"]
    ]
    return tensors, groups


def restore(optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], groups: list[dict[str, Any]]) -> None:
    """Put back what `memory` returned into an optimiser of the same LoRA."""
    state = optimiser.state_dict()
    state["state"] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        state["state"].setdefault(int(index), {})[name] = tensor.clone()
    for group, numbers in zip(state["param_groups"], groups, strict=True):
        group.update(numbers)
    optimiser.load_state_dict(state)
