"""The kernels put in the place of a frozen UNet's own layers."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from .. import host
from ..attention import attention
from . import gate, merged, norms


def quicken(unet: nn.Module) -> None:
    """Change the layers of a frozen UNet on a card so that they answer the same by fewer passes over memory."""
    for layer in unet.modules():
        if isinstance(layer, nn.GroupNorm):
            _replace(layer, _normed(layer))
        elif isinstance(layer, host.GEGLU):
            layer.forward = _geglu(layer)
        elif isinstance(layer, host.BasicTransformerBlock) and _is_of_sd(layer):
            layer.forward = _transformer_block(layer)
        elif type(layer) is host.SpatialTransformer:
            layer.forward = _transformer(layer)
        elif type(layer) is host.ResBlock and not (layer.updown or layer.use_scale_shift_norm or layer.skip_t_emb):
            layer.forward = _residual(layer)
        elif isinstance(layer, host.CrossAttention):
            layer.forward = _attention(layer)
    for layer in unet.modules():  # after the normalisations themselves
        if isinstance(layer, nn.Sequential):
            _activate_within(layer)


def _replace(layer: Any, forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
    layer.forward = forward


def _is_of_sd(block: Any) -> bool:
    """Return whether a transformer block is one of SD's: attention to itself, to the words, feed forward."""
    return block.attn2 is not None and not (block.ff_in or block.disable_self_attn or block.switch_temporal_ca_to_sa)


def _norm(layer: Any, x: torch.Tensor, silu: bool, plus: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
    return norms.group_norm(x, layer.num_groups, layer.weight, layer.bias, layer.eps, silu, plus)


def _normed(layer: nn.GroupNorm) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: _norm(layer, x, silu=False)[1]


def _activate_within(layers: nn.Sequential) -> None:
    """Give every group normalisation that silu follows the activation too."""
    for first, second in itertools.pairwise(layers):
        if isinstance(first, nn.GroupNorm) and isinstance(second, nn.SiLU):
            _replace(first, functools.partial(_silu_of_norm, first))
            _replace(second, _itself)


def _silu_of_norm(layer: nn.GroupNorm, x: torch.Tensor) -> torch.Tensor:
    return _norm(layer, x, silu=True)[1]


def _itself(x: torch.Tensor) -> torch.Tensor:
    return x


def _residual(block: Any) -> Callable[..., torch.Tensor]:
    first, last = block.in_layers, block.out_layers

    def forward(x: torch.Tensor, emb: torch.Tensor) -> torch.Tensor:
        x, h = _norm(first[0], x, silu=True)
        h = first[2](h)
        time = block.emb_layers(emb).to(h.dtype)
        if time.requires_grad:
            h, time = h + time[..., None, None], None
        h = last[3](_norm(last[0], h, silu=True, plus=time)[1])
        return block.skip_connection(x) + h

    return forward


def _transformer(block: Any) -> Callable[..., torch.Tensor]:
    """Return the forward of a SpatialTransformer, whose pictures stay channels-last from end to end."""

    def forward(x: torch.Tensor, context: Any = None, transformer_options: Any = None) -> torch.Tensor:
        contexts = context if isinstance(context, list) else [context] * len(block.transformer_blocks)
        batch, _, high, wide = x.shape
        x, h = _norm(block.norm, x, silu=False)
        if not block.use_linear:
            h = block.proj_in(h)
        h = h.permute(0, 2, 3, 1).reshape(batch, high * wide, -1)
        if block.use_linear:
            h = block.proj_in(h)
        for inner, words in zip(block.transformer_blocks, contexts, strict=True):
            h = inner(h, context=words, transformer_options=transformer_options)
        if block.use_linear:
            h = block.proj_out(h)
        h = h.view(batch, high, wide, -1).permute(0, 3, 1, 2)
        return (h if block.use_linear else block.proj_out(h)) + x

    return forward


def _geglu(layer: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: gate.gated(layer.proj(x))


def _attention(layer: Any) -> Callable[..., torch.Tensor]:
    """Return the forward of an attention, which to itself reads its input once for queries, keys and values."""
    inputs = (layer.to_q, layer.to_k, layer.to_v)

    def forward(x: torch.Tensor, context: Any = None, value: Any = None, mask: Any = None, **_: Any) -> torch.Tensor:
        assert value is None, "a frozen UNet has no patches"
        assert mask is None, "nor masks"
        adapters: list[Any] = [getattr(one, "adapter", None) for one in inputs]
        if context is None and all(one is not None and one.merges(x.dtype) for one in adapters):
            together = merged.linears(x.reshape(-1, x.shape[-1]), [one.as_linear() for one in adapters])
            q, k, v = (part.view(*x.shape[:-1], -1) for part in together)
        else:
            words = x if context is None else context
            q, k, v = layer.to_q(x), layer.to_k(words), layer.to_v(words)
        return layer.to_out(attention(q, k, v, layer.heads))

    return forward


def _transformer_block(block: Any) -> Callable[..., torch.Tensor]:
    def normed(layer: nn.LayerNorm, x: torch.Tensor, added: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        return norms.add_norm(x, added, layer.weight, layer.bias, layer.eps)

    def forward(x: torch.Tensor, context: Any = None, transformer_options: Any = None) -> torch.Tensor:
        options = {"transformer_options": transformer_options or {}}
        x, n = normed(block.norm1, x, None)
        x, n = normed(block.norm2, x, block.attn1(n, **options))
        x, n = normed(block.norm3, x, block.attn2(n, context=context, **options))
        return x + block.ff(n)

    return forward
