"""A frozen linear layer with a LoRA beside it, whose sums are made within the products and never on their own."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional


class Layer(NamedTuple):
    """A layer's `weight` `[out, in]` and bias, and its LoRA: `down` `[r, in]`, `up` `[out, r]`, a number for both.

    Weight and bias have the precision of what the layer reads, and are taken as constants.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    down: torch.Tensor
    up: torch.Tensor
    scale: float


def linear(rows: torch.Tensor, layer: Layer) -> torch.Tensor:
    """Return `rows` `[N, in]` times the weight, plus `scale * rows * down * up`, `[N, out]`, in the rows' precision."""
    return _LowRank.apply(rows, *layer)


def merging_pays(out: int, into: int, rank: int) -> bool:
    """Return whether a layer is the faster one on a card with its LoRA added to its weight for the pass.

    A row then costs `out * into` multiplications for the weight's gradient, otherwise `3 * rank * (out + into)` for
    the low-rank products and theirs; these read and write the outputs more often, hence the half on top.
    """
    return out * into <= 1.5 * 3 * rank * (out + into)


def scaled_product(a: torch.Tensor, b: torch.Tensor, scale: float) -> torch.Tensor:
    """Return `scale * (a @ b)` by one product."""
    out = a.new_empty(a.shape[0], b.shape[1])
    return torch.addmm(out, a, b, beta=0, alpha=scale, out=out)


class _LowRank(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        rows: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        ctx.scale, ctx.precision = scale, down.dtype
        down, up = down.to(rows.dtype), up.to(rows.dtype)
        inner = rows @ down.t()
        ctx.save_for_backward(rows, weight, down, up, inner)
        return functional.linear(rows, weight, bias).addmm_(inner, up.t(), alpha=scale)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        rows, weight, down, up, inner = ctx.saved_tensors
        above, scale = gradients[0], ctx.scale
        within = above @ up
        below = (above @ weight).addmm_(within, down, alpha=scale) if ctx.needs_input_grad[0] else None
        of_down, of_up = scaled_product(within.t(), rows, scale), scaled_product(above.t(), inner, scale)
        return below, None, None, of_down.to(ctx.precision), of_up.to(ctx.precision), None
