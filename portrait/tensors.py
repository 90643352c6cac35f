"""ComfyUI's pictures (torch, `[B, H, W, C]`, 0..1) and the arrays the detectors read (numpy, RGB, uint8)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from .originals import Original, Photo

# Set on an IMAGE: where its whole pixels are, and the sum of its bits. Every operation makes a tensor without it.
_ORIGINAL = "portrait_studio_original"
_MARKED_ROWS = 8  # every eighth row is summed; a change made in place that matters does not fall between them


def to_uint8(image: torch.Tensor) -> np.ndarray:
    """Return one picture `[H, W, C]`, 0..1, as RGB uint8 `[H, W, 3]`; one channel is repeated, alpha left out."""
    image = image[..., :3] if image.shape[-1] >= 3 else image[..., :1].expand(*image.shape[:-1], 3)
    scaled = image.detach().float().nan_to_num().mul_(255).add_(0.5).clamp_(0, 255)
    return np.ascontiguousarray(scaled.to(torch.uint8).cpu().numpy())


def to_image(pixels: np.ndarray) -> torch.Tensor:
    """Return one RGB uint8 picture `[H, W, 3]` as an IMAGE `[1, H, W, 3]`, 0..1."""
    return torch.from_numpy(np.array(pixels)).to(torch.float32).div_(255.0)[None]


def photo_image(photo: Photo) -> torch.Tensor:
    """Return a photo as an IMAGE `[1, h, w, 3]` that remembers its file, for as long as nothing changes it."""
    image = to_image(photo.pixels)
    if photo.original:
        setattr(image, _ORIGINAL, (photo.original, _mark(image)))
    return image


def original_of(image: torch.Tensor) -> Original | None:
    """Return the file that an IMAGE came from and has been reduced from, or None."""
    original, mark = getattr(image, _ORIGINAL, (None, 0))
    return original if original is not None and _mark(image) == mark else None


def singles(images: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Return the pictures of a list of batches, each `[1, H, W, C]`; a batch of one stays the tensor that it is."""
    return [one for image in images for one in ([image] if len(image) == 1 else image.split(1))]


def image_photos(images: Iterable[torch.Tensor]) -> list[Photo]:
    """Return the pictures of a list of batches as photos; their pixels are made when they are asked for."""
    return [Photo(_Pixels(image), original_of(image)) for image in singles(images)]


class _Pixels:
    """Makes the RGB uint8 pixels of an IMAGE `[1, H, W, C]`."""

    def __init__(self, image: torch.Tensor) -> None:
        self._image = image

    def __call__(self) -> np.ndarray:
        return to_uint8(self._image[0])


def _mark(image: torch.Tensor) -> int:
    return int(image[:, ::_MARKED_ROWS].contiguous().view(torch.int32).sum())
