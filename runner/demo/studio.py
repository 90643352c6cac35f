"""The studio on this machine: its own ComfyUI with the pocket models."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ...portrait.places import ROOT
from ..client import HostError, LocalHost, start

EXAMPLES = ROOT / "pocket" / "subjects"
MODEL_FOLDERS = ("checkpoints", "controlnet", "upscale_models", "loras", "vae")
_HAS_ACCELERATOR = (
    "import torch; print(torch.cuda.is_available() or torch.backends.mps.is_available() "
    "or (hasattr(torch, 'xpu') and torch.xpu.is_available()))"
)


@dataclass(frozen=True)
class HostInstallation:
    """A ComfyUI folder, the interpreter it runs with, and a folder of models that it shall see beside its own."""

    comfyui: Path
    python: Path
    models: Path

    def open(self, work: Path) -> LocalHost:
        """Start the host with its inputs, outputs and settings under `work`. Raises HostError."""
        arguments = ["--extra-model-paths-config", str(model_paths(self.models, work)), *self._device()]
        return start(self.comfyui, self.python, work, arguments=arguments)

    def _device(self) -> list[str]:
        """Return --cpu where torch finds nothing faster: ComfyUI does not start without it there."""
        try:
            probe = subprocess.run([self.python, "-c", _HAS_ACCELERATOR], capture_output=True, text=True, check=False)
        except OSError as error:
            raise HostError(f"The interpreter {self.python.name!r} cannot be started ({error.strerror})") from error
        if probe.returncode:
            reason = (probe.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise HostError(f"The host's Python cannot import torch ({reason}): give the one that ComfyUI runs with")
        return [] if probe.stdout.strip() == "True" else ["--cpu"]


def model_paths(models: Path, work: Path) -> Path:
    """Write into `work` what makes a host look for models in `models` beside its own folders; return the file."""
    work.mkdir(parents=True, exist_ok=True)
    file = work / "model_paths.json"  # JSON is YAML, which is what the host reads
    folders = {name: name for name in MODEL_FOLDERS}
    file.write_text(json.dumps({"portrait_studio": {"base_path": str(models), **folders}}), "utf-8")
    return file


def example_photos(name: str) -> list[Path]:
    """Return the photos of a person that ships with the pack, in order; the held-out references are not among them."""
    return sorted((EXAMPLES / name).glob("*.jpg"))
