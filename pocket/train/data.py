"""Rendered people as training data: pictures, close-ups, mirrored and graded views, captions, pose maps."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors import safe_open
from safetensors.torch import save_file

SIZE = 256
LARGE = 1024
WINDOW = 160
"""The side of what the autoencoder is trained on: a face of most framings fits, and little else is paid for."""
# left hand <-> right hand, and the body's left and right points, in the order of portrait.poses.layout
MIRROR = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16, *range(39, 60), *range(18, 39))


@dataclass
class People:
    """Renders on one device.

    `images` uint8 [N, 3, S, S]; `keypoints` [N, 60, 3] pixels and visibility; `boxes` [N, 4] face x0, y0, x1, y1;
    `masks` uint8 [N, S / 8, S / 8] person; `identity` [N]; `source` [N, 2] the seed and number of the picture;
    `captions` N strings.
    """

    images: torch.Tensor
    keypoints: torch.Tensor
    boxes: torch.Tensor
    masks: torch.Tensor
    identity: torch.Tensor
    source: torch.Tensor
    captions: list[str]

    def __len__(self) -> int:
        return len(self.captions)

    def save(self, path: Path) -> None:
        """Write the renders to one safetensors file."""
        tensors = {f.name: getattr(self, f.name).cpu().contiguous() for f in fields(self) if f.name != "captions"}
        save_file(tensors, path, {"captions": json.dumps(self.captions)})

    @classmethod
    def load(cls, path: Path, device: torch.device) -> People:
        """Read what `save` wrote; the pictures go to the device, the facts stay on the CPU."""
        with safe_open(path, "pt") as file:
            captions = json.loads(file.metadata()["captions"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return cls(**tensors | {"images": tensors["images"].to(device)}, captions=captions)

    @classmethod
    def render(
        cls, count: int, seed: int, device: torch.device, size: int = SIZE, seconds: float = float("inf")
    ) -> People:
        """Render up to `count` pictures of identities that are not held out, for about `seconds`."""
        from ..people.dataset import render_dataset
        from ..people.identity import held_out

        parts: list[People] = []
        end, made = time.monotonic() + seconds, 0
        for batch in render_dataset(count, seed, device, size):
            masks = F.adaptive_avg_pool2d(batch.mask.float().reshape(-1, 1, size, size), size // 8)
            parts.append(
                cls(
                    images=batch.images,
                    keypoints=batch.keypoints.float().cpu(),
                    boxes=batch.face_box.float().cpu(),
                    masks=(masks[:, 0] * 255).byte(),
                    identity=torch.as_tensor(batch.identity).long().cpu(),
                    source=torch.tensor([[seed, made + i] for i in range(len(batch.captions))]),
                    captions=list(batch.captions),
                )
            )
            made += len(batch.captions)
            if time.monotonic() > end:
                break
        people = join(parts)
        never = {seed for seeds in held_out().values() if isinstance(seeds, list) for seed in seeds}
        assert not never & set(people.identity.tolist()), "a held-out identity was rendered for training"
        return people


class FaceWindows:
    """Windows of renders about the faces, with the three points that recognition aligns them by."""

    def __init__(self, people: People, device: torch.device):
        self.boxes = people.boxes.to(device)
        self.points = people.keypoints[:, [14, 15, 0]].to(device)

    def windows(
        self, images: torch.Tensor, index: torch.Tensor, anywhere: float = 0.2
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return windows [B, 3, WINDOW, WINDOW], points [B, 3, 2] in them, and whose face is whole within, bool [B].

        A window lies about the face, up to a sixth of its side off, or `anywhere`; half of them are mirrored.
        """
        count, free = len(index), SIZE - WINDOW
        centre = (self.boxes[index, :2] + self.boxes[index, 2:]) / 2
        shift = (torch.rand(count, 2, device=centre.device) - 0.5) * (WINDOW / 3)
        corner = (centre + shift - WINDOW / 2).round()
        wild = torch.rand(count, 1, device=centre.device) < anywhere
        corner = torch.where(wild, torch.rand_like(centre) * (free + 1) - 0.5, corner).round().clamp(0, free).long()
        windows = _cut(images, index, corner)
        points = self.points[index]
        places = points[..., :2] - corner[:, None]
        inside = ((places > 0) & (places < WINDOW)).all(2).all(1) & (points[..., 2] > 0).all(1)
        box = self.boxes[index] - corner.repeat(1, 2)
        inside &= (box[:, :2] > -WINDOW / 10).all(1) & (box[:, 2:] < WINDOW * 1.1).all(1)
        flip = torch.rand(count, device=centre.device) < 0.5
        windows = torch.where(flip[:, None, None, None], windows.flip(3), windows)
        turned = places[:, [1, 0, 2]] * places.new_tensor([-1, 1]) + places.new_tensor([WINDOW, 0])
        return windows, torch.where(flip[:, None, None], turned, places), inside


def random_windows(images: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return a window [B, 3, WINDOW, WINDOW] from anywhere in each of the pictures."""
    corner = torch.randint(0, images.shape[-1] - WINDOW + 1, (len(index), 2), device=images.device)
    return _cut(images, index, corner)


def _cut(images: torch.Tensor, index: torch.Tensor, corner: torch.Tensor) -> torch.Tensor:
    at = torch.arange(WINDOW, device=images.device)
    rows, columns = corner[:, 1, None] + at, corner[:, 0, None] + at
    cut = images.permute(0, 2, 3, 1)[index[:, None, None], rows[:, :, None], columns[:, None, :]]
    return cut.permute(0, 3, 1, 2)


def join(parts: Sequence[People]) -> People:
    """Return several sets as one."""
    tensors = {f.name: torch.cat([getattr(p, f.name) for p in parts]) for f in fields(People) if f.name != "captions"}
    return People(**tensors, captions=[caption for part in parts for caption in part.captions])


def mirrored(keypoints: torch.Tensor, size: int = SIZE) -> torch.Tensor:
    """Return key points [N, 60, 3] of the mirrored pictures."""
    turned = keypoints[:, list(MIRROR)].clone()
    turned[..., 0] = size - turned[..., 0]
    return turned


def mirrored_words(caption: str) -> str:
    """Return the caption of the mirrored picture."""
    return " ".join(
        word.replace("left", "\0").replace("right", "left").replace("\0", "right") for word in caption.split(" ")
    )


def varied(caption: str, rng: np.random.Generator, drop: float = 0.12) -> str:
    """Return a caption with some phrases left out and, half the time, those after the first in another order."""
    first, *rest = caption.split(", ")
    rest = [phrase for phrase in rest if rng.random() > drop]
    if rng.random() < 0.4:
        rng.shuffle(rest)
    return ", ".join([first, *rest])


def pose_maps(keypoints: torch.Tensor, size: int = SIZE, workers: int | None = None) -> torch.Tensor:
    """Return the OpenPose maps uint8 [N, 3, S, S] of key points [N, 60, 3], drawn by portrait.poses."""
    chunks = [(chunk.numpy(), size) for chunk in keypoints.split(256)]
    workers = workers or max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    if workers == 1:
        drawn = list(map(_draw, chunks))
    else:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            drawn = list(pool.map(_draw, chunks))
    return torch.from_numpy(np.concatenate(drawn)).permute(0, 3, 1, 2).contiguous()


def _draw(job: tuple[np.ndarray, int]) -> np.ndarray:
    from ...portrait.poses import draw

    return draw(job[0][:, None], job[1], job[1])


def close_ups(people: People, seed: int, faces: int = 2, details: int = 6) -> tuple[torch.Tensor, list[str]]:
    """Return sharp 256 px crops of large renders, uint8 [M, 3, 256, 256], and their captions.

    For every picture: `faces` crops about the face at 1.5 to 3 times its box, and `details` squares of 200 to 600
    pixels of a 1024 px picture, centred on the person.
    """
    rng = np.random.default_rng(seed)
    size = people.images.shape[-1]
    crops, captions = [], []
    for i in range(len(people)):
        x0, y0, x1, y1 = people.boxes[i].tolist()
        squares: list[tuple[float, float, float, str]] = []
        face = max(x1 - x0, y1 - y0)
        for _ in range(faces):
            side = face * rng.uniform(1.5, 3.0)
            shift = rng.normal(0, 0.08, 2) * side
            squares.append(((x0 + x1) / 2 + shift[0], (y0 + y1) / 2 + shift[1], side, "close-up "))
        on = people.masks[i].nonzero()
        for _ in range(details):
            side = rng.uniform(200, 600) * size / LARGE
            centre = (on[rng.integers(len(on))].float().cpu().numpy() + rng.uniform(0, 1, 2)) * 8
            squares.append((centre[1], centre[0], side, "detail of "))
        for x, y, side, word in squares:
            side = int(min(max(side, SIZE * 0.75), size))
            left = int(np.clip(x - side / 2, 0, size - side))
            top = int(np.clip(y - side / 2, 0, size - side))
            crop = people.images[i : i + 1, :, top : top + side, left : left + side].float()
            crops.append(F.interpolate(crop, (SIZE, SIZE), mode="bicubic", antialias=True).clamp(0, 255).round().byte())
            captions.append(word + people.captions[i])
    return torch.cat(crops), captions
