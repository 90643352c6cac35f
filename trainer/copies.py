"""Copies of the host's networks for training: real tensors, and none of the handles by which the host manages its own.

ComfyUI keeps weights wherever there is room: quantised, on the CPU, in a file that is not read yet, or (since 0.16,
with dynamic VRAM) in memory of comfy-aimdo, whose handles it hangs on the layers. Such a handle frees its memory when
it is deleted, so a copied one frees it twice and takes the process down.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from ..portrait.errors import PortraitError
from .host import calculate_weight

_SCALES = {"scale_weight", "scale_input", "weight_scale", "input_scale"}
_CASTING = {"comfy_cast_weights", "weight_function", "bias_function"}
_PLAIN = (
    type(None),
    bool,
    int,
    float,
    str,
    torch.dtype,
    torch.device,
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
)


class ModelError(PortraitError):
    """This model cannot be trained here."""

    key = "model"


def weights(patcher: Any, part: nn.Module, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield names and tensors of a part of a patcher's model, sorted, with the values that the host computes with.

    Quantised weights are dequantised, and LoRAs that the patcher carries are baked in. `prefix` is what the host's
    names have before the part's own. Tensors may be the host's own and on any device. Raises ModelError for weights in
    a format of another pack (GGUF, NF4 ...).
    """
    found = {
        f"{name}.{leaf}" if name else leaf: (layer, leaf)
        for name, layer in part.named_modules()
        for leaf, held in (*layer._parameters.items(), *layer._buffers.items())
        if held is not None and leaf not in _SCALES
    }
    for name, (layer, leaf) in sorted(found.items()):
        key = prefix + name
        # What the host has patched in place is kept in its backup as it was.
        backup = patcher.backup.get(key)
        weight = _plain_weight(layer, leaf, getattr(layer, leaf) if backup is None else backup.weight)
        if patches := patcher.patches.get(key):
            weight = calculate_weight(patches, weight.float().clone(), key)
        yield name, weight


def copied(part: nn.Module, tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """Return a network like `part` that holds `tensors` and its layers' plain settings, and nothing of the host's.

    Hooks, replaced methods and objects are left behind.
    """
    made: dict[nn.Module, nn.Module] = {}
    for name, layer in part.named_modules():
        new = made[layer] = object.__new__(type(layer))
        nn.Module.__init__(new)
        new.training = layer.training
        for key, value in vars(layer).items():
            if key not in vars(new) and key not in _CASTING and _is_plain(value):
                setattr(new, key, copy.deepcopy(value))
        for leaf in layer._parameters:
            tensor = tensors.get(f"{name}.{leaf}" if name else leaf)
            new.register_parameter(leaf, None if tensor is None else nn.Parameter(tensor, requires_grad=False))
        for leaf in layer._buffers:
            new.register_buffer(leaf, tensors.get(f"{name}.{leaf}" if name else leaf))
    for layer, new in made.items():
        for name, child in layer._modules.items():
            new.add_module(name, None if child is None else made[child])
    return made[part]


def _plain_weight(layer: nn.Module, leaf: str, weight: torch.Tensor) -> torch.Tensor:
    if weight.is_meta:
        return torch.zeros(weight.shape, dtype=weight.dtype)  # as the host: the checkpoint's file does not have it
    convert = getattr(layer, "convert_weight", None) if leaf == "weight" else None
    real = weight if convert is None else convert(weight)
    if type(real).__name__ == "QuantizedTensor":
        real = real.dequantize()
    if type(real) not in (torch.Tensor, nn.Parameter) or (leaf == "weight" and not real.is_floating_point()):
        kind = str(real.dtype) if type(real) in (torch.Tensor, nn.Parameter) else type(real).__name__
        raise ModelError(
            f"A checkpoint with packed weights ({kind}) cannot be trained; load one in fp16, bf16 or fp32 with "
            "ComfyUI's own loader."
        )
    # With dynamic VRAM a weight is kept as the file has it, and rounded to this when it is used.
    used = getattr(layer, f"{leaf}_comfy_model_dtype", None)
    return real.detach().to(used) if used is not None and real is weight else real.detach()


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, (*value, *value.values())))
    return all(map(_is_plain, value)) if isinstance(value, (list, tuple, set)) else isinstance(value, _PLAIN)
