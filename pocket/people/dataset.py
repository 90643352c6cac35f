"""Endless captioned pictures of synthetic people, in batches on a device.

A picture is fixed by (seed, its number): the same call yields the same people, clothes, light and views. Identities
that are held out (held_out.json) are never among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context

import numpy as np
import torch

from . import captions, garments, light
from .camera import camera
from .identity import held_out, identity
from .render import Renderer, Shot
from .studio import staging

VIEWS = 4
FRAMINGS = {"close-up": 0.22, "head and shoulders": 0.48, "half body": 0.19, "full body": 0.11}
FIRST_IDENTITY, LAST_IDENTITY = 10_000, 9_000_000


@dataclass(frozen=True)
class Batch:
    """B pictures and their facts.

    images [B,3,S,S] uint8 on the device; keypoints [B,60,3] float32 (x, y in pixels, visible 0/1: 18 of the body, 21
    of the left hand, 21 of the right, OpenPose order); face_box [B,4] pixels (left, top, right, bottom); mask [B,S,S]
    uint8 (1: person); identity [B] int64 (the seed); captions and attributes: one per picture.
    """

    images: torch.Tensor
    keypoints: torch.Tensor
    face_box: torch.Tensor
    mask: torch.Tensor
    identity: torch.Tensor
    captions: list[str]
    attributes: list[dict[str, str]]


@lru_cache(maxsize=2)
def renderer(device: str) -> Renderer:
    """The renderer of a device, made once."""
    return Renderer(device)


@lru_cache(maxsize=1)
def _never() -> frozenset[int]:
    return frozenset(s for seeds in held_out().values() if isinstance(seeds, list) for s in seeds)


def shot_of(seed: int, number: int, framings: dict[str, float] | None = None) -> Shot:
    """The shot with this number of the stream `seed`; VIEWS neighbours show the same identity."""
    rng = np.random.Generator(np.random.Philox(key=[seed, number]))
    person = np.random.Generator(np.random.Philox(key=[seed, (1 << 40) + number // VIEWS]))
    never = _never()
    while (who := int(person.integers(FIRST_IDENTITY, LAST_IDENTITY))) in never:
        pass
    return shot_for(who, rng, framings)


def shot_for(who: int, rng: np.random.Generator, framings: dict[str, float] | None = None) -> Shot:
    """A random shot of an identity."""
    someone = identity(who)
    mix = framings or FRAMINGS
    framing = str(rng.choice(list(mix), p=np.array(list(mix.values())) / sum(mix.values())))
    stage = staging(rng, framing)
    return Shot(
        someone,
        garments.outfit(rng, someone.sex == "woman", **stage.wish),
        light.light(rng),
        camera(rng, framing, stage.yaw, stage.pitch),
        stage.expression,
        stage.pose,
        stage.words,
    )


def render_shots(shots: Sequence[Shot], device: torch.device | str, size: int, rng: np.random.Generator) -> Batch:
    """Render shots and say what is on them."""
    pictures = renderer(str(device)).render(shots, size)
    return Batch(
        pictures.images,
        pictures.keypoints,
        pictures.face_box,
        pictures.mask,
        torch.tensor([s.identity.seed for s in shots]),
        [captions.caption(s, rng) for s in shots],
        [captions.attributes(s) for s in shots],
    )


def render_dataset(
    count: int,
    seed: int,
    device: torch.device | str,
    size: int = 256,
    batch: int | None = None,
    framings: dict[str, float] | None = None,
    workers: int = 6,
) -> Iterator[Batch]:
    """Yield `count` pictures of `size` pixels in batches.

    Shots are drawn by `workers` processes ahead of the renderer. framings: share of each framing, default FRAMINGS.
    """
    on_gpu = torch.device(device).type == "cuda"
    batch = batch or max(1, (96 if on_gpu else 4) * 256**2 // size**2)
    jobs = [(seed, start, min(start + batch, count), framings) for start in range(0, count, batch)]
    with _pool(workers, count) as pool:
        ahead = [pool.submit(_draw, *job) for job in jobs[: workers * 2]]
        for k, (_, start, *_) in enumerate(jobs):
            if k + len(ahead) < len(jobs):
                ahead.append(pool.submit(_draw, *jobs[k + len(ahead)]))
            shots = ahead.pop(0).result()
            yield render_shots(
                shots, device, size, np.random.Generator(np.random.Philox(key=[seed, (1 << 41) + start]))
            )


def _pool(workers: int, count: int) -> Executor:
    """Processes for a long stream (drawing shots holds the interpreter's lock), a thread for a short one."""
    if count < 2000:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))


def _draw(seed: int, start: int, stop: int, framings: dict[str, float] | None) -> list[Shot]:
    return [shot_of(seed, n, framings) for n in range(start, stop)]
