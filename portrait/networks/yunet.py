"""YuNet (Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023): where faces are.

The weights are those of the OpenCV Zoo (face_detection_yunet_2023mar_int8bq.onnx), the answers those of OpenCV's
FaceDetectorYN.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from . import stored

STRIDES = (8, 16, 32)
STEP = STRIDES[-1]  # sides are filled up with black to a multiple of it, on the right and below


class Maps(NamedTuple):
    """What the network says of every cell of one stride, `[B, *, rows, columns]`.

    `face` and `there` are logits `[B, 1, ...]` whose sigmoids are the class and objectness scores, `box` `[B, 4, ...]`
    is the centre's offset from the cell and the logarithm of the size, `points` `[B, 10, ...]` the five landmarks'
    offsets x, y; all in strides.
    """

    face: torch.Tensor
    box: torch.Tensor
    there: torch.Tensor
    points: torch.Tensor


class Unit(nn.Sequential):
    """A 1 x 1 convolution and a depthwise 3 x 3 one."""

    def __init__(self, inside: int, outside: int, last: bool = False):
        layers = [nn.Conv2d(inside, outside, 1), nn.Conv2d(outside, outside, 3, padding=1, groups=outside)]
        super().__init__(*layers, *([] if last else [nn.ReLU(inplace=True)]))


class Head(nn.ModuleList):
    """What is read off each level, `size` numbers a cell."""

    def __init__(self, size: int):
        super().__init__(Unit(64, size, last=True) for _ in STRIDES)

    def forward(self, levels: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        """Return the maps of all levels."""
        return [unit(x) for unit, x in zip(self, levels, strict=True)]


class YuNet(nn.Module):
    """Pictures `[B, 3, H, W]` (RGB, 0..255, sides of multiples of STEP) -> Maps for each of STRIDES. Differentiable."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(inplace=True), Unit(16, 16), nn.MaxPool2d(2))
        self.fine = nn.Sequential(
            Unit(16, 16), Unit(16, 32), Unit(32, 32), Unit(32, 64), nn.MaxPool2d(2), Unit(64, 64), Unit(64, 64)
        )
        self.middle = nn.Sequential(nn.MaxPool2d(2), Unit(64, 64), Unit(64, 64))
        self.coarse = nn.Sequential(nn.MaxPool2d(2), Unit(64, 64), Unit(64, 64))
        self.neck = nn.ModuleList(Unit(64, 64) for _ in STRIDES)
        self.heads = nn.ModuleDict({name: Head(size) for name, size in zip(Maps._fields, (1, 4, 1, 10), strict=True)})

    def forward(self, pictures: torch.Tensor) -> list[Maps]:
        """Return the maps of the three strides."""
        fine = self.fine(self.stem(pictures))
        middle = self.middle(fine)
        coarse = self.neck[2](self.coarse(middle))
        middle = self.neck[1](middle + F.interpolate(coarse, scale_factor=2.0))
        fine = self.neck[0](fine + F.interpolate(middle, scale_factor=2.0))
        levels = (fine, middle, coarse)
        heads = [head(levels) for head in self.heads.values()]
        return [Maps(*level) for level in zip(*heads, strict=True)]


def decoded(maps: list[Maps]) -> torch.Tensor:
    """Return one row a cell, `[B, cells, 15]`: box x, y, width, height, five landmarks x, y (px) and the score 0..1.

    As FaceDetectorYN does: the score is the geometric mean of the two of the network.
    """
    rows = []
    for stride, each in zip(STRIDES, maps, strict=True):
        height, width = each.face.shape[2:]
        score = (each.face.sigmoid() * each.there.sigmoid()).sqrt()
        x = torch.arange(width, device=score.device, dtype=score.dtype)
        y = torch.arange(height, device=score.device, dtype=score.dtype)[:, None]
        cell = torch.stack((x.expand(height, width), y.expand(height, width)))
        size = each.box[:, 2:].exp()
        corner = each.box[:, :2] + cell - size / 2
        points = each.points + cell.repeat(5, 1, 1)
        rows.append(torch.cat((torch.cat((corner, size, points), 1) * stride, score), 1).flatten(2))
    return torch.cat(rows, 2).transpose(1, 2)


@functools.cache
def network(device: str = "cpu") -> YuNet:
    """Return the network on a device, the same one each time: leave it there, and as it is. Raises as `load` does."""
    return load().to(torch.device(device)).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def load() -> YuNet:
    """Return a network of one's own on the CPU, with the shipped weights, frozen.

    Raises WeightsError when the weights are missing or damaged.
    """
    # Inside a host's inference mode the weights could never be differentiated through.
    with torch.inference_mode(False):
        made = YuNet()
        made.load_state_dict(stored.read("face_detection"))
        return made.requires_grad_(False).eval()
