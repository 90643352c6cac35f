"""The detector as the Impact Pack wants it: an object with the methods of its BBOX_DETECTOR contract.

No code of the Impact Pack is needed: it reads the fields of SEG by name.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import torch

from .faces import Face, FaceError, choose, detect
from .tensors import to_uint8

# The field names and their order are the contract's.
SEG = namedtuple(
    "SEG",
    ["cropped_image", "cropped_mask", "confidence", "crop_region", "bbox", "label", "control_net_wrapper"],
    defaults=[None],
)
Segs = tuple[tuple[int, int], list[SEG]]


class FaceBoxDetector:
    """Finds faces for FaceDetailer, BboxDetectorSEGS and every node that takes a BBOX_DETECTOR.

    `min_score` is the detector's own floor, 0..1; the threshold of the calling node counts too. `which` is a word of
    faces.CHOICES but likeness: every word but `all` finds one face.
    """

    def __init__(self, min_score: float = 0.6, which: str = "all") -> None:
        self.min_score = min_score
        self.which = which
        self.label = "face"

    def setAux(self, label: str | None) -> None:  # noqa: N802 - the contract's name
        """Take the label for the next segments; None brings back `face`."""
        self.label = label or "face"

    def detect(
        self,
        image: torch.Tensor,
        threshold: float,
        dilation: int,
        crop_factor: float,
        drop_size: int = 1,
        detailer_hook: Any = None,
    ) -> Segs:
        """Return `((H, W), [SEG, ...])` for one picture `[1, H, W, C]`, the largest face first.

        `dilation` grows (or, negative, shrinks) each mask by so many pixels; `crop_factor` is the side of the crop
        region over that of the box; boxes with a side below `drop_size` are left out. No face gives an empty list.

        Raises FaceError when a batch of several pictures arrives.
        """
        pixels = _single(image)
        height, width = pixels.shape[:2]
        segments = []
        for face in self._found(pixels, threshold):
            box = _whole_box(face.box, width, height)
            if min(box[2] - box[0], box[3] - box[1]) < max(1, drop_size):
                continue
            region = crop_region(box, width, height, crop_factor)
            if detailer_hook is not None and hasattr(detailer_hook, "post_crop_region"):
                region = detailer_hook.post_crop_region(width, height, box, region)
            mask = _box_mask(box, dilation, width, height)
            left, top, right, bottom = region
            segments.append(
                SEG(
                    image[:, top:bottom, left:right, :3],
                    mask[top:bottom, left:right],
                    np.float32(face.score),
                    region,
                    box,
                    self.label,
                )
            )
        segs: Segs = ((height, width), segments)
        if detailer_hook is not None and hasattr(detailer_hook, "post_detection"):
            segs = detailer_hook.post_detection(segs)
        return segs

    def detect_combined(self, image: torch.Tensor, threshold: float, dilation: int) -> torch.Tensor | None:
        """Return one mask `[H, W]`, 0 or 1, of all faces of a picture `[1, H, W, C]`, or None when there is none."""
        pixels = _single(image)
        height, width = pixels.shape[:2]
        mask = np.zeros((height, width), np.float32)
        for face in self._found(pixels, threshold):
            mask = np.maximum(mask, _box_mask(_whole_box(face.box, width, height), dilation, width, height))
        return torch.from_numpy(mask) if mask.any() else None

    def _found(self, pixels: np.ndarray, threshold: float) -> list[Face]:
        found = detect(pixels, max(self.min_score, threshold))
        return choose(found, self.which, (pixels.shape[1], pixels.shape[0]))


def crop_region(
    box: tuple[int, int, int, int], width: int, height: int, crop_factor: float
) -> tuple[int, int, int, int]:
    """Return the region (x1, y1, x2, y2) of `crop_factor` box sides around a box, inside the picture.

    At a border the region slides inwards; only when it is larger than the picture does it shrink.
    """
    spans = []
    for first, last, limit in ((box[0], box[2], width), (box[1], box[3], height)):
        extent = min(limit, max(1, round((last - first) * crop_factor)))
        start = min(max(0, round((first + last) / 2 - extent / 2)), limit - extent)
        spans.append((start, start + extent))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def _single(image: torch.Tensor) -> np.ndarray:
    if image.ndim != 4 or image.shape[0] != 1:
        raise FaceError(
            f"The face detector looks at one picture at a time, but a batch of {list(image.shape)} arrived; "
            "split the batch into a list first."
        )
    return to_uint8(image[0])


def _whole_box(box: tuple[float, float, float, float], width: int, height: int) -> tuple[int, int, int, int]:
    x, y, wide, high = box
    left, top = min(max(0, round(x)), width), min(max(0, round(y)), height)
    return left, top, min(max(left, round(x + wide)), width), min(max(top, round(y + high)), height)


def _box_mask(box: tuple[int, int, int, int], dilation: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros((height, width), np.float32)
    left, top = max(0, box[0] - dilation), max(0, box[1] - dilation)
    right, bottom = min(width, box[2] + dilation), min(height, box[3] + dilation)
    if right > left and bottom > top:
        mask[top:bottom, left:right] = 1.0
    return mask
