"""Where the skin of a face is: the face's ellipse, less its features, as far as the colour is that of its cheeks."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf

from ..crops import FaceCrops, Region, radius, smooth_step
from ..face_parts import brows, eye_distance, eyes_and_lips, nostrils
from .blur import blurred

# How far skin may be from the middle of its cheeks, in density: shading (darker), blood, melanin. Full up to the first
# number, nothing from the second on. On the other side, that of highlights, where the light shows and not the skin, the
# limits are FAINTER times as wide.
SHADING = (1.0, 1.5)
BLOOD = (0.6, 1.1)
MELANIN = (0.7, 1.2)
FAINTER = 1.6
SPOT = 0.19  # diameter in eye distances: a darker or redder spot up to this size, on skin, still counts as skin
CHEEK = 0.16  # radius of the places that are looked at for the person's own skin, in eye distances


def skin_mask(parts: torch.Tensor, region: Region) -> torch.Tensor:
    """Return the mask `[S, S]`, 0..1, of the skin in a crop of its own size.

    `parts` are shading, blood and melanin `[3, S, S]` of the crop. Nothing is compared with a table of skin colours:
    the person's own cheeks are the measure, so that dark skin and a coloured light are treated as any other.
    """
    size, device = parts.shape[-1], parts.device
    axis = torch.arange(size, device=device, dtype=torch.float32) + 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    crops = FaceCrops(0, 0, (region,))
    inside = smooth_step(1.0, 0.85, radius(region, size, x, y))
    features = torch.stack([part(crops, size, device)[0] for part in (eyes_and_lips, brows, nostrils)]).amax(0)
    own = _own_colour(parts, region, x, y)
    if own is None:
        return torch.zeros_like(inside)
    away = _without_spots(parts, SPOT * eye_distance(region.face)) - own[:, None, None]
    away = torch.where(away < 0, -away / FAINTER, away)
    like = [smooth_step(far, near, plane) for plane, (near, far) in zip(away, (SHADING, BLOOD, MELANIN), strict=True)]
    return inside * (1 - features) * like[0] * like[1] * like[2]


def _own_colour(parts: torch.Tensor, region: Region, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor | None:
    """Return the median shading, blood and melanin of cheeks and nose, None where none of them is in the crop."""
    size = x.shape[0]
    spots = [region.to_crop(*place, size) for place in region.face.landmarks]
    left_eye, right_eye, nose, left_mouth, right_mouth = spots
    places = [_between(left_eye, left_mouth), _between(right_eye, right_mouth), _between(left_eye, right_eye, nose)]
    reach = CHEEK * eye_distance(region.face) * size / region.side
    near = torch.stack([(x - at) ** 2 + (y - down) ** 2 <= reach * reach for at, down in places]).any(0)
    return parts[:, near].median(1).values if bool(near.any()) else None


def _without_spots(parts: torch.Tensor, diameter: float) -> torch.Tensor:
    """Return the parts without what is darker or redder than its surroundings and narrower than `diameter` px."""
    grain = max(1, int(diameter / 12))
    small = nnf.avg_pool2d(parts[None], grain, ceil_mode=True, count_include_pad=False)
    reach = max(1, round(diameter / grain / 2))
    window, edge = 2 * reach + 1, (reach,) * 4
    eroded = -nnf.max_pool2d(nnf.pad(-small, edge, mode="replicate"), window, 1)
    opened = nnf.max_pool2d(nnf.pad(eroded, edge, mode="replicate"), window, 1)
    whole = nnf.interpolate(opened, parts.shape[1:], mode="bilinear", align_corners=False)[0]
    return blurred(whole, diameter / 4)


def _between(*points: tuple[float, float]) -> tuple[float, float]:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
