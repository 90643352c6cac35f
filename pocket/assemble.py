"""From the shipped shards to the ordinary ComfyUI files, bit for bit the same on every machine."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from ..portrait.errors import PortraitError
from . import text_encoder
from .packing import read_shard, safetensors_bytes

WEIGHTS = Path(__file__).with_name("weights")
PINS = "pins.json"
CHECKPOINT = "checkpoints/pocket.safetensors"
CONTROLNETS = {name: f"controlnet/pocket-{name}.safetensors" for name in ("openpose", "tile")}
UPSCALER = "upscale_models/pocket-x4.safetensors"
UNET_PREFIX, VAE_PREFIX = "model.diffusion_model.", "first_stage_model."

Tensors = dict[str, np.ndarray]


class AssemblyError(PortraitError):
    """A shard or an assembled file is not what it should be."""


def assemble(models_dir: Path, weights_dir: Path | None) -> list[Path]:
    """Write the pocket checkpoint, ControlNets and upscaler under `models_dir` and return their paths.

    `models_dir` is ComfyUI's models folder. `weights_dir` holds the shards and pins.json, which carries the sha256 of
    every shard and of every assembled file; None makes seeded random weights of the same shapes. A file that is already
    right is left alone; a new one appears whole or not at all.

    Raises AssemblyError naming the shard (or file) and its hash, before anything is written.
    """
    targets = [CHECKPOINT, *CONTROLNETS.values(), UPSCALER]
    pins: dict[str, dict[str, str]] = {"files": {}}
    if weights_dir is None:
        parts = _random_parts()
    else:
        pins = _pins(weights_dir)
        shards = _verified(weights_dir, pins["shards"])
        if all(_sha256(models_dir / name) == pins["files"].get(name) for name in targets):
            return [models_dir / name for name in targets]
        parts = read_parts(shards)
    made: dict[str, list[bytes]] = {}
    for name, make in zip(targets, files(parts), strict=True):
        pieces = safetensors_bytes(make())
        digest = _digest(pieces)
        if weights_dir is not None and digest != pins["files"].get(name):
            raise AssemblyError(
                f"{name} assembled from {weights_dir} has sha256 {digest} where {PINS} says "
                f"{pins['files'].get(name)}; check out pocket/weights again and report this machine's numpy version"
            )
        if _sha256(models_dir / name) != digest:
            made[name] = pieces
    for name, pieces in made.items():
        _write(models_dir / name, pieces)
    return [models_dir / name for name in targets]


def complete(controlnet: Tensors, unet: Tensors) -> Tensors:
    """Return a whole ControlNet: the UNet's encoder, plus the stored differences, plus what it has of its own."""
    ours = ("time_embed.", "input_blocks.", "middle_block.")
    base = {name: value for name, value in unet.items() if name.startswith(ours)}
    added = {name: base[name] + value if name in base else value for name, value in controlnet.items()}
    return base | added


def files(parts: dict[str, Tensors]) -> list[Callable[[], Tensors]]:
    """Return the makers of the assembled files' tensors: checkpoint, ControlNets, upscaler."""

    def checkpoint() -> Tensors:
        unet = {UNET_PREFIX + name: value for name, value in _half(parts["unet"]).items()}
        vae = {VAE_PREFIX + name: value for name, value in _half(parts["vae"]).items()}
        return unet | vae | text_encoder.tensors()

    def controlnet(name: str) -> Callable[[], Tensors]:
        return lambda: _half(complete(parts[name], parts["unet"]))

    return [checkpoint, *(controlnet(name) for name in CONTROLNETS), lambda: _half(parts["upscaler"])]


def _half(tensors: Tensors) -> Tensors:
    return {name: tensors[name].astype(np.float16 if tensors[name].ndim else np.float32) for name in sorted(tensors)}


def read_parts(shards: dict[str, bytes]) -> dict[str, Tensors]:
    """Return the float32 tensors of shards by part; a shard is named <part>-<anything>.safetensors."""
    parts: dict[str, Tensors] = {}
    for name, data in shards.items():
        parts.setdefault(name.partition(".")[0].partition("-")[0], {}).update(read_shard(data))
    return parts


def _pins(weights_dir: Path) -> dict[str, dict[str, str]]:
    path = weights_dir / PINS
    try:
        pins = json.loads(path.read_text("utf-8"))
        return {"shards": dict(pins["shards"]), "files": dict(pins["files"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssemblyError(f"{path} cannot be read ({error}); check out pocket/weights again") from error


def _verified(weights_dir: Path, pins: dict[str, str]) -> dict[str, bytes]:
    shards = {}
    for name, expected in pins.items():
        try:
            data = (weights_dir / name).read_bytes()
        except OSError as error:
            raise AssemblyError(
                f"shard {name} (sha256 {expected}) is missing from {weights_dir}; check out pocket/weights again"
            ) from error
        if (found := hashlib.sha256(data).hexdigest()) != expected:
            raise AssemblyError(
                f"shard {weights_dir / name} has sha256 {found} where {PINS} says {expected}; "
                "check out pocket/weights again"
            )
        shards[name] = data
    return shards


def _random_parts() -> dict[str, Tensors]:
    import torch

    from .train.networks import ControlNet, UNet, Upscaler, Vae

    with torch.device("meta"):
        layouts = {"unet": UNet(), "vae": Vae(), "openpose": ControlNet(), "tile": ControlNet(), "upscaler": Upscaler()}
    parts: dict[str, Tensors] = {}
    for seed, (part, network) in enumerate(layouts.items(), start=100):
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        noise = text_encoder.stream(seed, sum(map(np.prod, shapes.values())))
        parts[part] = {}
        for name in sorted(shapes):
            count = int(np.prod(shapes[name]))
            values, noise = (noise[:count].astype(np.float32) - 127.5) / 74, noise[count:]
            fan = int(np.prod(shapes[name][1:]))
            values = values / np.float32(np.sqrt(fan)) if fan > 1 else np.full_like(values, name.endswith("weight"))
            shared = part in CONTROLNETS and name in parts["unet"]
            parts[part][name] = values.reshape(shapes[name]) * (0 if shared else 1)
    parts["vae"] |= {"vae_scale": np.array(1, np.float32), "vae_shift": np.array(0, np.float32)}
    return parts


def _digest(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _read(file)


def _read(file) -> str:
    return _digest(iter(lambda: file.read(1 << 20), b""))


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
        Path(beside).chmod(0o644)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
