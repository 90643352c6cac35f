"""Pictures scaled and turned, in torch: on the device that they are on, and differentiable.

Pictures are arrays or tensors `[H, W, C]`, uint8 or floating point in any range; coordinates are pixels from the outer
corner.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from .alignment import TEMPLATE, TEMPLATE_SIDE, inverse, similarity, transformed
from .scaling import averaged, shares

Picture = np.ndarray | torch.Tensor

SHRINKS = 0.75  # below this scale a picture is averaged first, so that no pixel is skipped


def aligned(picture: Picture, landmarks: np.ndarray, side: int = TEMPLATE_SIDE) -> torch.Tensor:
    """Return a face `[C, side, side]`, its five landmarks `[5, 2]` laid on the template; see identity.align."""
    return warp(picture, similarity(landmarks, TEMPLATE * (side / TEMPLATE_SIDE)), side)


def warp(picture: Picture, matrix: np.ndarray, side: int) -> torch.Tensor:
    """Return the picture moved by a 2x3 matrix, float32 `[C, side, side]`; beyond its border the border goes on.

    Bilinear. Differentiable in the pixels.
    """
    corners = transformed(np.array([(0, 0), (side, 0), (0, side), (side, side)]), inverse(matrix))
    high, wide = picture.shape[:2]
    left, top = np.clip(np.floor(corners.min(0)).astype(int) - 2, 0, (wide - 1, high - 1)).tolist()
    right, bottom = np.clip(np.ceil(corners.max(0)).astype(int) + 2, (left + 1, top + 1), (wide, high)).tolist()
    part = picture[top:bottom, left:right]
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < SHRINKS:
        part = shrunk(part, max(1, round(part.shape[0] * scale)), max(1, round(part.shape[1] * scale)))
    else:
        part = _channels(part)
    high, wide = part.shape[1:]
    # From the square back to the part, in the -1..1 that grid_sample counts in.
    back = inverse(matrix)
    back[:, 2] -= (left, top)
    back /= np.array([[(right - left) / 2], [(bottom - top) / 2]])
    back[:, 2] -= 1
    at = torch.arange(side, device=part.device, dtype=torch.float32) + 0.5
    x = (at * back[0, 0])[None] + (at * back[0, 1] + back[0, 2])[:, None]
    y = (at * back[1, 0])[None] + (at * back[1, 1] + back[1, 2])[:, None]
    grid = torch.stack((x, y), -1)[None]
    return F.grid_sample(part[None], grid, mode="bilinear", padding_mode="border", align_corners=False)[0]


def scaled(picture: Picture, height: int, width: int) -> torch.Tensor:
    """Return a picture at another size, float32 `[C, height, width]`: averaged when it shrinks, else bilinear."""
    if height < picture.shape[0] or width < picture.shape[1]:
        return shrunk(picture, height, width)
    channels = _channels(picture)
    if channels.shape[1:] == (height, width):
        return channels
    return F.interpolate(channels[None], (height, width), mode="bilinear", align_corners=False)[0]


def shrunk(picture: Picture, height: int, width: int) -> torch.Tensor:
    """Return a picture made smaller as scaling.averaged does it, float32 `[C, height, width]`."""
    if isinstance(picture, torch.Tensor):
        if picture.device.type != "cpu" or (picture.requires_grad and torch.is_grad_enabled()):
            return _shrunk_last(_shrunk_last(picture.permute(2, 1, 0), height).transpose(1, 2), width)
        picture = picture.detach().numpy()
    return torch.from_numpy(averaged(picture, height, width)).permute(2, 0, 1)


def _shrunk_last(picture: torch.Tensor, to: int) -> torch.Tensor:
    first, share = shares(picture.shape[-1], to)
    places = torch.from_numpy(first).to(picture.device)
    weights = torch.from_numpy(share).to(picture.device)
    total = picture[..., places].float() * weights[:, 0]
    for i in range(1, weights.shape[1]):
        total = total + picture[..., places + i].float() * weights[:, i]
    return total


def _channels(picture: Picture) -> torch.Tensor:
    tensor = picture if isinstance(picture, torch.Tensor) else torch.from_numpy(picture.copy())
    return tensor.permute(2, 0, 1).float()
