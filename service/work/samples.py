"""Pictures of the looks to choose from: the map of a pose, and a tone on one of the example photos, as WebP."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image

from ...portrait import decoding, poses
from ...runner.demo import example_photos
from . import looks

WIDTH, HEIGHT = 150, 200  # pixels; the shape of a pose of head and shoulders
EXAMPLE = "nora"


def pose(name: str) -> bytes:
    """Return the map of a pose. Raises StudioError for one that is not offered."""
    return _pose(*looks.check("pose", [name], looks.poses()))


def tone(name: str) -> bytes:
    """Return an example photo in a tone. Raises StudioError for one that is not offered."""
    return _tone(*looks.check("tone", [name], looks.tones()))


@cache
def _pose(name: str) -> bytes:
    preset = poses.load(name)
    return _webp(poses.draw(preset.pose.fitted(WIDTH, HEIGHT, preset.fit).keypoints, WIDTH, HEIGHT))


@cache
def _tone(name: str) -> bytes:
    """Return the example photo in a tone; needs torch, which is loaded at the first call."""
    import torch

    from ...portrait import tones

    toned = tones.apply(torch.from_numpy(_photo()).float().div(255), tones.load(name).protected_lut())
    return _webp(toned.mul(255).round().byte().numpy())


@cache
def _photo() -> np.ndarray:
    pixels, _ = decoding.read_reduced(example_photos(EXAMPLE)[0], 4 * WIDTH * HEIGHT)
    picture = Image.fromarray(pixels)
    width = min(picture.width, picture.height * WIDTH // HEIGHT)
    left = (picture.width - width) // 2
    whole = (left, 0, left + width, width * HEIGHT // WIDTH)
    return np.array(picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS, box=whole))


def _webp(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=80)
    return buffer.getvalue()
