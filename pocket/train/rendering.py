"""The phase render: people, as many as the time allows."""

from __future__ import annotations

from multiprocessing import get_context

import torch

from .data import LARGE, SIZE, People
from .machine import meet, rank, ranks
from .settings import RankSettings


def render(settings: RankSettings, count: int, large: int, seed: int, seconds: float, workers: int) -> dict[str, float]:
    """Render up to `count` pictures at 256 px and `large` at 1024 px on every rank, for about `seconds` in all.

    `workers` processes share a GPU, each with its own seed; rank 0 also renders some for measuring the autoencoder.
    """
    jobs: list[list[tuple]] = []
    for worker in range(workers):
        first, end = seed + 1000 * rank() + 10 * worker, f"-{rank()}-{worker}.safetensors"
        jobs.append(
            [
                (large // workers, first + 1, LARGE, 0.3 * seconds, settings.path("large" + end)),
                (count // workers, first, SIZE, 0.7 * seconds, settings.path("people" + end)),
            ]
        )
    if rank() == 0:
        jobs[0].insert(0, (min(256, count), seed - 1, SIZE, seconds, settings.path("held-0-0.safetensors")))
    context = get_context("spawn")
    running = [context.Process(target=_render, args=(job, settings.device)) for job in jobs]
    for process in running:
        process.start()
    for process in running:
        process.join()
        if process.exitcode:
            raise SystemExit(f"a renderer ended with exit code {process.exitcode}")
    meet()
    return {name: len(settings.people(name)) * ranks() for name in ("people", "large")}


def _render(jobs: list[tuple], device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_device(device)
    for count, seed, size, seconds, path in jobs:
        if not path.exists():
            beside = path.with_suffix(".new")
            People.render(count, seed, device, size, seconds).save(beside)
            beside.replace(path)
