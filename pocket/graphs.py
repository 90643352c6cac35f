"""Small ComfyUI graphs over the pocket models, and a way to run one and look at its pictures."""

from __future__ import annotations

import io
import json
import time
import urllib.parse
import urllib.request
import uuid
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from ..portrait.errors import PortraitError
from .assemble import CHECKPOINT, CONTROLNETS, UPSCALER

Graph = dict[str, dict[str, Any]]


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
) -> Graph:
    """Return an API graph that makes one picture a prompt; `pose` is a map in the host's input folder.

    Each prompt is sampled at seed, seed + 1, ... and saved by the node named "save<index>".
    """
    graph: Graph = {
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


def enlarge(graph: Graph, index: int = 0) -> Graph:
    """Return the graph with picture `index` also enlarged four times, saved by the node "enlarged"."""
    return graph | {
        "upscaler": _node("UpscaleModelLoader", model_name=_name(UPSCALER)),
        "upscale": _node("ImageUpscaleWithModel", upscale_model=["upscaler", 0], image=[f"decode{index}", 0]),
        "enlarged": _node("PreviewImage", images=["upscale", 0]),
    }


def round_trip(pictures: list[str]) -> Graph:
    """Return an API graph that sends pictures of the input folder through the VAE and back."""
    graph: Graph = {"model": _node("CheckpointLoaderSimple", ckpt_name=_name(CHECKPOINT))}
    for i, picture in enumerate(pictures):
        graph[f"load{i}"] = _node("LoadImage", image=picture)
        graph[f"encode{i}"] = _node("VAEEncode", pixels=[f"load{i}", 0], vae=["model", 2])
        graph[f"decode{i}"] = _node("VAEDecode", samples=[f"encode{i}", 0], vae=["model", 2])
        graph[f"save{i}"] = _node("PreviewImage", images=[f"decode{i}", 0])
    return graph


def run(url: str, graph: Graph, timeout: float = 600.0) -> dict[str, np.ndarray]:
    """Run a graph on the host at `url` and return the first picture [H, W, 3] uint8 of every saving node.

    Raises PortraitError when the host refuses the graph, a node fails, or `timeout` seconds pass.
    """
    body = json.dumps({"prompt": graph, "client_id": uuid.uuid4().hex}).encode()
    request = urllib.request.Request(f"{url}/prompt", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            job = json.load(answer)["prompt_id"]
    except urllib.error.HTTPError as error:
        raise PortraitError(f"{url} refused the graph: {error.read().decode('utf-8', 'replace')[:600]}") from error
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{url}/history/{job}", timeout=60) as answer:
            entry = json.load(answer).get(job)
        if entry and entry["status"]["completed"]:
            return {name: _picture(url, out["images"][0]) for name, out in entry["outputs"].items() if "images" in out}
        if entry and entry["status"]["status_str"] == "error":
            failed = dict(entry["status"]["messages"]).get("execution_error", {})
            raise PortraitError(f"{failed.get('node_type')} failed on {url}: {failed.get('exception_message')}")
        time.sleep(0.1)
    raise PortraitError(f"{url} did not finish the graph within {timeout:.0f} s")


def _picture(url: str, saved: dict[str, str]) -> np.ndarray:
    with urllib.request.urlopen(f"{url}/view?{urllib.parse.urlencode(saved)}", timeout=60) as answer:
        return np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGB"))


def _name(path: str) -> str:
    return PurePosixPath(path).name


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}
