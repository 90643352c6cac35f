"""ComfyUI's pictures (torch, `[B, H, W, C]`, 0..1) and the arrays the detectors read (numpy, RGB, uint8)."""

from __future__ import annotations

import numpy as np
import torch


def to_uint8(image: torch.Tensor) -> np.ndarray:
    """Return one picture `[H, W, C]`, 0..1, as RGB uint8 `[H, W, 3]`; one channel is repeated, alpha left out."""
    image = image[..., :3] if image.shape[-1] >= 3 else image[..., :1].expand(*image.shape[:-1], 3)
    scaled = image.detach().float().nan_to_num().mul_(255).add_(0.5).clamp_(0, 255)
    return np.ascontiguousarray(scaled.to(torch.uint8).cpu().numpy())


def to_image(pixels: np.ndarray) -> torch.Tensor:
    """Return one RGB uint8 picture `[H, W, 3]` as an IMAGE `[1, H, W, 3]`, 0..1."""
    return torch.from_numpy(np.array(pixels)).to(torch.float32).div_(255.0)[None]
