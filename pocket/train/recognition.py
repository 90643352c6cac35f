"""SFace as a differentiable torch network: what two pictures of one face must have in common.

The shipped ONNX file is a chain of layers; they are run one by one, with the dequantised weights that OpenCV uses too.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from ...portrait.identity import TEMPLATE, TEMPLATE_SIDE

MODEL = Path(__file__).parents[2] / "portrait" / "models" / "face_recognition_sface_2021dec_int8bq.onnx"
POINTS = (14, 15, 0)
"""Right eye, left eye and nose among the body's key points: the first three of the template's five landmarks."""
TAPS = ("conv_2_relu", "conv_4_relu", "conv_6_relu")
"""Layers of 56, 28 and 14 px whose features are compared beside the embedding."""


class Recognition(nn.Module):
    """SFace (Zhong et al. 2021), frozen: faces [B, 3, 112, 112] RGB (0..1) -> its features at TAPS and embeddings.

    Raises ImportError without the package onnx, which reads the file.
    """

    def __init__(self, path: Path = MODEL):
        super().__init__()
        import onnx

        graph = onnx.load(str(path)).graph
        values = {
            tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer
        }
        self.layers: list[tuple] = []
        for node in graph.node:
            options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "DequantizeLinear":
                values[node.output[0]] = _dequantised(*(values[name] for name in node.input), **options)
            elif node.op_type == "Reshape" and node.input[0] in values:
                values[node.output[0]] = values[node.input[0]].reshape(values[node.input[1]].tolist())
            elif node.op_type not in ("Constant", "Dropout"):
                constants = [name for name in node.input if name in values]
                for name in constants:
                    self.register_buffer(name, values[name].float(), persistent=False)
                self.layers.append((node.op_type, node.output[0], tuple(constants), options))

    def forward(self, faces: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return the features at TAPS and embeddings [B, 128] of length 1."""
        x, features = faces * 255, []
        for kind, name, constants, options in self.layers:
            x = _LAYERS[kind](x, *(getattr(self, constant) for constant in constants), **_known(kind, options))
            if name in TAPS:
                features.append(x)
        return features, F.normalize(x, dim=1)


def _dequantised(
    stored: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, block_size: int, axis: int
) -> torch.Tensor:
    """Return (stored - zero) scale, both given once a block of values along the axis (ONNX, DequantizeLinear)."""
    size = stored.shape[axis]
    scale, zero = (v.float().repeat_interleave(block_size, axis).narrow(axis, 0, size) for v in (scale, zero))
    return (stored.float() - zero) * scale


def _known(kind: str, options: dict) -> dict:
    if kind == "Conv":
        return {"stride": options["strides"], "padding": options["pads"][:2], "groups": options["group"]}
    return {"eps": options["epsilon"]} if kind == "BatchNormalization" else {}


_LAYERS = {
    "Sub": lambda x, c: x - c,
    "Mul": lambda x, c: x * c,
    "Conv": lambda x, w, stride, padding, groups: F.conv2d(x, w, None, stride, padding, 1, groups),
    "BatchNormalization": lambda x, g, b, m, v, eps: F.batch_norm(x, m, v, g, b, False, 0.0, eps),
    "PRelu": lambda x, slope: F.prelu(x, slope.flatten()),
    "Flatten": lambda x: x.flatten(1),
    "Gemm": F.linear,
}


def aligned(pictures: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Return the faces [B, 3, 112, 112] of pictures [B, 3, H, W], their POINTS [B, 3, 2] (px) laid on SFace's template.

    The similarity is the least-squares one (Umeyama 1991), as in portrait.alignment.
    """
    target = torch.tensor(TEMPLATE[: len(POINTS)], dtype=torch.float32, device=points.device)
    # From the template to the picture: that is the way a sampling grid goes.
    centre, wanted = target.mean(0), points.mean(1)
    a, b = target - centre, points - wanted[:, None]
    spread = a.square().sum()
    cosine = (a * b).sum((1, 2)) / spread
    sine = (a[:, 0] * b[..., 1] - a[:, 1] * b[..., 0]).sum(1) / spread
    turn = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
    at = torch.arange(TEMPLATE_SIDE, device=points.device) + 0.5
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1) - centre
    place = torch.einsum("bij,hwj->bhwi", turn, grid) + wanted[:, None, None]
    H, W = pictures.shape[-2:]
    place = place / torch.tensor([W, H], device=points.device) * 2 - 1
    return F.grid_sample(pictures, place, mode="bilinear", padding_mode="border", align_corners=False)


def difference(network: Recognition, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how much faces [B, 3, 112, 112] differ, as a loss, and the cosines [B] of their embeddings."""
    features, embedding = network(first)
    with torch.no_grad():
        wanted, direction = network(second)
    cosine = (embedding * direction).sum(1)
    apart = sum((a - b).abs().mean() / b.abs().mean() for a, b in zip(features, wanted, strict=True))
    return (1 - cosine).mean() + 0.5 * apart, cosine
