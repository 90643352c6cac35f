"""Group normalisation with its activation, and layer normalisation with the sum before it, in one pass each.

Group normalisation: Wu and He 2018 (arXiv:1803.08494); layer normalisation: Ba et al. 2016 (arXiv:1607.06450). The
gradients are those of the pictures alone: weights and biases are taken as constants.
"""

from __future__ import annotations

from typing import Any

import torch

from ..channels_last import rows_of
from . import kernels as jit
from . import tiles

kernels: Any = jit  # Triton types what it compiles as the functions that were written
CHUNK = 256  # rows of which one program makes a sum
TILE = 64  # rows and channels that a program holds at once


def group_norm(
    x: torch.Tensor,
    groups: int,
    weight: torch.Tensor,
    bias: torch.Tensor,
    epsilon: float,
    silu: bool = False,
    plus: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `x` `[B, C, H, W]` itself, and `x + plus` normalised over every group of channels, in channels-last order.

    With `silu`, the activation of it. `plus` `[B, C]` is taken as a constant, as weight and bias are. Whoever uses x
    beside its normalisation takes the x returned, for then both gradients are added in one pass. The variance comes of
    sums of squares in float32, which is exact enough while a mean is not hundreds of times its deviation.
    """
    return _GroupNorm.apply(x, groups, weight, bias, epsilon, silu, plus)


def add_norm(
    x: torch.Tensor, added: torch.Tensor | None, weight: torch.Tensor, bias: torch.Tensor, epsilon: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `x + added` `[..., C]` (x itself when there is nothing to add) and its layer normalisation."""
    return _AddNorm.apply(x, added, weight, bias, epsilon)


class _GroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        groups: int,
        weight: torch.Tensor,
        bias: torch.Tensor,
        epsilon: float,
        silu: bool,
        plus: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rows = rows_of(x)
        batch, count, channels = rows.shape
        sums = _sums(rows)
        mean, inverse = (rows.new_empty((batch, groups), dtype=torch.float32) for _ in range(2))
        factor, term = (rows.new_empty((batch, channels), dtype=torch.float32) for _ in range(2))
        plus = None if plus is None else plus.contiguous()
        each = channels // groups
        kernels.group_factors[(groups, batch)](
            sums, sums if plus is None else plus, weight, bias, mean, inverse, factor, term, count, channels, each,
            epsilon, EACH=tiles.power_of_two(each), PLUS=plus is not None,
        )  # fmt: skip
        answer = torch.empty_like(rows)
        kernels.group_apply[_tiles(rows)](
            rows, rows, rows, factor, term, factor, term, answer, count, channels,
            ROWS=TILE, COLS=TILE, BACK=False, SILU=silu, BESIDE=False,
        )  # fmt: skip
        ctx.save_for_backward(rows, mean, inverse, factor, term, plus)
        ctx.silu = silu
        ctx.set_materialize_grads(False)
        return x.view_as(x), _picture(answer, x.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> Any:
        rows, mean, inverse, factor, term, plus = ctx.saved_tensors
        beside, above = (None if one is None else rows_of(one) for one in gradients)
        if above is None:
            return gradients[0], None, None, None, None, None, None
        sums = _sums(rows, above, factor, term, ctx.silu)
        slope, offset = torch.empty_like(factor), torch.empty_like(factor)
        (batch, count, channels), groups = rows.shape, mean.shape[1]
        each = channels // groups
        kernels.group_slopes[(groups, batch)](
            sums, sums if plus is None else plus, mean, inverse, factor, slope, offset, count, channels, each,
            EACH=tiles.power_of_two(each), PLUS=plus is not None,
        )  # fmt: skip
        below = torch.empty_like(rows)
        kernels.group_apply[_tiles(rows)](
            rows, above, rows if beside is None else beside, factor, term, slope, offset, below, count, channels,
            ROWS=TILE, COLS=TILE, BACK=True, SILU=ctx.silu, BESIDE=beside is not None,
        )  # fmt: skip
        shape = next(one.shape for one in gradients if one is not None)
        return _picture(below, shape), None, None, None, None, None, None


def _picture(rows: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return `[B, H * W, C]` as `[B, C, H, W]` of a shape, in channels-last order."""
    return rows.view(shape[0], *shape[2:], shape[1]).permute(0, 3, 1, 2)


def _tiles(rows: torch.Tensor) -> tuple[int, int, int]:
    batch, count, channels = rows.shape
    return tiles.parts(count, TILE), tiles.parts(channels, TILE), batch


def _sums(rows: torch.Tensor, above: Any = None, factor: Any = None, term: Any = None, silu: bool = False) -> Any:
    """Return two sums of every channel `[B, 2, C]`; what they are of, kernels.group_sums says."""
    batch, count, channels = rows.shape
    chunks = tiles.parts(count, CHUNK)
    sums = rows.new_empty((batch, chunks, 2, channels), dtype=torch.float32)
    given = (rows, rows, sums, sums) if above is None else (rows, above, factor, term)
    kernels.group_sums[(chunks, tiles.parts(channels, TILE), batch)](
        *given, sums, count, channels, CHUNK=CHUNK, ROWS=TILE, COLS=TILE, BACK=above is not None, SILU=silu
    )
    return sums.sum(1)


class _AddNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, added: torch.Tensor | None, weight: torch.Tensor, bias: torch.Tensor, epsilon: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x = x.contiguous()
        added = None if added is None else added.contiguous()
        summed = x if added is None else torch.empty_like(x)
        normed = torch.empty_like(x)
        channels, count = x.shape[-1], x[..., 0].numel()
        shape = _tile(channels)
        kernels.add_norm[(tiles.parts(count, shape["ROWS"]),)](
            x, x if added is None else added, weight, bias, summed, normed, count, channels, epsilon,
            ADD=added is not None, **shape,
        )  # fmt: skip
        ctx.save_for_backward(summed, weight)
        ctx.epsilon, ctx.added = epsilon, added is not None
        ctx.set_materialize_grads(False)
        return (summed if added is not None else x.view_as(x)), normed

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> Any:
        summed, weight = ctx.saved_tensors
        beside, above = gradients
        if above is None:
            below = beside
        else:
            above = above.contiguous()
            beside = None if beside is None else beside.contiguous()
            below = torch.empty_like(summed)
            channels, count = summed.shape[-1], summed[..., 0].numel()
            shape = _tile(channels)
            kernels.add_norm_back[(tiles.parts(count, shape["ROWS"]),)](
                summed, weight, above, above if beside is None else beside, below, count, channels, ctx.epsilon,
                BESIDE=beside is not None, **shape,
            )  # fmt: skip
        return below, below if ctx.added else None, None, None, None


def _tile(channels: int) -> dict[str, int]:
    """Return how many rows and numbers of each a program holds: about 2,048 in all."""
    wide = tiles.power_of_two(channels)
    return {"ROWS": max(1, 2048 // wide), "COLS": wide, "num_warps": 4 if wide <= 2048 else 8}
