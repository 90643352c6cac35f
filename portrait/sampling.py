"""Pixels of a picture `[H, W, C]` read at whole places, at another size, or between places."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf

PADDINGS = ("reflect", "edge", "black")


def window(image: torch.Tensor, left: int, top: int, side: int, padding: str) -> torch.Tensor:
    """Return the square `[side, side, C]` whose corner is (left, top).

    It may lie anywhere, also wholly outside the picture; `padding` (one of PADDINGS) says what is seen there.
    """
    if 0 <= left <= image.shape[1] - side and 0 <= top <= image.shape[0] - side:
        return image[top : top + side, left : left + side]
    rows, rows_in = _indices(top, side, image.shape[0], padding, image.device)
    columns, columns_in = _indices(left, side, image.shape[1], padding, image.device)
    square = image[rows][:, columns]
    if padding == "black":
        square = square * (rows_in[:, None] & columns_in[None, :])[..., None]
    return square


def resize(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the picture at another size, bicubic, smoothed when it shrinks."""
    if tuple(image.shape[:2]) == (height, width):
        return image
    channels = image.permute(2, 0, 1)[None]
    resized = nnf.interpolate(channels, (height, width), mode="bicubic", antialias=True, align_corners=False)
    return resized[0].permute(1, 2, 0)


def sample(image: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the picture `[H, W, C]` at points in -1..1 (its outer edges), bicubic."""
    grid = torch.stack((x, y), -1)[None].to(image.dtype)
    channels = image.permute(2, 0, 1)[None]
    sampled = nnf.grid_sample(channels, grid, mode="bicubic", padding_mode="border", align_corners=False)
    return sampled[0].permute(1, 2, 0)


def _indices(
    start: int, count: int, limit: int, padding: str, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    wanted = torch.arange(start, start + count, device=device)
    within = (wanted >= 0) & (wanted < limit)
    if padding == "reflect" and limit > 1:
        period = 2 * (limit - 1)
        wanted = wanted.remainder(period)
        wanted = torch.where(wanted >= limit, period - wanted, wanted)
    return wanted.clamp(0, limit - 1), within
