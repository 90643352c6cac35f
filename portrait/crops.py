"""Square crops around faces, and their way back into the picture.

Images are torch tensors `[B, H, W, C]`, 0..1, on any device; every step runs on the device of the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from .colour_match import match_colour
from .errors import PortraitError
from .faces import Face
from .sampling import PADDINGS, resize, sample, window

# The soft face region: an ellipse a little larger than the detector's box, full up to 90% of its radius, gone at 115%.
MASK_GROWTH = 1.15
MASK_INNER, MASK_OUTER = 0.9, 1.15
BACK_PROJECTIONS = 2
Coordinate = TypeVar("Coordinate", float, np.ndarray)
LEAST_OPACITY = 0.5 / 255  # below it nothing of a crop is seen, but a change of size leaves such values beside a mask


class CropError(PortraitError):
    """Crops cannot be cut or cannot be pasted back."""

    key = "crop"


@dataclass(frozen=True)
class Region:
    """One crop: a square in a picture, its centre and side in pixels, its angle in degrees (clockwise), its face.

    Without an angle the corners lie on whole pixels, so nothing is interpolated but by the change of size.
    """

    frame: int
    centre: tuple[float, float]
    side: float
    angle: float
    face: Face

    def to_crop(self, x: Coordinate, y: Coordinate, size: int) -> tuple[Coordinate, Coordinate]:
        """Return where a point of the picture (or an array of them) is in the crop of `size` x `size` px."""
        angle = math.radians(self.angle)
        dx, dy = x - self.centre[0], y - self.centre[1]
        scale = size / self.side
        return (
            (dx * math.cos(angle) + dy * math.sin(angle)) * scale + size / 2,
            (-dx * math.sin(angle) + dy * math.cos(angle)) * scale + size / 2,
        )


@dataclass(frozen=True)
class FaceCrops:
    """What paste() needs: the size of the pictures the crops were cut from, and one region per crop, in their order."""

    height: int
    width: int
    regions: tuple[Region, ...]

    def __len__(self) -> int:
        return len(self.regions)


def plan(faces: Sequence[Sequence[Face]], height: int, width: int, ratio: float, level: bool) -> FaceCrops:
    """Return the regions of the faces of each picture of a batch.

    `ratio` is the side of the crop over the longer side of the face box; `level` turns each crop so that the eyes lie
    level.

    Raises CropError when `ratio` is not positive.
    """
    if not ratio > 0:
        raise CropError(f"The crop ratio is {ratio}; it must be above 0 (2.2 shows the whole head).")
    regions = []
    for frame, found in enumerate(faces):
        for face in found:
            side = face.side * ratio
            centre, angle = face.centre, face.roll if level else 0.0
            if not level:
                side = float(max(8, round(side)))
                centre = _snapped(centre[0], side), _snapped(centre[1], side)
            regions.append(Region(frame, centre, max(8.0, side), angle, face))
    return FaceCrops(height, width, tuple(regions))


def _snapped(centre: float, side: float) -> float:
    """Return the nearest middle of a side that begins on a whole pixel."""
    return round(centre - side / 2) + side / 2


def cut(images: torch.Tensor, crops: FaceCrops, size: int, padding: str = "reflect") -> torch.Tensor:
    """Return the crops `[N, size, size, C]`; what is outside the picture is filled as `padding` says.

    Raises CropError for an unknown padding or images of another size than the plan's.
    """
    if padding not in PADDINGS:
        raise CropError(f"Unknown padding {padding!r}; choose one of {', '.join(PADDINGS)}.")
    _check_size(images, crops)
    squares = images.new_empty((len(crops), size, size, images.shape[-1]))
    for square, region in zip(squares, crops.regions, strict=True):
        square.copy_(_cut_one(images[region.frame], region, size, padding))
    return squares


def face_masks(crops: FaceCrops, size: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return the soft face regions `[N, size, size]`, 0..1: an ellipse a little larger than the face box."""
    axis = torch.arange(size, device=device, dtype=torch.float32) + 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    masks = [smooth_step(MASK_OUTER, MASK_INNER, radius(region, size, x, y)) for region in crops.regions]
    return torch.stack(masks) if masks else torch.zeros((0, size, size), device=device)


def radius(region: Region, size: int, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return how far points of the crop of `size` px are from the middle of the face: 1 on the border of its ellipse.

    The ellipse is the detector's box grown by MASK_GROWTH. YuNet's box stands upright in the picture; the face in it
    leans by its roll.
    """
    centre_x, centre_y = region.to_crop(*region.face.centre, size)
    half = [extent * MASK_GROWTH / 2 * size / region.side for extent in region.face.box[2:]]
    lean = math.radians(region.face.roll - region.angle)
    dx, dy = x - centre_x, y - centre_y
    u = (dx * math.cos(lean) + dy * math.sin(lean)) / half[0]
    v = (-dx * math.sin(lean) + dy * math.cos(lean)) / half[1]
    return torch.sqrt(u * u + v * v)


def smooth_step(zero: float, one: float, values: torch.Tensor) -> torch.Tensor:
    """Return a smooth ramp of the values: 0 at `zero` and before it, 1 at `one` and beyond it."""
    ramp = ((values - zero) / (one - zero)).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def letterbox(image: torch.Tensor, size: int) -> torch.Tensor:
    """Return the whole picture `[H, W, C]` inside a black square `[size, size, C]`, its proportions kept."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    high, wide = max(1, round(height * scale)), max(1, round(width * scale))
    square = image.new_zeros((size, size, image.shape[2]))
    top, left = (size - high) // 2, (size - wide) // 2
    square[top : top + high, left : left + wide] = resize(image, high, wide)
    return square


def paste(
    images: torch.Tensor,
    patches: torch.Tensor,
    crops: FaceCrops,
    feather: float = 0.1,
    colour_match: float = 0.0,
    only: torch.Tensor | None = None,
    keep_colour: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the pictures `[B, H, W, C]` with the crops `[N, S, S, C]` back in their places.

    `feather` is the width of the soft border as a fraction of the crop's side (0 to 0.5); `colour_match` 0..1 pulls the
    colours of a crop towards those of the picture beneath it. `S` may differ from the size the crops were cut at. Where
    crops overlap, each counts most near its own face. Pixels outside every crop keep their bits.

    `only` `[N, s, s]`, 0..1, is how much of a crop is seen at each point: where it is 0, the picture keeps its bits.
    `keep_colour` `[N, s, s]` is where the crop keeps its own colours whatever `colour_match` says, such as the lips.

    Raises CropError when the number of crops or masks or the size of the pictures is not the plan's.
    """
    _check_size(images, crops)
    if len(patches) != len(crops) and len(crops):
        raise CropError(
            f"{len(patches)} crops cannot be pasted into {len(crops)} places; connect the crops of this info."
        )
    for masks in (only, keep_colour):
        if masks is not None and len(masks) != len(crops) and len(crops):
            raise CropError(f"{len(masks)} masks do not fit {len(crops)} crops; connect the masks of this info.")
    result = images.clone()
    for frame in sorted({region.frame for region in crops.regions}):
        chosen = [index for index, region in enumerate(crops.regions) if region.frame == frame]
        pieces = [
            _place_one(
                images[frame],
                patches[index].to(images),
                crops.regions[index],
                feather,
                colour_match,
                *(None if masks is None else masks[index].to(images)[..., None] for masks in (only, keep_colour)),
            )
            for index in chosen
        ]
        result[frame] = _blend(images[frame], pieces)
    return result


@dataclass(frozen=True)
class _Piece:
    """A crop laid over its picture: rows and columns it covers, colours, opacity and nearness to its own face."""

    rows: slice
    columns: slice
    colours: torch.Tensor
    opacity: torch.Tensor
    nearness: torch.Tensor


def _blend(image: torch.Tensor, pieces: Sequence[_Piece]) -> torch.Tensor:
    if len(pieces) == 1:
        piece = pieces[0]
        result = image.clone()
        under = result[piece.rows, piece.columns]
        result[piece.rows, piece.columns] = torch.lerp(under, piece.colours, piece.opacity[..., None])
        return result
    colours = torch.zeros_like(image)
    weights = image.new_zeros(image.shape[:2])
    opacity = image.new_zeros(image.shape[:2])
    for piece in pieces:
        weight = piece.opacity * piece.nearness
        colours[piece.rows, piece.columns] += piece.colours * weight[..., None]
        weights[piece.rows, piece.columns] += weight
        under = opacity[piece.rows, piece.columns]
        opacity[piece.rows, piece.columns] = torch.maximum(under, piece.opacity)
    mixed = colours / weights.clamp_min(1e-12)[..., None]
    # A weight can underflow to 0 at the very rim of a feather, where there is nothing to show.
    opacity = torch.where(weights > 1e-12, opacity, 0.0)
    return torch.lerp(image, mixed, opacity[..., None])


def _check_size(images: torch.Tensor, crops: FaceCrops) -> None:
    if crops.regions and tuple(images.shape[1:3]) != (crops.height, crops.width):
        raise CropError(
            f"The picture is {images.shape[2]} x {images.shape[1]} px, but the crops were cut from one of "
            f"{crops.width} x {crops.height} px; paste into the picture they came from."
        )
    last = max((region.frame for region in crops.regions), default=0)
    if crops.regions and last >= images.shape[0]:
        raise CropError(
            f"The crops come from {last + 1} pictures, but only {images.shape[0]} arrived; connect the same batch."
        )


def _cut_one(image: torch.Tensor, region: Region, size: int, padding: str) -> torch.Tensor:
    box = _Box.around(region)
    return _turned(window(image, box.left, box.top, box.side, padding), box, region, size).clamp(0, 1)


def _place_one(
    image: torch.Tensor,
    patch: torch.Tensor,
    region: Region,
    feather: float,
    colour_match: float,
    only: torch.Tensor | None,
    keep_colour: torch.Tensor | None,
) -> _Piece:
    """Return the crop at its place in the picture; the masks are `[s, s, 1]`."""
    if colour_match > 0:
        mask = face_masks(FaceCrops(0, 0, (region,)), patch.shape[0], image.device)[0]
        beneath = _cut_one(image, region, patch.shape[0], "edge")
        matched = match_colour(patch, beneath, mask.to(image), colour_match)
        if keep_colour is not None:
            kept = resize(keep_colour, patch.shape[0], patch.shape[0]).clamp(0, 1)
            matched = torch.lerp(matched, patch, kept)
        patch = matched
    box = _Box.around(region)
    dx, dy, u, v = _offsets(box, region, image.device)
    colours = _laid(patch, box, region, u, v)
    # Back-projection (Irani and Peleg, "Improving resolution by image registration", 1991): what the change of size
    # lost is brought back, so that an untouched crop gives back the picture.
    for _ in range(BACK_PROJECTIONS):
        colours = colours + _laid(patch - _turned(colours, box, region, patch.shape[0]), box, region, u, v)
    inset = 0.5 - torch.maximum(u.abs(), v.abs())
    if feather > 0:
        ramp = (inset / min(feather, 0.5)).clamp(0, 1)
        opacity = ramp * ramp * (3 - 2 * ramp)
    else:
        opacity = (inset >= 0).float()
    if only is not None:
        seen = _laid(only, box, region, u, v)[..., 0]
        opacity = opacity * torch.where(seen > LEAST_OPACITY, seen.clamp(0, 1), 0.0)
    face_x, face_y = region.face.centre
    dx, dy = dx + region.centre[0] - face_x, dy + region.centre[1] - face_y
    nearness = torch.exp(-4 * (dx**2 + dy**2) / region.face.side**2)
    height, width = image.shape[:2]
    top, bottom = min(max(box.top, 0), height), min(max(box.top + box.side, 0), height)
    left, right = min(max(box.left, 0), width), min(max(box.left + box.side, 0), width)
    inside = slice(top - box.top, bottom - box.top), slice(left - box.left, right - box.left)
    return _Piece(
        slice(top, bottom),
        slice(left, right),
        colours[inside].clamp(0, 1),
        opacity[inside].to(image.dtype),
        nearness[inside].to(image.dtype),
    )


@dataclass(frozen=True)
class _Box:
    """The upright square of whole pixels around a region; it may reach outside the picture."""

    left: int
    top: int
    side: int

    @classmethod
    def around(cls, region: Region) -> _Box:
        if region.angle == 0.0:
            side = round(region.side)
            return cls(round(region.centre[0] - side / 2), round(region.centre[1] - side / 2), side)
        reach = math.ceil(region.side / 2 * math.sqrt(2)) + 2
        return cls(math.floor(region.centre[0]) - reach, math.floor(region.centre[1]) - reach, 2 * reach)


def _offsets(box: _Box, region: Region, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Return the box's pixels as x and y from the region's centre, and as u and v in the crop, -0.5..0.5 inside it."""
    steps = torch.arange(box.side, device=device, dtype=torch.float32) + 0.5
    x, y = steps + (box.left - region.centre[0]), steps + (box.top - region.centre[1])
    dy, dx = torch.meshgrid(y, x, indexing="ij")
    cosine, sine = math.cos(math.radians(region.angle)), math.sin(math.radians(region.angle))
    return dx, dy, (dx * cosine + dy * sine) / region.side, (-dx * sine + dy * cosine) / region.side


def _turned(pixels: torch.Tensor, box: _Box, region: Region, size: int) -> torch.Tensor:
    """Return the crop of `size` px out of the pixels of its box."""
    if region.angle == 0.0:
        return resize(pixels, size, size)
    seen = round(box.side * min(1.0, size / region.side))
    pixels = resize(pixels, seen, seen)
    steps = ((torch.arange(size, device=pixels.device, dtype=torch.float32) + 0.5) / size - 0.5) * region.side
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    cosine, sine = math.cos(math.radians(region.angle)), math.sin(math.radians(region.angle))
    x = (region.centre[0] + cosine * u - sine * v - box.left) * 2 / box.side - 1
    y = (region.centre[1] + sine * u + cosine * v - box.top) * 2 / box.side - 1
    return sample(pixels, x, y)


def _laid(patch: torch.Tensor, box: _Box, region: Region, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Return the pixels of the box out of its crop; the turned crop's border goes on outside it."""
    if region.angle == 0.0:
        return resize(patch, box.side, box.side)
    side = math.ceil(region.side)
    return sample(resize(patch, side, side) if side < patch.shape[0] else patch, 2 * u, 2 * v)
