"""What two pictures of one face must have in common, by SFace, as a loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from ...portrait.alignment import TEMPLATE, TEMPLATE_SIDE
from ...portrait.networks import sface

POINTS = (14, 15, 0)
"""Right eye, left eye and nose among the body's key points: the first three of the template's five landmarks."""
TAPS = (0, 2, 4)
"""Blocks of SFace, of 112, 56 and 28 px, whose features are compared beside the embedding."""


class Recognition(nn.Module):
    """SFace, frozen: faces [B, 3, 112, 112] RGB (0..1) -> its features at TAPS and embeddings."""

    def __init__(self):
        super().__init__()
        self.network = sface.load()

    def forward(self, faces: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return the features at TAPS and embeddings [B, 128] of length 1."""
        features = self.network.features(faces * 255)
        return [features[i] for i in TAPS], F.normalize(self.network.embedding(features), dim=1)


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


def difference(
    network: Recognition, first: torch.Tensor, second: torch.Tensor, seen: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how much faces [B, 3, 112, 112] differ where `seen` (bool [B]), as a loss, and their cosines [B].

    Faces that are not seen go through the network all the same: cuDNN looks for its fastest kernels for every batch
    size, and a size that changed from step to step cost the first hundred steps more than a minute.
    """
    features, embedding = network(first)
    with torch.no_grad():
        wanted, direction = network(second)
    share = seen.to(embedding.dtype)
    share = share / share.sum().clamp_min(1)
    cosine = (embedding * direction).sum(1)

    def mean(x: torch.Tensor) -> torch.Tensor:
        return (x.abs().mean((1, 2, 3)) * share).sum()

    apart = sum(mean(a - b) / mean(b).clamp_min(1e-6) for a, b in zip(features, wanted, strict=True))
    return ((1 - cosine) * share).sum() + 0.5 * apart, cosine
