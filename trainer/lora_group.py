"""The LoRAs of several people on one model: every picture of a pass goes through the LoRA of its own person."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch

from . import low_rank
from .lora import Adapter, Lora


class Shared(Adapter):
    """The adapters of several people on one layer.

    A batch has as many pictures (or texts) of each of them, one person after the other.
    """

    def __init__(self, adapters: Sequence[Adapter]) -> None:
        first = adapters[0]
        self.adapters = adapters
        self.layer, self.fused, self.rank, self.alpha = first.layer, first.fused, first.rank, first.alpha
        self.down, self.up = first.down, first.up  # for their shapes, which all have

    def as_linear(self) -> low_rank.Layer:
        """Return the layer and its changes as those of a linear layer, stacked."""
        each = [adapter.as_linear() for adapter in self.adapters]
        down, up = (torch.stack([getattr(one, name) for one in each]) for name in ("down", "up"))
        return each[0]._replace(down=down, up=up)

    def convolved(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the adapters of a convolution add to the output, each on its own pictures."""
        parts = x.chunk(len(self.adapters))
        return torch.cat([adapter.convolved(part) for adapter, part in zip(self.adapters, parts, strict=True)])

    def added(self, y: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return `y` `[N, out]` with what the adapters of a linear layer add to it, each to its own rows."""
        down, up = self.as_linear()[2:4]
        inner = low_rank.of_each(rows, down) @ down.to(y.dtype).mT
        return torch.baddbmm(low_rank.of_each(y, up), inner, (up * self.scale).to(y.dtype).mT).view(y.shape)


class LoraGroup:
    """The LoRAs of several people, by number, on the same layers and of one rank."""

    def __init__(self, loras: Sequence[Lora]) -> None:
        self.loras = loras
        self.members: tuple[int, ...] = (0,)
        self._shared: dict[tuple[int, ...], dict[str, Adapter]] = {}

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """Make the layers give the changed output of whoever a pass is of; they are as before afterwards."""
        with self.loras[0].attached():
            yield

    @contextlib.contextmanager
    def passing(self, members: Sequence[int]) -> Iterator[None]:
        """Let passes go through the LoRAs of these people meanwhile: equal parts of every batch, in this order."""
        before = self.members
        self._turn(tuple(members))
        try:
            yield
        finally:
            self._turn(before)

    def parameters(self, prefix: str = "") -> list[torch.Tensor]:
        """Return the trained tensors of the people that passes are of now, whose names begin with `prefix`."""
        return [tensor for member in self.members for tensor in self.loras[member].parameters(prefix)]

    def _turn(self, members: tuple[int, ...]) -> None:
        self.members = members
        if members not in self._shared:
            self._shared[members] = self._adapters(members)
        for adapter in self._shared[members].values():
            vars(adapter.layer)["adapter"] = adapter  # a module's own way looks for parameters first, each time

    def _adapters(self, members: tuple[int, ...]) -> dict[str, Adapter]:
        chosen = [self.loras[member].adapters for member in members]
        if len(chosen) == 1:
            return dict(chosen[0])
        return {name: Shared([adapters[name] for adapters in chosen]) for name in chosen[0]}
