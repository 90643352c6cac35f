"""A frozen linear layer with a LoRA beside it, whose sums are made within the products and never on their own."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional


class Layer(NamedTuple):
    """A layer's `weight` `[out, in]` and bias, and its LoRA: `down` `[r, in]`, `up` `[out, r]`, a number for both.

    Weight and bias have the precision of what the layer reads, and are taken as constants. With `down` `[S, r, in]` and
    `up` `[S, out, r]` the rows are those of S people, as many rows of each, one person after the other.
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


def of_each(rows: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Return `rows` `[N, C]` as `[S, N / S, C]` where the `factor` is that of S people, else as they are."""
    return rows if factor.ndim == 2 else rows.reshape(len(factor), -1, rows.shape[-1])


def scaled_product(a: torch.Tensor, b: torch.Tensor, scale: float) -> torch.Tensor:
    """Return `scale * (a @ b)` by one product; both are matrices, or both stacks of them."""
    out = a.new_empty(*a.shape[:-1], b.shape[-1])
    product = torch.addmm if a.ndim == 2 else torch.baddbmm
    return product(out, a, b, beta=0, alpha=scale, out=out)


def added(total: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float) -> torch.Tensor:
    """Add `scale * (a @ b)` to `total` `[N, C]` in place, which may be seen as a stack; return it."""
    if a.ndim == 2:
        return total.addmm_(a, b, alpha=scale)
    total.view(len(a), -1, total.shape[-1]).baddbmm_(a, b, alpha=scale)
    return total


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
        inner = of_each(rows, down) @ down.mT
        ctx.save_for_backward(rows, weight, down, up, inner)
        return added(functional.linear(rows, weight, bias), inner, up.mT, scale)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        rows, weight, down, up, inner = ctx.saved_tensors
        above, scale = of_each(gradients[0], up), ctx.scale
        within = above @ up
        below = added(gradients[0] @ weight, within, down, scale) if ctx.needs_input_grad[0] else None
        of_down = scaled_product(within.mT, of_each(rows, down), scale)
        of_up = scaled_product(above.mT, inner, scale)
        return below, None, None, of_down.to(ctx.precision), of_up.to(ctx.precision), None
