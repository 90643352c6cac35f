"""What in the training set is nearest to a sample, in pixels; and the faces of the training set, to compare with."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import save_file

from ...portrait.weights import FOLDER, pins
from .data import People
from .machine import ranks
from .preview import Preview, sheet

SIDE = 64
EYES_AND_NOSE = (14, 15, 0)
TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366))
"""Where SFace expects the two eyes and the nose in 112 px (portrait.identity.TEMPLATE)."""


def search(people: People, preview: Preview, prompts: list[str], seconds: float, out: Path | None) -> dict[str, object]:
    """Compare samples of `prompts` with all ranks' renders and their mirror images by pixels.

    The distance is the root mean square difference (0..1) of 64 px pictures. `out` gets a sheet of samples beside their
    nearest render, and faces.safetensors: SFace directions [K, 128] of as many renders as fit in `seconds`, with the
    seed and number that render_dataset makes them from.
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
    vectors, source = faces(people, seconds)
    if dist.is_initialized():
        dist.all_reduce(counted)
        boxes: list = [None] * ranks()
        dist.all_gather_object(boxes, (vectors, source))
        vectors, source = (torch.cat(parts) for parts in zip(*boxes, strict=True))
    if out:
        save_file({"vectors": vectors.half(), "source": source}, out / "faces.safetensors")
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


def faces(people: People, seconds: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return SFace directions [K, 128] and sources [K, 2] of renders that show both eyes and the nose."""
    import onnx
    import onnxruntime

    model = onnx.load(str(FOLDER / pins()["face_recognition"]["file"]))
    del model.graph.input[1:]  # the file lists its own weights as inputs, which onnxruntime would ask for
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    network = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def embed(face: np.ndarray) -> np.ndarray:
        return network.run(None, {"data": face[None]})[0].ravel()

    points = people.keypoints[:, list(EYES_AND_NOSE)]
    wide = (points[:, 0, :2] - points[:, 1, :2]).norm(dim=-1) > 6
    index = ((points[..., 2] > 0).all(1) & wide).nonzero().flatten()
    workers = max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    vectors, begin = [np.zeros((0, 128), np.float32)], time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        for chunk in index.split(512):
            if time.monotonic() - begin > seconds:
                break
            crops = aligned(people.images[chunk.to(people.images.device)], points[chunk, :, :2]).cpu().numpy()
            vectors.append(np.stack(list(pool.map(embed, crops))))
    directions = F.normalize(torch.from_numpy(np.concatenate(vectors)), dim=1)
    return directions, people.source[index[: len(directions)]]


def aligned(images: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Return faces float32 [N, 3, 112, 112] (0..255) whose eyes and nose [N, 3, 2] lie on SFace's template."""
    target = torch.tensor(TEMPLATE, dtype=torch.float64)
    source = torch.view_as_complex(points.double().contiguous())
    goal = torch.view_as_complex(target)
    a, b = goal - goal.mean(), source - source.mean(1, keepdim=True)
    turn = (b * a.conj()).sum(1) / (a * a.conj()).sum()
    shift = source.mean(1) - turn * goal.mean()
    y, x = torch.meshgrid(torch.arange(112) + 0.5, torch.arange(112) + 0.5, indexing="ij")
    grid = turn[:, None, None] * torch.complex(x.double(), y.double())[None] + shift[:, None, None]
    size = images.shape[-1]
    where = torch.view_as_real(grid).float().to(images.device) / size * 2 - 1
    return F.grid_sample(images.float(), where, mode="bilinear", padding_mode="border", align_corners=False)
