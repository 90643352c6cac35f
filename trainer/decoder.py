"""The host's VAE made differentiable: a copy of its decoder, as weights made in inference mode carry no gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .copies import copied, weights


def copied_from(vae: Any, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what turns a VAE's latents `[B, C, h, w]` into pictures `[B, 3, H, W]` (RGB, about 0..1), with gradients.

    It computes in float32, as the pictures' last bits are what a reward pulls at.
    """
    with torch.inference_mode(False), torch.no_grad():
        own = weights(vae.patcher, vae.first_stage_model)
        used = ((name, tensor) for name, tensor in own if not name.startswith(("encoder.", "quant_conv.")))
        tensors = {name: tensor.to(device, torch.float32, copy=True) for name, tensor in used}
        network: Any = copied(vae.first_stage_model, tensors).requires_grad_(False).eval()
    return lambda latents: network.decode(latents) / 2 + 0.5
