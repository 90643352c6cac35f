"""Faces of a picture restored: cut as the network was trained to see them, and laid back with a soft border."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .. import crops
from ..alignment import inverse, similarity, transformed
from ..face import Face
from ..kept import LikenessKept
from .loading import Restorer
from .networks import RestorationNetwork, RestoreError

# Where the five landmarks lie in the 512 px faces of FFHQ that the networks were trained on (xinntao/facexlib,
# facexlib/utils/face_restoration_helper.py, face_template).
TEMPLATE = np.array(
    [
        (192.98138, 239.94708),
        (318.90277, 240.1936),
        (256.63416, 314.01935),
        (201.26117, 371.41043),
        (313.08905, 371.15118),
    ],
    np.float64,
)
TEMPLATE_SIDE = 512
FEATHER = 0.1  # of the crop's side
SOFTER = 1.25  # a crop that is so many times as large as the network's has more detail than comes back
LOSS = 0.05  # of likeness to the person; Identity Guard allows as much by default
_NO_ANGLE = 1e-6  # degrees: a crop that leans by nothing at all is cut on whole pixels, and this one must not be moved


@dataclass(frozen=True)
class FaceRestored:
    """What was done to one face: the picture's number in the batch, the face, and the side of its crop in pixels."""

    frame: int
    face: Face
    side: float


@dataclass(frozen=True, eq=False)
class Restored:
    """Pictures `[B, H, W, C]` with restored faces, where they were changed `[B, H, W]`, 0..1, and the faces."""

    images: torch.Tensor
    mask: torch.Tensor
    faces: tuple[FaceRestored, ...] = ()


def restore(
    images: torch.Tensor,
    faces: Sequence[Sequence[Face]],
    restorer: Restorer,
    blend: float = 1.0,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Restored:
    """Return pictures `[B, H, W, C]`, sRGB, 0..1, whose faces the network has restored.

    `faces` has the faces of each picture. `blend` 0..1 is how much of the restored face is seen; at 0 the very same
    tensor comes back. Outside the soft ellipse of a face every pixel keeps its bits, as does every channel behind the
    third; a picture without a face, or with fewer than three channels, passes unchanged. `progress` hears of each face
    before it is worked on, and may raise to stop.

    Raises RestoreError for a blend outside 0..1, another number of pictures than of lists of faces, or a network that
    fails.
    """
    if not 0 <= blend <= 1:
        raise RestoreError(f"The blend of a restoration is {blend}; it must be from 0 to 1.")
    if len(faces) != len(images):
        raise RestoreError(f"{len(images)} pictures came with the faces of {len(faces)}; give the faces of each.")
    untouched = torch.zeros(images.shape[:3], device=images.device)
    height, width, channels = images.shape[1:]
    side = restorer.network.side
    regions = tuple(_region(frame, face) for frame, own in enumerate(faces) for face in own)
    if blend == 0 or channels < 3 or not regions:
        return Restored(images, untouched)
    plan = crops.FaceCrops(height, width, regions)
    colours = images[..., :3].float().nan_to_num().clamp(0, 1)
    squares = crops.cut(colours, plan, side)
    made = torch.empty_like(squares)
    for number, square in enumerate(squares):
        progress(number, len(squares))
        made[number] = restorer(square, device)
    seen = crops.face_masks(plan, side, images.device) * blend
    pasted = crops.paste(colours, made, plan, FEATHER, only=seen)
    shown = crops.paste(untouched[..., None], torch.ones_like(seen)[..., None], plan, FEATHER, only=seen)[..., 0]
    result = images.clone()
    # Where nothing of a face is seen, the picture's own bits stay, which may be of another type or outside 0..1.
    result[..., :3] = torch.where(shown[..., None] > 0, pasted.to(images.dtype), images[..., :3])
    done = tuple(FaceRestored(region.frame, region.face, region.side) for region in regions)
    return Restored(result, shown.clamp(0, 1), done)


def doubts(done: Restored, network: RestorationNetwork, report: LikenessKept) -> list[str]:
    """Return a sentence about what a restoration may have cost: detail of large faces, and likeness to the person."""
    said = []
    large = max((face.side for face in done.faces), default=0.0)
    if large > SOFTER * network.side:
        said.append(
            f"A face is cut at {large:.0f} px and the network works at {network.side}: it comes back softer; lower the "
            "blend, or restore before the picture is enlarged."
        )
    if report.before is not None and report.after is not None and report.after < report.before - LOSS:
        said.append(
            f"The person is less alike after it ({report.before:.3f} to {report.after:.3f}); lower the blend, or put "
            "Identity Guard behind it."
        )
    return said


def _region(frame: int, face: Face) -> crops.Region:
    """Return the square in which a face lies as FFHQ's do."""
    matrix = similarity(np.array(face.landmarks), TEMPLATE)
    x, y = transformed(np.array([(TEMPLATE_SIDE / 2, TEMPLATE_SIDE / 2)]), inverse(matrix))[0]
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    lean = math.degrees(math.atan2(-matrix[1, 0], matrix[0, 0]))
    return crops.Region(frame, (float(x), float(y)), max(8.0, TEMPLATE_SIDE / scale), lean or _NO_ANGLE, face)
