"""Scenes for the tests of photographs and faces: the public domain portrait in scikit-image, and rendered people."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch
from PIL import Image

PEOPLE = Path(__file__).parents[1] / "data" / "people"
# Found by hand in the 512 x 512 px picture: the head of the astronaut, with its hair and a little air.
HEAD = (slice(20, 220), slice(125, 325))


@functools.cache
def astronaut() -> np.ndarray:
    """Eileen Collins, NASA, public domain; `[512, 512, 3]`, RGB, uint8; her face is about 90 x 112 px."""
    picture = np.ascontiguousarray(skimage.data.astronaut())
    picture.setflags(write=False)
    return picture


@functools.cache
def people() -> dict[str, dict]:
    """File name -> person, yaw, pitch of every rendered portrait."""
    return json.loads((PEOPLE / "people.json").read_text("utf-8"))


@functools.cache
def person(name: str) -> np.ndarray:
    """A rendered portrait, `[320, 320, 3]`, RGB, uint8; the face is about 75 px wide."""
    picture = np.array(Image.open(PEOPLE / name).convert("RGB"))
    picture.setflags(write=False)
    return picture


def scaled(picture: np.ndarray, factor: float) -> np.ndarray:
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how)


def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    """The picture turned clockwise about its middle, as large as before."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def group(rows: int, columns: int, side: int = 200) -> np.ndarray:
    """A group picture: the head many times, every second one mirrored, each a little differently lit."""
    head = cv2.resize(astronaut()[HEAD], (side, side), interpolation=cv2.INTER_AREA)
    tiles = []
    for index in range(rows * columns):
        tile = head[:, ::-1] if index % 2 else head
        tiles.append(np.clip(tile * (0.8 + 0.03 * index), 0, 255).astype(np.uint8))
    return np.concatenate([np.concatenate(tiles[row * columns : (row + 1) * columns], 1) for row in range(rows)])


def nobody(height: int = 300, width: int = 400) -> np.ndarray:
    """A picture without a face: soft coloured noise."""
    noise = np.random.default_rng(3).integers(0, 256, (height // 10, width // 10, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def image(*pictures: np.ndarray) -> torch.Tensor:
    """Pictures of one size as ComfyUI's IMAGE `[B, H, W, 3]`, 0..1."""
    return torch.from_numpy(np.stack(pictures).astype(np.float32) / 255.0)
