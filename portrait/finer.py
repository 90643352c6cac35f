"""Crops of a reduced photo, cut from the whole one where that shows more."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from .closeups import within
from .crops import FaceCrops, Region, cut
from .decoding import Patch
from .originals import Original
from .tensors import to_image


def cut_finer(image: torch.Tensor, original: Original | None, plan: FaceCrops, size: int, padding: str) -> torch.Tensor:
    """Return the crops `[N, size, size, C]` of one picture `[1, H, W, C]` like crops.cut.

    A crop that would have to be enlarged comes from the picture's file instead, if it has one. The plan stays in pixels
    of the picture, so the crops are pasted back into it as ever. Raises as crops.cut does, and PhotoError.
    """
    squares = cut(image, plan, size, padding)
    coarse = [index for index, region in enumerate(plan.regions) if region.side < size] if original else []
    if original is None or not coarse:
        return squares
    scale = original.size[0] / plan.width
    boxes = [_box(plan.regions[index], scale) for index in coarse]
    for index, patch in zip(coarse, original.regions(boxes, size), strict=True):
        pixels = to_image(patch.pixels).to(image)
        region = _seen(plan.regions[index], scale, patch)
        squares[index] = cut(pixels, FaceCrops(pixels.shape[1], pixels.shape[2], (region,)), size, padding)[0]
    return squares


def _box(region: Region, scale: float) -> tuple[int, int, int, int]:
    """Return what the region covers of the whole photo, however it is turned."""
    reach = region.side * scale / 2 * (math.sqrt(2) if region.angle else 1) + 4
    x, y = (value * scale for value in region.centre)
    return math.floor(x - reach), math.floor(y - reach), math.ceil(x + reach), math.ceil(y + reach)


def _seen(region: Region, scale: float, patch: Patch) -> Region:
    """Return a region of the reduced photo in pixels of the patch."""
    centre = (region.centre[0] * scale - patch.left) / patch.scale, (region.centre[1] * scale - patch.top) / patch.scale
    face = within(region.face, Patch(patch.pixels, patch.left / scale, patch.top / scale, patch.scale / scale))
    return replace(region, frame=0, centre=centre, side=region.side * scale / patch.scale, face=face)
