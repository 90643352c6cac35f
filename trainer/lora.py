"""Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685) of linear and convolution layers, in kohya's file format.

A layer's output gains `alpha / rank * up(down(x))`; the layer's own weights are never touched. Keys are kohya's:
`<name>.lora_down.weight [rank, in(, k, k)]`, `<name>.lora_up.weight [out, rank(, 1, 1)]`, `<name>.alpha []`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ..portrait.errors import PortraitError
from . import low_rank
from .fused.works import usable

DOWN, UP, ALPHA = ".lora_down.weight", ".lora_up.weight", ".alpha"


class LoraError(PortraitError):
    """A LoRA does not fit the model."""

    key = "lora"


class Adapter:
    """The change of one layer: `down` and `up` are float32 leaf tensors, `scale` is alpha / rank."""

    def __init__(self, layer: nn.Module, rank: int, alpha: float, generator: torch.Generator) -> None:
        weight = layer.get_parameter("weight")
        out, into = weight.shape[:2]
        self.rank = min(rank, out, into)
        # A layer too small for the rank keeps the scale that the others have.
        self.alpha = alpha * self.rank / rank
        # kohya's beginning (networks/lora.py): kaiming uniform down, as torch begins a linear layer, and zero up.
        bound = 1 / math.sqrt(weight[0].numel())
        down = torch.rand((self.rank, *weight.shape[1:]), generator=generator).mul_(2 * bound).sub_(bound)
        self.down = down.to(weight.device).requires_grad_()
        self.up = torch.zeros(out, self.rank, *(1 for _ in weight.shape[2:]), device=weight.device).requires_grad_()
        self.layer: Any = layer
        self.fused = usable(weight.device)

    @property
    def weight(self) -> torch.Tensor:
        """The layer's own weight."""
        return self.layer.weight

    @property
    def scale(self) -> float:
        """What the low-rank product is multiplied by."""
        return self.alpha / self.rank

    def changed(self, plain: Callable[..., torch.Tensor], x: torch.Tensor, *args: object, **kw: object) -> torch.Tensor:
        """Return the layer's output for the input `x` with the adapter's change, in the output's precision.

        `plain` is the layer's own forward, which the further arguments are for.
        """
        layer = self.layer
        if not isinstance(layer, nn.Conv2d):
            return self._linear(plain, x.reshape(-1, x.shape[-1]), *args, **kw).view(*x.shape[:-1], -1)
        if self.fused and layer.kernel_size == layer.stride == (1, 1):
            places = x.permute(0, 2, 3, 1)
            rows = self._linear(plain, places.reshape(-1, x.shape[1]))
            return rows.view(*places.shape[:-1], -1).permute(0, 3, 1, 2)
        y = plain(x, *args, **kw)
        return y + self.convolved(x.to(y.dtype))

    def convolved(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the adapter of a convolution adds to the output for `x`."""
        down, up = self._factors(x.dtype)
        inner = functional.conv2d(x, down, None, self.layer.stride, self.layer.padding, self.layer.dilation)
        return functional.conv2d(inner, up)

    def as_linear(self) -> low_rank.Layer:
        """Return the layer and its change as those of a linear layer."""
        weight, down, up = (one.flatten(1) for one in (self.weight, self.down, self.up))
        return low_rank.Layer(weight, self.layer.bias, down, up, self.scale)

    def merges(self, precision: torch.dtype) -> bool:
        """Return whether the layer is the faster one in this precision with the change added to its weight."""
        fits = self.fused and precision == torch.bfloat16 == self.weight.dtype
        return fits and low_rank.merging_pays(len(self.up), self.down.shape[1], self.rank)

    def _linear(
        self, plain: Callable[..., torch.Tensor], rows: torch.Tensor, *args: object, **kw: object
    ) -> torch.Tensor:
        if self.merges(rows.dtype):
            from .fused import merged

            return merged.linear(rows, self.as_linear())
        if rows.dtype == self.weight.dtype and not _autocast(rows.device):
            return low_rank.linear(rows, self.as_linear())
        y = plain(rows, *args, **kw)
        return self.added(y, rows.to(y.dtype))

    def added(self, y: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return `y` `[N, out]` with what the adapter of a linear layer adds to it for `rows`."""
        down, up = self._factors(y.dtype)
        # In place, within the product: a sum of its own would read and write the whole output once more.
        return y.addmm_(rows @ down.t(), up.t())

    def _factors(self, precision: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        return self.down.to(precision), (self.up * self.scale).to(precision)


class Lora:
    """Adapters on named layers of one model; `targets` maps kohya's names to the layers.

    The start depends on `seed` and on nothing else. Raises LoraError when there is no layer to adapt.
    """

    def __init__(self, targets: Mapping[str, nn.Module], rank: int, alpha: float, seed: int = 0) -> None:
        if not targets:
            raise LoraError("This model has no attention or feed-forward layers that a LoRA could change.")
        generator = torch.Generator().manual_seed(seed)
        self.adapters = {name: Adapter(targets[name], rank, alpha, generator) for name in sorted(targets)}

    def parameters(self, prefix: str = "") -> list[torch.Tensor]:
        """Return the trained tensors whose names begin with `prefix`, in a fixed order."""
        chosen = [adapter for name, adapter in self.adapters.items() if name.startswith(prefix)]
        return [tensor for adapter in chosen for tensor in (adapter.down, adapter.up)]

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """Make the layers give their changed output; the layers are as before afterwards, whatever happens."""
        for adapter in self.adapters.values():
            adapter.layer.forward = _changed(adapter.layer, adapter.layer.forward)
            adapter.layer.adapter = adapter
        try:
            yield
        finally:
            for adapter in self.adapters.values():
                del adapter.layer.forward, adapter.layer.adapter

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return copies of all tensors on the CPU under kohya's keys."""
        state = {}
        for name, adapter in self.adapters.items():
            state[name + DOWN] = adapter.down.detach().cpu().clone()
            state[name + UP] = adapter.up.detach().cpu().clone()
            state[name + ALPHA] = torch.tensor(float(adapter.alpha))
        return state

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take the tensors over, in place. Raises LoraError when a name or a shape is another."""
        wanted = {name + suffix for name in self.adapters for suffix in (DOWN, UP, ALPHA)}
        if set(state) != wanted:
            odd = sorted(set(state) ^ wanted)[0]
            raise LoraError(f"The LoRA was trained on another kind of checkpoint ({odd!r} is on one side only).")
        with torch.no_grad():
            for name, adapter in self.adapters.items():
                for tensor, key in ((adapter.down, name + DOWN), (adapter.up, name + UP)):
                    if tensor.shape != state[key].shape:
                        shapes = f"{list(state[key].shape)} instead of {list(tensor.shape)}"
                        raise LoraError(f"The LoRA has another rank or layer size: {key} is {shapes}.")
                    tensor.copy_(state[key])
                adapter.alpha = float(state[name + ALPHA])


class Average:
    """An exponential moving average of a LoRA's tensors (with the early steps' bias taken out)."""

    def __init__(self, lora: Lora, decay: float) -> None:
        self.lora, self.decay, self.steps = lora, decay, 0
        self.values = [tensor.detach().clone() for tensor in lora.parameters()]

    @torch.no_grad()
    def update(self) -> None:
        """Take the LoRA's present tensors in."""
        self.steps += 1
        # As in Adam: with the plain decay the start would still weigh in a short training.
        decay = min(self.decay, self.steps / (self.steps + 9))
        own = [tensor.detach() for tensor in self.lora.parameters()]
        torch._foreach_lerp_(self.values, own, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]: one launch

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Lend the LoRA the averaged tensors for a while."""
        own = [tensor.detach().clone() for tensor in self.lora.parameters()]
        self._set(self.values)
        try:
            yield
        finally:
            self._set(own)

    @torch.no_grad()
    def _set(self, values: list[torch.Tensor]) -> None:
        for tensor, value in zip(self.lora.parameters(), values, strict=True):
            tensor.copy_(value)


def _autocast(device: torch.device) -> bool:
    return device.type != "meta" and torch.is_autocast_enabled(device.type)


def _changed(layer: Any, forward: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def with_change(x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        return layer.adapter.changed(forward, x, *args, **kwargs)

    return with_change
