"""From the shipped shards to the ordinary ComfyUI files, bit for bit the same on every machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from ..portrait import disk
from ..portrait.errors import PortraitError
from . import text_encoder
from .packing import read_shard, safetensors_bytes

WEIGHTS = Path(__file__).with_name("weights")
PINS = "pins.json"
ARCHIVE = "pocket-weights.zip"  # the shards as a release has them, for a pack that came without
CHECKPOINT = "checkpoints/pocket.safetensors"
CONTROLNETS = {name: f"controlnet/pocket-{name}.safetensors" for name in ("openpose", "tile")}
UPSCALER = "upscale_models/pocket-x4.safetensors"
LARGEST = 16 << 20  # bytes of a shard: no file of the repository is larger
UNET_PREFIX, VAE_PREFIX = "model.diffusion_model.", "first_stage_model."

Tensors = dict[str, np.ndarray]
Place = Path | zipfile.Path


class AssemblyError(PortraitError):
    """A shard or an assembled file is not what it should be."""


def assemble(models_dir: Path, weights: Place = WEIGHTS, pins_dir: Path | None = None) -> list[Path]:
    """Write the pocket checkpoint, ControlNets and upscaler under `models_dir` and return their paths.

    `models_dir` is ComfyUI's models folder, `weights` a folder of shards or a zip of them. pins.json, which has the
    sha256 of every shard and of every assembled file, is read from `pins_dir`: the folder of the shards unless given.
    A file that is already right is left alone; a new one appears whole or not at all.

    Raises AssemblyError naming the shard (or file) and its hash, before anything is written.
    """
    targets = [CHECKPOINT, *CONTROLNETS.values(), UPSCALER]
    pins = _pins(pins_dir or weights)
    shards = _verified(weights, pins["shards"])
    if all(_is(models_dir / name, pins["files"].get(name)) for name in targets):
        return [models_dir / name for name in targets]
    parts = read_parts(shards)
    made: dict[str, list[bytes]] = {}
    for name, make in zip(targets, files(parts), strict=True):
        pieces = safetensors_bytes(make())
        found = digest(pieces)
        if found != pins["files"].get(name):
            raise AssemblyError(
                f"{name} assembled from {weights} has sha256 {found} where {PINS} says {pins['files'].get(name)}; "
                "get a whole copy of the shards and report this machine's numpy version"
            )
        if not _is(models_dir / name, found):
            made[name] = pieces
    for name, pieces in made.items():
        _write(models_dir / name, pieces)
    return [models_dir / name for name in targets]


def places(*folders: Path) -> dict[str, Place]:
    """Return where whole sets of shards are, by name: in the pack, in a folder of `folders`, or in its ARCHIVE.

    A set counts as whole when every shard of pins.json is there; `assemble` looks at what is in them.
    """
    found: dict[str, Place] = {}
    wanted = _pins(WEIGHTS)["shards"]
    for folder in (WEIGHTS, *folders):
        name = "in this pack" if folder == WEIGHTS else folder.name
        if all((folder / shard).is_file() for shard in wanted):
            found[name] = folder
        with contextlib.suppress(OSError, zipfile.BadZipFile):
            inside = zipfile.Path(folder / ARCHIVE)
            if all((inside / shard).is_file() for shard in wanted):
                found[f"{folder.name}/{ARCHIVE}"] = inside
    return found


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


def _pins(weights_dir: Place) -> dict[str, dict[str, str]]:
    path = weights_dir / PINS
    try:
        pins = json.loads(path.read_text("utf-8"))
        return {"shards": dict(pins["shards"]), "files": dict(pins["files"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssemblyError(f"{path} cannot be read ({error}); get a whole copy of the shards") from error


def _verified(weights_dir: Place, pins: dict[str, str]) -> dict[str, bytes]:
    shards = {}
    for name, expected in pins.items():
        try:
            with (weights_dir / name).open("rb") as file:
                data = file.read(LARGEST + 1)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise AssemblyError(
                f"shard {name} (sha256 {expected}) is missing from {weights_dir} or broken; get all shards again"
            ) from error
        if (found := hashlib.sha256(data).hexdigest()) != expected:
            raise AssemblyError(
                f"shard {weights_dir / name} has sha256 {found} where {PINS} says {expected}; "
                "get a whole copy of the shards"
            )
        shards[name] = data
    return shards


def digest(pieces: Iterable[bytes]) -> str:
    """Return the sha256, in hex, of a file in pieces."""
    sha256 = hashlib.sha256()
    for piece in pieces:
        sha256.update(piece)
    return sha256.hexdigest()


def _is(path: Path, expected: str | None) -> bool:
    return path.is_file() and disk.sha256(path) == expected


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with disk.writing(path) as beside, beside.open("wb") as file:
        file.writelines(pieces)
