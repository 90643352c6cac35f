"""Passes of a network recorded once and replayed: a step is then limited by the card, not by Python.

A pass of a UNet and back is thousands of kernels, and launching them takes longer than computing them until the
batch is large. CUDA graphs (docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs) launch them all at once.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch

log = logging.getLogger("portrait_studio")

FAMILIAR = 2
"""A shape of batch is recorded when it comes for this time; what comes once is not worth it."""


def recording_works() -> bool:
    """Return whether this process can record passes."""
    available = torch.cuda.is_available()
    return available and can_record(torch.version.cuda, torch.cuda.get_allocator_backend())


def can_record(cuda: str | None, allocator: str) -> bool:
    """Return whether a build of torch for `cuda` (None: AMD's) can record with this memory allocator.

    Only torch's own will do. With CUDA's (`cudaMallocAsync`, ComfyUI's default) torch 2.11 ends the process when memory
    of a recording is freed that no replay has allocated yet: cudaFreeAsync fails in a destructor. To replay each
    recording once as soon as it is made saves a network of a few layers, and not a UNet; nor does it help to keep
    until then all that the way there saved (one H200).
    """
    return bool(cuda) and allocator == "native"


class Recorder(Protocol):
    """Records passes on a device."""

    def has_room(self) -> bool:
        """Return whether the device has memory for one more recording."""
        ...

    def record(self, function: Callable[..., Any], examples: tuple[torch.Tensor, ...]) -> Callable[..., Any]:
        """Return what replays `function` on inputs like the examples. Raises RuntimeError when it cannot record."""
        ...

    def settle(self) -> None:
        """Wait until nothing that was recorded is running."""
        ...


class CudaRecorder:
    """Records passes as CUDA graphs."""

    def has_room(self) -> bool:
        """Return whether as much memory is free as work so far took at its peak, beyond what is held all the time."""
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info()[0] >= torch.cuda.max_memory_allocated() - torch.cuda.memory_allocated()

    def record(self, function: Callable[..., Any], examples: tuple[torch.Tensor, ...]) -> Callable[..., Any]:
        """Return what replays `function`; it has one set of buffers, which every pass overwrites."""
        with _capture(examples[0].device):
            return torch.cuda.make_graphed_callables(function, examples, num_warmup_iters=1)

    def settle(self) -> None:
        """Wait for the card, and give back the memory that torch keeps in reserve."""
        torch.cuda.synchronize()
        torch.cuda.empty_cache()


class Recorded:
    """`network(*inputs)`, whose gradients reach the leaf tensors that `trained()` returns, recorded where it pays.

    That is for each shape, and each choice of leaf tensors, that comes often. A recording keeps the memory of one pass,
    so nothing is recorded when the recorder has no room for it.
    """

    def __init__(
        self,
        network: Callable[..., Any],
        trained: Callable[[], Sequence[torch.Tensor]],
        recorder: Recorder | None = None,
    ) -> None:
        self._network, self._trained = network, trained
        self._recorder = recorder or CudaRecorder()
        self._recordings: dict[Any, Callable[..., Any]] = {}
        self._seen: collections.Counter[Any] = collections.Counter()
        self._under_way: set[Any] = set()
        self._full = False

    def __call__(self, *inputs: torch.Tensor) -> Any:
        """Return the tensor or tensors that the network answers. The next pass of that shape overwrites them.

        A second forward before the first backward runs unrecorded.
        """
        trained = tuple(self._trained())
        kind = (*((tuple(one.shape), one.dtype, one.requires_grad) for one in inputs), tuple(map(id, trained)))
        self._seen[kind] += 1
        if kind not in self._recordings and self._seen[kind] >= FAMILIAR and not self._full:
            self._record(kind, inputs, trained)
        if kind not in self._recordings or kind in self._under_way:
            return self._network(*inputs)
        self._under_way.add(kind)
        learning = [one for one in inputs if one.requires_grad]
        own = iter(_Own.apply(lambda: self._under_way.discard(kind), *learning, *trained))
        given = [next(own) if one.requires_grad else one for one in inputs]
        return self._recordings[kind](*given, *own)

    def forget(self, for_good: bool = True) -> bool:
        """Drop all recordings, and make no more if it is `for_good`; return whether there were any."""
        self._full = self._full or for_good
        any_there = bool(self._recordings)
        if any_there:
            self._recorder.settle()
            self._recordings.clear()
            self._seen.clear()
            gc.collect()  # a recording is part of a reference cycle, and must be gone before the next one is made
        return any_there

    def _record(self, kind: Any, inputs: tuple[torch.Tensor, ...], trained: tuple[torch.Tensor, ...]) -> None:
        if not self._recorder.has_room():
            self._full = True
            return
        examples = tuple(one.detach().clone().requires_grad_(one.requires_grad) for one in inputs)
        count = len(examples)
        try:
            self._recordings[kind] = self._recorder.record(
                lambda *given: self._network(*given[:count]), (*examples, *trained)
            )
        except RuntimeError as error:  # whatever the reason, training goes on unrecorded
            log.info("Training is not recorded on this card: %s", error)
            self.forget()
            self._recorder.settle()


@contextlib.contextmanager
def _capture(device: torch.device) -> Iterator[None]:
    """Keep a capture from breaking off, and undo what torch leaves behind of one that did.

    No garbage is collected meanwhile: freeing an older recording is not allowed during a capture. When a capture breaks
    off, torch 2.11 leaves its stream as the current one, and every later use of the card's random numbers fails
    ("Offset increment outside graph capture"). Both become what they were.
    """
    card = device.type == "cuda"
    stream = torch.cuda.current_stream(device) if card else None
    numbers = torch.cuda.default_generators[device.index].clone_state() if card else None
    gc.collect()
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    except BaseException:
        if stream is not None and numbers is not None:
            torch.cuda.set_stream(stream)
            torch.cuda.default_generators[device.index].graphsafe_set_state(numbers)
        raise
    finally:
        if collecting:
            gc.enable()


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
