"""Linear layers whose LoRA is added to their weight for the pass: one product instead of three, no sums of outputs.

Each pass reads and writes a layer's output once; the gradient of both factors comes of the gradient of the whole
weight. That is more arithmetic for a small rank and less for a large one; low_rank.merging_pays says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from ..low_rank import Layer, added, of_each, scaled_product
from . import kernels as jit
from . import tiles

kernels: Any = jit  # Triton types what it compiles as the functions that were written
_SIZE = 1024


def linear(rows: torch.Tensor, layer: Layer) -> torch.Tensor:
    """Return the layer's output `[N, out]` for `rows` `[N, in]`, with gradients of the rows and both factors."""
    return _Merged.apply(rows, (layer.scale,), layer.weight, layer.bias, layer.down, layer.up)[0]


def linears(rows: torch.Tensor, layers: Sequence[Layer]) -> tuple[torch.Tensor, ...]:
    """Return the outputs of layers without bias that read the same `rows`, by one product."""
    scales = tuple(layer.scale for layer in layers)
    flat: Any = [part for layer in layers for part in layer[:4]]
    return _Merged.apply(rows, scales, *flat)


def merge(weight: torch.Tensor, change: torch.Tensor, out: torch.Tensor) -> None:
    """Write `weight + change` in bfloat16, exact in the mean over places, the weight itself where nothing changes.

    With a stack of changes, `out` is the stack of what they make of the weight; only its matrices must be contiguous.
    """
    count, people = weight.numel(), change.numel() // weight.numel()
    kernels.merge[(tiles.parts(count, _SIZE), people)](
        weight.contiguous(), change.contiguous(), out, count, out.stride(0) if people > 1 else 0, SIZE=_SIZE
    )


class _Merged(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, scales: tuple[float, ...], *flat: Any) -> tuple[torch.Tensor, ...]:
        rest = zip(flat[::4], flat[1::4], flat[2::4], flat[3::4], scales, strict=True)
        parts = [Layer(weight, bias, down, up, scale) for weight, bias, down, up, scale in rest]
        sizes, first = [part.weight.shape[0] for part in parts], parts[0]
        whole = first.weight.new_empty(*first.down.shape[:-2], sum(sizes), rows.shape[1])
        factors = []
        for part, own in zip(parts, whole.split(sizes, -2), strict=True):
            down, up = part.down.to(rows.dtype), part.up.to(rows.dtype)
            merge(part.weight, scaled_product(up, down, part.scale), own)
            factors += [down, up]
        ctx.save_for_backward(rows, whole, *factors)
        ctx.scales, ctx.sizes, ctx.precision = scales, sizes, first.down.dtype
        if whole.ndim == 2:
            return functional.linear(rows, whole, first.bias).split(sizes, 1)
        stack = of_each(rows, whole)
        answer = stack @ whole.mT if first.bias is None else torch.baddbmm(first.bias, stack, whole.mT)
        return answer.view(len(rows), -1).split(sizes, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        rows, whole, *factors = ctx.saved_tensors
        stack, below, answers = of_each(rows, whole), None, []
        for at, (gradient, own) in enumerate(zip(gradients, whole.split(ctx.sizes, -2), strict=True)):
            above = of_each(gradient, whole)
            if ctx.needs_input_grad[0]:
                below = (above @ own).view(rows.shape) if below is None else added(below, above, own, 1.0)
            slope, (down, up) = above.mT @ stack, factors[2 * at : 2 * at + 2]
            of_down = scaled_product(up.mT, slope, ctx.scales[at])
            of_up = scaled_product(slope, down.mT, ctx.scales[at])
            answers += [None, None, of_down.to(ctx.precision), of_up.to(ctx.precision)]
        return below, None, *answers
