"""The gated linear unit of a transformer's feed-forward layer (GEGLU; Shazeer 2020, arXiv:2002.05202)."""

from __future__ import annotations

from typing import Any

import torch

from . import kernels as jit
from . import tiles

kernels: Any = jit  # Triton types what it compiles as the functions that were written
TILE = {"ROWS": 8, "COLS": 256}


def gated(x: torch.Tensor) -> torch.Tensor:
    """Return the first half `[..., I]` of `x` `[..., 2 * I]`, times gelu of the second."""
    return _Gated.apply(x)


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        x = x.contiguous()
        out = x.new_empty((*x.shape[:-1], x.shape[-1] // 2))
        kernels.gated[_grid(out)](x, out, out[..., 0].numel(), out.shape[-1], **TILE)
        ctx.save_for_backward(x)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        above, out = gradients[0].contiguous(), torch.empty_like(x)
        kernels.gated_back[_grid(above)](x, above, out, above[..., 0].numel(), above.shape[-1], **TILE)
        return out


def _grid(half: torch.Tensor) -> tuple[int, int]:
    return tiles.parts(half[..., 0].numel(), TILE["ROWS"]), tiles.parts(half.shape[-1], TILE["COLS"])
