"""Where a training keeps what it needs to go on after a crash: whole files only, safetensors and JSON."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..portrait import disk
from ..portrait.errors import PortraitError
from ..portrait.subjects import check_safetensors

NOTES = "state.json"


class StateError(PortraitError):
    """A training cannot keep or find its files."""

    key = "state"


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises StateError when the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.write(path, content)
    except OSError as error:
        advice = "free some space" if error.errno == errno.ENOSPC else "look at the disk and the folder's permissions"
        raise StateError(
            f"The training of {_subject(path)!r} cannot write {path.name} ({error.strerror or error}); {advice}."
        ) from None


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors, whole or not at all. Raises StateError when the disk refuses."""
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write(path, save(plain, dict(metadata) if metadata else None))


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors. Raises PortraitError when the file is missing or not whole."""
    from safetensors.torch import load_file

    check_safetensors(path)
    return load_file(path)


def save(folder: Path, parts: Mapping[str, Mapping[str, torch.Tensor]], notes: Mapping[str, Any]) -> None:
    """Keep the state of a training; each of `parts` is a group of tensors.

    The notes name the tensors' file and are replaced last, so that a crash between the two leaves the older state.
    Raises StateError when the disk refuses.
    """
    name = f"state-{int(notes['step']):06d}.safetensors"
    joint = {f"{part}/{key}": tensor for part, tensors in parts.items() for key, tensor in tensors.items()}
    save_tensors(folder / name, joint)
    write(folder / NOTES, json.dumps({**notes, "tensors": name}, ensure_ascii=False, indent=1).encode() + b"\n")
    for old in folder.glob("state-*.safetensors"):
        if old.name != name:
            old.unlink(missing_ok=True)


def load(folder: Path) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, Any]] | None:
    """Return what `save` kept, or None when there is nothing whole to go on from."""
    try:
        notes = json.loads((folder / NOTES).read_text("utf-8"))
        tensors = load_tensors(folder / Path(notes["tensors"]).name)
    except (OSError, ValueError, KeyError, TypeError, PortraitError):
        return None
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = tensor
    return parts, notes


def _subject(file: Path) -> str:
    """Return whose training a file belongs to: <subject>/training/<file>."""
    parents = [parent.name for parent in file.parents]
    return parents[parents.index("training") + 1] if "training" in parents[:-1] else file.parent.name
