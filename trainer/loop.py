"""The training itself, one optimiser step at a time, from any state that was kept."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch

from ..portrait.errors import PortraitError
from . import optimiser
from .lora import Average, Lora
from .settings import TrainSettings

LOOK_EVERY = 8
"""On a card, losses are looked at so often (in steps): each look waits for all that was queued."""


class LossError(PortraitError):
    """The loss is no longer a number."""

    key = "loss"


class MemoryShortError(PortraitError):
    """The device has too little memory for these settings."""

    key = "memory"


class Learner(Protocol):
    """What the loop trains on; trainer.training_data.TrainingData is one."""

    model: Any

    def loss(self, number: int, count: int) -> torch.Tensor:
        """Return the loss `[]` of pass `number` with `count` pictures."""
        ...


class Training:
    """LoRA, running mean, optimiser and step; `losses` holds the loss of every step so far.

    The LoRA must be attached to its layers while steps are made.
    """

    def __init__(self, learner: Learner, lora: Lora, settings: TrainSettings) -> None:
        self.learner, self.lora, self.settings = learner, lora, settings
        self.optimiser = optimiser.build(lora, settings)
        self.average = Average(lora, settings.ema_decay)
        self.batch, self.accumulation = settings.batch, settings.accumulation
        self.step = 0
        self.losses: list[float] = []
        self._unread: list[tuple[int, float, torch.Tensor]] = []

    def advance(self) -> None:
        """Make one step.

        Raises LossError when the loss of this or one of the last steps is not finite, and MemoryShortError when half
        the batch does not fit either.
        """
        try:
            loss = self._gradients()
        except RuntimeError as error:
            if not self.learner.model.out_of_memory(error):
                raise
            loss = None
        if loss is None:  # outside of the handler, which would keep the failed pass alive
            self._make_room()
            return self.advance()
        return self.learn(loss)

    def learn(self, loss: torch.Tensor) -> None:
        """Take the step whose gradients are there, `loss` `[]` with them. Raises LossError as `advance`."""
        rate = optimiser.set_rate(self.optimiser, self.step, self.settings)
        if self.settings.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.lora.parameters(), self.settings.clip_norm)
        self.optimiser.step()
        self.average.update()
        self._unread.append((self.step + 1, rate, loss))
        self.step += 1
        if loss.device.type == "cpu" or len(self._unread) >= LOOK_EVERY:
            self.look()

    def look(self) -> None:
        """Read the losses that have not been read. Raises LossError when one is not finite."""
        unread, self._unread = self._unread, []
        for step, rate, loss in unread:
            value = float(loss)
            if not math.isfinite(value):
                raise LossError(
                    f"The loss is {value} at step {step} with learning rate {rate:.2g}; lower the learning rate."
                )
            self.losses.append(value)

    def _gradients(self) -> torch.Tensor:
        self.optimiser.zero_grad(set_to_none=True)
        total: Any = 0.0
        for part in range(self.accumulation):
            loss = self.learner.loss(self.step * self.accumulation + part, self.batch) / self.accumulation
            loss.backward()
            total = total + loss.detach()
        return total

    def _make_room(self) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        if self.learner.model.free():
            return
        if self.batch == 1 or self.batch < self.settings.batch:
            raise MemoryShortError(
                f"There is too little memory for batch {self.batch} at {self.settings.resolution} px; lower the "
                "resolution or the rank, or switch gradient checkpointing on."
            )
        self.batch, self.accumulation = self.batch // 2, self.accumulation * 2

    # ------------------------------------------------------------ what is kept

    def parts(self) -> dict[str, dict[str, torch.Tensor]]:
        """Return all tensors that the training needs to go on."""
        mean = {str(index): value for index, value in enumerate(self.average.values)}
        return {"lora": self.lora.state_dict(), "mean": mean, "moments": optimiser.memory(self.optimiser)[0]}

    def notes(self) -> dict[str, Any]:
        """Return the numbers that the training needs to go on, as JSON holds them."""
        return {
            "step": self.step,
            "losses": [round(loss, 6) for loss in self.losses],
            "averaged": self.average.steps,
            "batch": self.batch,
            "accumulation": self.accumulation,
            "groups": optimiser.memory(self.optimiser)[1],
        }

    def restore(self, parts: dict[str, dict[str, torch.Tensor]], notes: dict[str, Any]) -> None:
        """Go on from what `parts` and `notes` returned. Raises LoraError when it is of another LoRA."""
        self.lora.load(parts["lora"])
        for index, value in enumerate(self.average.values):
            value.copy_(parts["mean"][str(index)])
        self.average.steps = notes["averaged"]
        optimiser.restore(self.optimiser, parts.get("moments", {}), notes["groups"])
        self.step, self.losses = notes["step"], list(notes["losses"])
        self.batch, self.accumulation = notes["batch"], notes["accumulation"]
