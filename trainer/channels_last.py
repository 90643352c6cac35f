"""A network that keeps its pictures in channels-last order, the one in which cards convolve.

torch's group normalisation (Wu and He 2018, arXiv:1803.08494) turns them round on a card and the next convolution
turns them back, as does every `.contiguous()` on the way: a fifth of a training step went there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def keep(network: nn.Module) -> None:
    """Change a frozen network's layers so that pictures `[B, C, H, W]` and their gradients stay channels-last."""
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]: torch's stubs lack it
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_pre_hook(_channels_last)
        elif isinstance(layer, nn.GroupNorm) and layer.weight.device.type == "cuda":  # torch's own does it on a CPU
            layer.forward = _forward_of(layer)


def group_norm(x: torch.Tensor, groups: int, weight: torch.Tensor, bias: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Return `x` `[B, C, H, W]` normalised over every group of channels, in channels-last order.

    The gradient is that of `x` alone: `weight` and `bias` `[C]` are taken as constants. The variance comes of sums of
    squares in float32, which is exact enough while a mean is not hundreds of times its deviation.
    """
    return _GroupNorm.apply(x, groups, weight, bias, epsilon)


def _channels_last(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (inputs[0].contiguous(memory_format=torch.channels_last), *inputs[1:])


def _forward_of(layer: nn.GroupNorm) -> Any:
    plain = layer.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        if x.ndim != 4:
            return plain(x)
        return group_norm(x, layer.num_groups, layer.weight, layer.bias, layer.eps)

    return forward


def rows_of(x: torch.Tensor) -> torch.Tensor:
    """Return `[B, C, H, W]` as `[B, H * W, C]`, copied only when it is not in channels-last order."""
    return x.permute(0, 2, 3, 1).contiguous().flatten(1, 2)


def _mixed(x: torch.Tensor, factor: torch.Tensor, term: torch.Tensor) -> torch.Tensor:
    """Return `x * factor + term` in the precision of `x`, computed in that of `factor`."""
    return torch.addcmul(term, x, factor, out=torch.empty_like(x))


class _GroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, groups: int, weight: torch.Tensor, bias: torch.Tensor, epsilon: float
    ) -> torch.Tensor:
        rows = rows_of(x)
        fine = torch.promote_types(x.dtype, torch.float32)
        batch, count, channels = rows.shape
        by_group = (batch, groups, channels // groups)
        mean = rows.mean(1, dtype=fine).view(by_group).mean(2)
        square = torch.linalg.vector_norm(rows, dim=1, dtype=fine).square() / count
        inverse = (square.view(by_group).mean(2) - mean.square()).clamp(min=0).add(epsilon).rsqrt()
        gain = weight.to(fine).view(1, groups, -1)
        factor = (gain * inverse[..., None]).view(batch, 1, channels)
        term = (bias.to(fine).view(1, groups, -1) - mean[..., None] * gain * inverse[..., None]).view(factor.shape)
        ctx.save_for_backward(rows, mean, inverse, factor)
        return _mixed(rows, factor, term).view(batch, *x.shape[2:], channels).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        rows, mean, inverse, factor = ctx.saved_tensors
        above = rows_of(gradients[0])
        batch, count, channels = rows.shape
        by_group = (batch, mean.shape[1], -1)
        # factor is gain * inverse, so these are the group's means of the gradient, and of it times the input.
        plain = (above.sum(1, dtype=mean.dtype, keepdim=True) * factor).view(by_group).sum(2)
        along = ((above * rows).sum(1, dtype=mean.dtype, keepdim=True) * factor).view(by_group).sum(2)
        size = count * channels // mean.shape[1]
        slope = -(inverse.square()) * (along - mean * plain) / size
        offset = -plain / size - slope * mean
        wide = (batch, mean.shape[1], channels // mean.shape[1])
        slope, offset = (part[..., None].expand(wide).reshape(batch, 1, channels) for part in (slope, offset))
        below = _mixed(rows, slope, offset)
        below = torch.addcmul(below, above, factor, out=below)
        return below.view(batch, *gradients[0].shape[2:], channels).permute(0, 3, 1, 2), None, None, None, None
