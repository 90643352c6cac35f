"""From trained weights to the shipped shards: what is stored in how many bits, and the pins."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ...portrait import disk
from ..assemble import CHECKPOINT, CONTROLNETS, PINS, UPSCALER, complete, digest, files, read_parts
from ..packing import safetensors_bytes, write_shard

FOLDER = "shards"
UNET = (4, 32)
"""Bits a weight and weights a step, for everything in the UNet that is a matrix."""
CONTROL_DELTA = (3, 64)
CONTROL_OWN = (6, 64)
VAE = (8, 32)
LIMIT = 15_500_000
SD15_FACTOR = 0.18215


def _arrays(tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: value.float().contiguous().numpy() for name, value in tensors.items()}


def _folder(work: Path) -> Path:
    (work / FOLDER).mkdir(parents=True, exist_ok=True)
    return work / FOLDER


def _write(work: Path, name: str, tensors: dict[str, np.ndarray], precision: dict[str, tuple[int, int]]) -> None:
    """Write shards name-0, name-1, ... of at most LIMIT bytes; `precision` names what is quantised, and how."""
    parts: list[dict[str, np.ndarray]] = [{}]
    filled = 0.0
    for key in sorted(tensors):
        bits, group = precision.get(key, (16, 1 << 30))
        size = tensors[key].size * (bits + 16 / group) / 8
        if filled + size > LIMIT:
            parts.append({})
            filled = 0
        parts[-1][key] = tensors[key]
        filled += size
    for old in _folder(work).glob(f"{name}-[0-9]*.safetensors"):
        old.unlink()
    for i, part in enumerate(parts):
        write_shard(_folder(work) / f"{name}-{i}.safetensors", part, precision)


def unet(work: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Store the UNet."""
    arrays = _arrays(tensors)
    _write(work, "unet", arrays, {name: UNET for name, value in arrays.items() if value.ndim > 1})


def stored(work: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Return everything stored so far as it will be assembled, float32, by part."""
    shards = {path.name: path.read_bytes() for path in sorted(_folder(work).glob("*.safetensors"))}
    parts = read_parts(shards)
    for name in set(parts) & set(CONTROLNETS):
        parts[name] = complete(parts[name], parts["unet"])
    return {
        part: {name: torch.from_numpy(value.astype(np.float16).astype(np.float32)) for name, value in tensors.items()}
        for part, tensors in parts.items()
    }


def controlnet(work: Path, name: str, tensors: dict[str, torch.Tensor]) -> None:
    """Store a ControlNet: its difference from the stored UNet where they share a name, itself elsewhere."""
    base = {key: value.numpy() for key, value in stored(work)["unet"].items()}
    arrays = _arrays(tensors)
    precision: dict[str, tuple[int, int]] = {
        key: CONTROL_DELTA if key in base else CONTROL_OWN for key, value in arrays.items() if value.ndim > 1
    }
    _write(work, name, {key: v - base[key] if key in base else v for key, v in arrays.items()}, precision)


def vae(work: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Store the autoencoder."""
    arrays = _arrays(tensors)
    _write(work, "vae", arrays, {name: VAE for name, value in arrays.items() if value.ndim > 1})


def scale(work: Path, mean: float, deviation: float) -> None:
    """Store the latents' one scale and shift, with SD1.5's own factor folded in.

    The UNet sees 0.18215 (z / vae_scale + vae_shift), which must be (z - mean) / deviation.
    """
    folded = SD15_FACTOR * deviation
    tensors = {"vae_scale": np.array(folded, np.float32), "vae_shift": np.array(-mean / folded, np.float32)}
    _write(work, "vae-scale", tensors, {})


def stored_scale(work: Path) -> tuple[float, float] | None:
    """Return the mean and deviation of latents that `scale` stored, or None."""
    path = _folder(work) / "vae-scale-0.safetensors"
    if not path.exists():
        return None
    values = read_parts({path.name: path.read_bytes()})["vae"]
    folded = float(values["vae_scale"])
    return -float(values["vae_shift"]) * folded, folded / SD15_FACTOR


def upscaler(work: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Store the upscaler, as it is: it is small, and its layers pass values on exactly."""
    _write(work, "upscaler", _arrays(tensors), {})


def pin(weights: Path) -> dict[str, dict[str, str]]:
    """Write pins.json for the shards in `weights`: their sha256, and that of every file assembled from them."""
    shards = {path.name: path.read_bytes() for path in sorted(weights.glob("*.safetensors"))}
    names = [CHECKPOINT, *CONTROLNETS.values(), UPSCALER]
    digests = {}
    for name, make in zip(names, files(read_parts(shards)), strict=True):
        digests[name] = digest(safetensors_bytes(make()))
    pins = {"shards": {name: digest([data]) for name, data in shards.items()}, "files": digests}
    disk.write(weights / PINS, json.dumps(pins, indent=1).encode())
    return pins


def deliver(work: Path, sheets: Path, out: Path) -> None:
    """Put everything worth keeping into `out`, as a tar file in parts of at most LIMIT bytes; whole after every phase.

    `cat part-* | tar x` gives the shards, the contact sheets and figures.json.
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path in sorted([*_folder(work).glob("*.safetensors"), *sheets.iterdir()]):
            tar.add(path, path.name)
    data = stream.getvalue()
    names = []
    for i, start in enumerate(range(0, len(data), LIMIT)):
        names.append(f"part-{i}")
        disk.write(out / names[-1], data[start : start + LIMIT])
    for old in set(out.glob("part-*")) - {out / name for name in names}:
        old.unlink()


def adopt(weights: Path, work: Path) -> None:
    """Begin from shipped shards: copy them to the work folder, and make states of the VAE and the UNet from them."""
    for path in weights.glob("*.safetensors"):
        shutil.copyfile(path, _folder(work) / path.name)
    for part, tensors in stored(work).items():
        if part in ("vae", "unet", "upscaler") and not (work / f"{part}.safetensors").exists():
            named = {name: value for name, value in tensors.items() if value.dim()}
            both = {f"{kind}.{name}": value for name, value in named.items() for kind in ("weight", "mean")}
            info = {"run": json.dumps({"step": 0, "trained": 0.0})}
            save_file({key: value.clone() for key, value in both.items()}, work / f"{part}.safetensors", info)
