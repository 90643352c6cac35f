"""Passes of a network recorded once and replayed: a step is then limited by the card, not by Python.

A pass of a UNet and back is thousands of kernels, and launching them takes longer than computing them until the
batch is large. CUDA graphs (docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs) launch them all at once.
"""

from __future__ import annotations

import collections
import gc
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch

log = logging.getLogger("portrait_studio")

FAMILIAR = 2
"""A shape of batch is recorded when it comes for this time; what comes once is not worth it."""


def recording_works() -> bool:
    """Return whether this process can record: on an NVIDIA card, with torch's own memory allocator.

    With CUDA's (`backend:cudaMallocAsync`, ComfyUI's default) torch 2.11 ends the process when a recording is freed.
    """
    return bool(torch.cuda.is_available() and torch.version.cuda) and torch.cuda.get_allocator_backend() == "native"


class Recorded:
    """`network(*inputs)`, whose gradients reach the `trained` leaf tensors, recorded for each shape that comes often.

    A recording holds the memory of one pass for good, so there is none where the card has not as much free as all
    work so far has needed at most.
    """

    def __init__(self, network: Callable[..., Any], trained: Sequence[torch.Tensor]) -> None:
        self._network, self._trained = network, tuple(trained)
        self._recordings: dict[Any, Callable[..., Any]] = {}
        self._seen: collections.Counter[Any] = collections.Counter()
        self._under_way: set[Any] = set()
        self._full = False

    def __call__(self, *inputs: torch.Tensor) -> Any:
        """Return the tensor or tensors that the network answers.

        The next pass of that shape writes over them. One that comes before this one has gone back is not replayed.
        """
        kind = tuple((tuple(one.shape), one.dtype, one.requires_grad) for one in inputs)
        self._seen[kind] += 1
        if kind not in self._recordings and self._seen[kind] >= FAMILIAR and not self._full:
            self._record(kind, inputs)
        if kind not in self._recordings or kind in self._under_way:
            return self._network(*inputs)
        self._under_way.add(kind)
        learning = [one for one in inputs if one.requires_grad]
        own = iter(_Own.apply(lambda: self._under_way.discard(kind), *learning, *self._trained))
        given = [next(own) if one.requires_grad else one for one in inputs]
        return self._recordings[kind](*given, *own)

    def forget(self) -> None:
        """Drop all recordings, and make no more."""
        self._full = True
        if self._recordings:
            torch.cuda.synchronize()
            self._recordings.clear()
            gc.collect()  # a recording is in a circle, and may not be collected while the next one is made

    def _record(self, kind: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        torch.cuda.empty_cache()
        if torch.cuda.mem_get_info()[0] < torch.cuda.max_memory_allocated():
            self._full = True
            return
        examples = tuple(one.detach().clone().requires_grad_(one.requires_grad) for one in inputs)
        count = len(examples)
        try:
            self._recordings[kind] = torch.cuda.make_graphed_callables(
                lambda *given: self._network(*given[:count]), (*examples, *self._trained), num_warmup_iters=1
            )
        except RuntimeError as error:  # whatever the reason, training goes on as it began
            log.info("Training is not recorded on this card: %s", error)
            self.forget()
            torch.cuda.empty_cache()


class _Own(torch.autograd.Function):
    """The tensors themselves; their gradients are copied, because the next replay writes over a recording's own.

    `gone_back` is called when the gradients are there.
    """

    @staticmethod
    def forward(ctx: Any, gone_back: Callable[[], None], *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ctx.gone_back = gone_back
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        ctx.gone_back()
        return None, *torch._foreach_mul(gradients, 1.0)  # pyright: ignore[reportPrivateImportUsage]: one launch
