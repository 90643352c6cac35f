"""SFace (Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", 2021): whose face.

The weights are those of the OpenCV Zoo (face_recognition_sface_2021dec_int8bq.onnx), the answers those of OpenCV's
FaceRecognizerSF.
"""

from __future__ import annotations

import functools

import torch
from torch import nn

from . import stored

SIDE = 112
SIZE = 128
# Output channels of the depthwise blocks, and which of them halve the picture.
_CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_HALVING = (1, 3, 5, 11)


class Block(nn.Sequential):
    """A depthwise 3 x 3 convolution and a 1 x 1 one, a PReLU behind each; their batch norms are folded in."""

    def __init__(self, inside: int, outside: int, stride: int):
        super().__init__(
            nn.Conv2d(inside, inside, 3, stride, 1, groups=inside),
            nn.PReLU(inside),
            nn.Conv2d(inside, outside, 1),
            nn.PReLU(outside),
        )


class SFaceNetwork(nn.Module):
    """Aligned faces `[B, 3, 112, 112]` (RGB, 0..255) -> embeddings `[B, 128]`, not normalised. Differentiable."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.PReLU(32))
        inside = (32, *_CHANNELS)
        self.blocks = nn.ModuleList(
            Block(inside[i], outside, 2 if i in _HALVING else 1) for i, outside in enumerate(_CHANNELS)
        )
        self.last = nn.Linear(_CHANNELS[-1] * (SIDE // 16) ** 2, SIZE)

    def features(self, faces: torch.Tensor) -> list[torch.Tensor]:
        """Return what comes out of each block, `[B, C, H, W]`: 112 px first, then 56, 56, 28, 28, 14 ..., 7, 7."""
        x = self.stem((faces - 127.5) / 128)
        found = []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return found

    def embedding(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return the embeddings `[B, 128]` from what `features` returned."""
        return self.last(features[-1].flatten(1))

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Return the embeddings."""
        return self.embedding(self.features(faces))


@functools.cache
def network(device: str = "cpu") -> SFaceNetwork:
    """Return the network on a device, the same one each time: leave it there, and as it is. Raises as `load` does."""
    return load().to(torch.device(device)).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def load() -> SFaceNetwork:
    """Return a network of one's own on the CPU, with the shipped weights, frozen.

    Raises WeightsError when the weights are missing or damaged.
    """
    # Inside a host's inference mode the weights could never be differentiated through.
    with torch.inference_mode(False):
        made = SFaceNetwork()
        weights = stored.read("face_recognition")
        # A batch norm stands between the last block and the linear layer, which blocks of 64 numbers cannot take up.
        gain, shift = weights.pop("norm.weight"), weights.pop("norm.bias")
        by_channel = weights["last.weight"].reshape(SIZE, len(gain), -1)
        weights["last.bias"] = weights["last.bias"] + (by_channel * shift[:, None]).sum((1, 2))
        weights["last.weight"] = (by_channel * gain[:, None]).reshape(SIZE, -1)
        made.load_state_dict(weights)
        return made.requires_grad_(False).eval()
