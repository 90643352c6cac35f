"""What in the training set is nearest to a sample, in pixels; and the faces of the training set, to compare with."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import save_file

from .data import People
from .machine import ranks
from .preview import StoredModels, sheet
from .recognition import POINTS, Recognition, aligned

SIDE = 64
STEP = 1 / 200
"""What one unit of a stored direction is worth: single numbers of a direction reach about half."""


def search(people: People, preview: StoredModels, prompts: list[str], out: Path | None) -> dict[str, object]:
    """Compare samples of `prompts` with all ranks' renders and their mirror images by pixels.

    The distance is the root mean square difference (0..1) of 64 px pictures. `out` gets a sheet of samples beside their
    nearest render, and faces.safetensors: SFace directions int8 [K, 128], in units of STEP, with the seed and number
    that render_dataset makes the renders from.
    """
    device = people.images.device
    samples = torch.from_numpy(preview.samples(prompts, seed=4321)).to(device).permute(0, 3, 1, 2)
    small = _small(samples)
    distances = torch.cat(
        [
            torch.minimum(torch.cdist(small, _small(chunk)), torch.cdist(small, _small(chunk.flip(3))))
            for chunk in people.images.split(2048)
        ],
        1,
    )
    pixel, at = (distances / small.shape[1] ** 0.5).min(1)
    pixel, nearest = _nearest(pixel, people.images[at])
    counted = torch.tensor([len(people)], device=device)
    vectors, source = faces(people)
    if dist.is_initialized():
        dist.all_reduce(counted)
        boxes: list = [None] * ranks()
        dist.all_gather_object(boxes, (vectors, source))
        vectors, source = (torch.cat(parts) for parts in zip(*boxes, strict=True))
    if out:
        stored = (vectors / STEP).round().clamp(-127, 127).char()
        save_file({"vectors": stored, "source": source.int()}, out / "faces.safetensors")
        rows = [x for pair in zip(samples, nearest, strict=True) for x in pair]
        sheet([x.permute(1, 2, 0).cpu().numpy() for x in rows], out / "neighbours.jpg", columns=12)
    return {
        "samples": len(prompts),
        "renders compared": int(counted[0]),
        "faces kept": len(vectors),
        "smallest pixel distance": round(pixel.min().item(), 4),
        "median pixel distance": round(pixel.median().item(), 4),
    }


def _small(images: torch.Tensor) -> torch.Tensor:
    return F.interpolate(images.float() / 255, (SIDE, SIDE), mode="area").flatten(1)


def _nearest(values: torch.Tensor, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    if not dist.is_initialized():
        return values, pictures
    all_values = [torch.empty_like(values) for _ in range(ranks())]
    all_pictures = [torch.empty_like(pictures) for _ in range(ranks())]
    dist.all_gather(all_values, values.contiguous())
    dist.all_gather(all_pictures, pictures.contiguous())
    best, who = torch.stack(all_values).min(0)
    return best, torch.stack(all_pictures)[who, torch.arange(len(who), device=who.device)]


@torch.no_grad()
def faces(people: People) -> tuple[torch.Tensor, torch.Tensor]:
    """Return SFace directions [K, 128] and sources [K, 2] of the renders that show both eyes and the nose."""
    network = Recognition().to(people.images.device)
    points = people.keypoints[:, list(POINTS)]
    wide = (points[:, 0, :2] - points[:, 1, :2]).norm(dim=-1) > 6
    index = ((points[..., 2] > 0).all(1) & wide).nonzero().flatten()
    vectors = [torch.zeros(0, 128)]
    for chunk in index.split(512):
        pictures = people.images[chunk.to(people.images.device)].float() / 255
        crops = aligned(pictures, points[chunk, :, :2].to(pictures.device))
        vectors.append(network(crops)[1].cpu())
    return torch.cat(vectors), people.source[index]
