"""The files that a run of sd-scripts leaves: checkpoints once they are whole, made anonymous, and samples."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...portrait import subjects
from ...portrait.disk import writing
from ...portrait.subject_store import handed_on
from .command import NAME, OUTPUT
from .errors import KohyaError

_STEP = re.compile(rf"^{NAME}-step(\d+)\.safetensors$")
_SAMPLE = re.compile(rf"^{NAME}_e?(\d+)_(\d+)_\d+(?:_\d+)?\.png$")  # e: the samples before the first step


@dataclass(frozen=True)
class Sample:
    """A picture that sd-scripts made of prompt number `prompt` after `step` steps."""

    step: int
    prompt: int
    path: Path


class Pickup:
    """Looks into the folder of a run for what is new."""

    def __init__(self, folder: Path, steps: int) -> None:
        self._folder = folder / OUTPUT
        self._steps = steps
        self._seen: set[Path] = set()

    def checkpoints(self) -> list[tuple[int, Path]]:
        """Return (step, file) of checkpoints that have become whole since the last call, in order."""
        found = []
        for path in self._folder.glob(f"{NAME}*.safetensors"):
            step = self._steps if path.stem == NAME else _number(_STEP, path.name)
            if step is not None and path not in self._seen and _whole(path):
                self._seen.add(path)
                found.append((step, path))
        return sorted(found)

    def samples(self) -> list[Sample]:
        """Return samples that have become whole since the last call, in order."""
        found = []
        for path in (self._folder / "sample").glob(f"{NAME}_*.png"):
            name = _SAMPLE.match(path.name)
            if name and path not in self._seen and _ends_as_png(path):
                self._seen.add(path)
                found.append(Sample(int(name[1]), int(name[2]), path))
        return sorted(found, key=lambda sample: (sample.step, sample.prompt))


def clean(path: Path, target: Path, facts: Mapping[str, str]) -> bool:
    """Move a LoRA to `target`; return whether its numbers are finite.

    Its metadata are then `facts`, and of its own what may be handed on (portrait/handed_on.json).

    Raises KohyaError when the file cannot be read or the disk refuses.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file, save_file

    allowed = handed_on()["lora"]
    try:
        header = subjects.check_safetensors(path)
        tensors = load_file(path)
        if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
            return False
        metadata = dict(facts) | {key: value for key, value in header.metadata.items() if key in allowed}
        with writing(target) as part:
            save_file(tensors, part, metadata)
        path.unlink()
    except (OSError, SafetensorError) as error:
        raise KohyaError(f"The checkpoint {path.name} cannot be kept ({error}); free some room.") from None
    return True


def _number(pattern: re.Pattern[str], name: str) -> int | None:
    found = pattern.match(name)
    return int(found[1]) if found else None


def _whole(path: Path) -> bool:
    try:
        subjects.check_safetensors(path)
    except subjects.SubjectError:
        return False
    return True


def _ends_as_png(path: Path) -> bool:
    """Every PNG ends with its IEND chunk (PNG specification, 11.2.5)."""
    try:
        with path.open("rb") as file:
            file.seek(-12, os.SEEK_END)
            return file.read(12)[4:8] == b"IEND"
    except OSError:
        return False
