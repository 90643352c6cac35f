"""Small ComfyUI graphs over the pocket models, and a way to run one and look at its pictures."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from ..runner import Client, Job
from ..runner import run as run_job
from .assemble import CHECKPOINT, CONTROLNETS, UPSCALER

PocketPrompt = dict[str, dict[str, Any]]


def text_to_image(
    prompts: list[str],
    seed: int,
    *,
    steps: int = 12,
    cfg: float = 3.5,
    sampler: str = "dpmpp_2m",
    scheduler: str = "karras",
    size: int = 256,
    pose: str | None = None,
    strength: float = 1.0,
    negative: str = "",
) -> PocketPrompt:
    """Return an API graph that makes one picture a prompt; `pose` is a map in the host's input folder.

    Each prompt is sampled at seed, seed + 1, ... and saved by the node named "save<index>".
    """
    graph: PocketPrompt = {
        "model": _node("CheckpointLoaderSimple", ckpt_name=_name(CHECKPOINT)),
        "negative": _node("CLIPTextEncode", text=negative, clip=["model", 1]),
        "latent": _node("EmptyLatentImage", width=size, height=size, batch_size=1),
    }
    if pose:
        graph["pose"] = _node("LoadImage", image=pose)
        graph["control"] = _node("ControlNetLoader", control_net_name=_name(CONTROLNETS["openpose"]))
    for i, prompt in enumerate(prompts):
        positive, negatives = [f"positive{i}", 0], ["negative", 0]
        graph[f"positive{i}"] = _node("CLIPTextEncode", text=prompt, clip=["model", 1])
        if pose:
            graph[f"apply{i}"] = _node(
                "ControlNetApplyAdvanced",
                positive=positive,
                negative=negatives,
                control_net=["control", 0],
                image=["pose", 0],
                strength=strength,
                start_percent=0.0,
                end_percent=1.0,
            )
            positive, negatives = [f"apply{i}", 0], [f"apply{i}", 1]
        graph[f"sample{i}"] = _node(
            "KSampler",
            model=["model", 0],
            seed=seed + i,
            steps=steps,
            cfg=cfg,
            sampler_name=sampler,
            scheduler=scheduler,
            positive=positive,
            negative=negatives,
            latent_image=["latent", 0],
            denoise=1.0,
        )
        graph[f"decode{i}"] = _node("VAEDecode", samples=[f"sample{i}", 0], vae=["model", 2])
        graph[f"save{i}"] = _node("PreviewImage", images=[f"decode{i}", 0])
    return graph


def enlarge(graph: PocketPrompt, index: int = 0) -> PocketPrompt:
    """Return the graph with picture `index` also enlarged four times, saved by the node "enlarged"."""
    return graph | {
        "upscaler": _node("UpscaleModelLoader", model_name=_name(UPSCALER)),
        "upscale": _node("ImageUpscaleWithModel", upscale_model=["upscaler", 0], image=[f"decode{index}", 0]),
        "enlarged": _node("PreviewImage", images=["upscale", 0]),
    }


def round_trip(pictures: list[str]) -> PocketPrompt:
    """Return an API graph that sends pictures of the input folder through the VAE and back."""
    graph: PocketPrompt = {"model": _node("CheckpointLoaderSimple", ckpt_name=_name(CHECKPOINT))}
    for i, picture in enumerate(pictures):
        graph[f"load{i}"] = _node("LoadImage", image=picture)
        graph[f"encode{i}"] = _node("VAEEncode", pixels=[f"load{i}", 0], vae=["model", 2])
        graph[f"decode{i}"] = _node("VAEDecode", samples=[f"encode{i}", 0], vae=["model", 2])
        graph[f"save{i}"] = _node("PreviewImage", images=[f"decode{i}", 0])
    return graph


def run(url: str, graph: PocketPrompt, timeout: float = 600.0) -> dict[str, np.ndarray]:
    """Run a graph on the host at `url` and return the first picture [H, W, 3] uint8 of every saving node.

    Raises what the runner raises, a PortraitError, when the host refuses the graph, a node fails, or `timeout` seconds
    pass.
    """
    pictures: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder, Client(url) as client:
        for image in run_job(Job(graph), client, Path(folder), timeout=timeout, previews=True).images:
            if image.node not in pictures:
                with Image.open(image.file) as opened:
                    pictures[image.node] = np.asarray(opened.convert("RGB"))
    return pictures


def _name(path: str) -> str:
    return PurePosixPath(path).name


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}
