"""Shipped weights: block-quantised int8 in a safetensors file, float32 in memory.

A quantised tensor NAME comes with NAME.scale (float32) and NAME.zero (int8), both `[out, blocks]`: each row of NAME,
flattened, is cut into as many equal blocks, and a stored value q stands for (q - zero) scale.
"""

from __future__ import annotations

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from .. import weights
from ..weights import WeightsError


def read(role: str) -> dict[str, torch.Tensor]:
    """Return the weights of the network with this role (see models.json) as float32, on the CPU.

    Raises WeightsError when the file is missing or damaged.
    """
    try:
        stored = load(weights.read(role))
    except SafetensorError as error:
        raise WeightsError(f"The model {role} cannot be read ({error}); install the pack again.") from error
    found = {}
    for name, values in stored.items():
        if name.endswith((".scale", ".zero")):
            continue
        quantised = f"{name}.scale" in stored
        found[name] = dequantised(values, stored[f"{name}.scale"], stored[f"{name}.zero"]) if quantised else values
    return found


def dequantised(values: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor) -> torch.Tensor:
    """Return (values - zero) scale `[out, ...]` for int8 values `[out, ...]`, scale and zero `[out, blocks]`."""
    blocks = values.float().reshape(*scale.shape, -1)
    return ((blocks - zero.float()[..., None]) * scale[..., None]).reshape(values.shape)
