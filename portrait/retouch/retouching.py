"""Faces retouched: blemishes healed from the skin around them, blotches evened out, everything finer kept.

Frequency separation, in optical density: what is finer than pores are wide is never touched, what is as large as a
blemish is replaced by the skin around it, and what is larger is the shape of the face and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from .. import crops
from ..errors import PortraitError
from ..face import Face
from ..face_parts import eye_distance
from ..sampling import window
from . import blemishes, pigments
from .blur import blurred, blurred_within
from .skin import skin_mask

RATIO = 1.5  # of the crop to the face: the whole ellipse, with room for a blur at its border
# Lengths are in distances between the eyes.
PORES = 0.02  # sigma below which everything stays
BLOTCH = 0.22  # sigma above which everything stays
# How much of a blotch goes at evenness 1, in shading, blood and melanin: shading is the shape of the face.
EVENED = (0.25, 0.7, 0.5)
LEAST_KEPT = 0.95
"""The cosine between a face before and after below which a retouch has done too much to it."""
# From this deviation in density on a blotch is a feature of the face and stays: moles, freckles, creases, scars.
FEATURE = (0.10, 0.25, 0.12)


class RetouchError(PortraitError):
    """A picture cannot be retouched as asked."""


@dataclass(frozen=True)
class FaceRetouch:
    """What was done to one face: the picture's number in the batch, the face, and how many blemishes went."""

    frame: int
    face: Face
    blemishes: int


@dataclass(frozen=True, eq=False)
class Retouched:
    """Pictures `[B, H, W, C]` after a retouch, the skin that was worked on `[B, H, W]`, 0..1, and the faces."""

    images: torch.Tensor
    skin: torch.Tensor
    faces: list[FaceRetouch] = field(default_factory=list)


def retouch(
    images: torch.Tensor, faces: Sequence[Sequence[Face]], strength: float = 1.0, evenness: float = 0.5
) -> Retouched:
    """Return pictures `[B, H, W, C]`, sRGB, 0..1, with the skin of their faces retouched.

    `faces` has the faces of each picture. `strength` 0..1 is how much of a blemish goes, and scales all that is done;
    `evenness` 0..1 is how much of what is blotchy is evened out besides. At strength 0 the very same tensor comes back.
    Outside the skin every pixel keeps its bits, as does every channel behind the third.

    Raises RetouchError for a strength or evenness outside 0..1, or another number of pictures than of lists of faces.
    """
    for name, value in (("strength", strength), ("evenness", evenness)):
        if not 0 <= value <= 1:
            raise RetouchError(f"The {name} of a retouch is {value}; it must be from 0 to 1.")
    if len(faces) != len(images):
        raise RetouchError(f"{len(images)} pictures came with the faces of {len(faces)}; give the faces of each.")
    skin = torch.zeros(images.shape[:3], device=images.device)
    if strength == 0 or images.shape[-1] < 3:
        return Retouched(images, skin, [FaceRetouch(i, face, 0) for i, own in enumerate(faces) for face in own])
    result, done = images.clone(), []
    height, width = images.shape[1:3]
    plan = crops.plan(faces, height, width, RATIO, level=False)
    for region in plan.regions:
        side = round(region.side)
        left, top = round(region.centre[0] - side / 2), round(region.centre[1] - side / 2)
        rows, columns = _shared(top, side, height), _shared(left, side, width)
        frame = result[region.frame, ..., :3]
        patch = window(frame, left, top, side, "edge").float().nan_to_num().clamp(0, 1)
        healed, mask, count = _retouched(patch, region, strength, evenness)
        # The same pixels in the crop, which may reach beyond the picture.
        inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
        under, worn = frame[rows, columns], skin[region.frame, rows, columns]
        under[:] = torch.where(mask[inside][..., None] > 0, healed[inside].to(under.dtype), under)
        worn[:] = torch.maximum(worn, mask[inside])
        done.append(FaceRetouch(region.frame, region.face, count))
    return Retouched(result, skin, done)


def _shared(start: int, length: int, limit: int) -> slice:
    """Return the part of a line of `limit` pixels that a crop from `start` on covers; it may be empty."""
    first = min(max(0, start), limit)
    return slice(first, min(max(first, start + length), limit))


def _retouched(
    patch: torch.Tensor, region: crops.Region, strength: float, evenness: float
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return the retouched crop `[S, S, 3]`, its skin `[S, S]` and the number of blemishes that went."""
    optical = pigments.density(patch)
    parts = pigments.separated(optical).permute(2, 0, 1)
    eyes = eye_distance(region.face)
    skin = skin_mask(parts, region)
    found, spots = blemishes.find(parts, skin, eyes)
    healed = _healed(parts, skin, spots, eyes) if found else parts
    even = healed - _blotches(healed, skin, eyes) * evenness if evenness else healed
    moved = torch.lerp(parts, even, skin * strength)
    change = pigments.combined((moved - parts).permute(1, 2, 0))
    worked = torch.where(change == 0, patch, pigments.encoded(optical + change).clamp(0, 1))
    return worked, skin, len(found)


def _healed(parts: torch.Tensor, skin: torch.Tensor, spots: torch.Tensor, eyes: float) -> torch.Tensor:
    """Return the parts with the skin around in place of what is coarser than pores, where there are spots."""
    around = blurred_within(parts, skin * (1 - spots), blemishes.AROUND * eyes / 2)
    coarse = blurred_within(parts, skin, max(0.5, PORES * eyes))
    healed = around + (parts - coarse)
    # The sharp rim of a spot is finer than pores are; it is as red as the spot, and pores are not red.
    healed[1] = around[1]
    return torch.lerp(parts, healed, spots)


def _blotches(parts: torch.Tensor, skin: torch.Tensor, eyes: float) -> torch.Tensor:
    """Return what is blotchy: the band between pores and the shape of the face, as far as it is faint."""
    band = blurred_within(parts, skin, 2 * PORES * eyes) - blurred_within(parts, skin, BLOTCH * eyes)
    limits = parts.new_tensor(FEATURE)[:, None, None]
    faint = torch.exp(-((band / limits) ** 2))
    return band * blurred(faint, PORES * eyes) * parts.new_tensor(EVENED)[:, None, None]
