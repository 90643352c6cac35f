"""Linear layers as ComfyUI 0.33 has them under dynamic VRAM, for hosts that have it not (or not without a card).

After comfy/ops.py of 0.33.0, `disable_weight_init.Linear` with `comfy.memory_management.aimdo_enabled`: nothing is
allocated, and a state dict's tensors are taken as they are, wherever they lie.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import comfy.ops
import torch
from torch import nn


class Linear(nn.Linear, comfy.ops.CastWeightBiasOp):
    """A layer without weights until it is given some."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None):
        nn.Module.__init__(self)
        self.in_features, self.out_features = in_features, out_features
        self.weight = self.bias = None  # pyright: ignore[reportAttributeAccessIssue] - as the host does
        self.comfy_need_lazy_init_bias = bias
        self.weight_comfy_model_dtype = self.bias_comfy_model_dtype = dtype

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ) -> None:
        assigned = local_metadata.get("assign_to_params_buffers", False)
        for key, value in state_dict.items():
            leaf = key[len(prefix) :]
            if leaf in ("weight", "bias"):
                given = nn.Parameter(value if assigned else value.clone(), requires_grad=False)
                setattr(self, leaf, given)
            else:
                unexpected_keys.append(key)
        if self.weight is None:
            self.weight = nn.Parameter(torch.zeros(self.in_features, self.out_features), requires_grad=False)
            missing_keys.append(prefix + "weight")
        if self.bias is None and self.comfy_need_lazy_init_bias:
            self.bias = nn.Parameter(torch.zeros(self.out_features), requires_grad=False)
            missing_keys.append(prefix + "bias")


@contextlib.contextmanager
def instead_of(operations: type) -> Iterator[None]:
    """Let the host build its networks of such layers meanwhile."""
    own = operations.Linear
    operations.Linear = Linear
    try:
        yield
    finally:
        operations.Linear = own
