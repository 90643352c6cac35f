"""The studio on this machine: its own ComfyUI with the pocket models, the canvas on it, and the demo."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..portrait.sheet import Tile, draw_sheet
from . import events, output, source
from .client import Client, HostInfo
from .errors import HostError
from .host import LocalHost, start
from .job import Job, Result, run, upload_photos
from .record import StageResult

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "pocket" / "subjects"
MODEL_FOLDERS = ("checkpoints", "controlnet", "upscale_models", "loras", "vae")
_HAS_ACCELERATOR = (
    "import torch; print(torch.cuda.is_available() or torch.backends.mps.is_available() "
    "or (hasattr(torch, 'xpu') and torch.xpu.is_available()))"
)


@dataclass(frozen=True)
class Installation:
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


def demo(
    host: LocalHost,
    folder: Path,
    photos: list[Path],
    listener: Callable[[events.Event], None] = lambda event: None,
    graph: Path = ROOT / "workflows" / "portrait-starter.v1.json",
) -> dict[str, Any]:
    """Run the starter graph on `photos` and leave portrait, stages, contact sheet and report in `folder`.

    What an earlier demo left there is replaced once this one is whole. Returns the report.
    """
    folder = folder.resolve()
    fresh = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    output.prepare(fresh)
    clock = time.monotonic()
    try:
        with Client(host.url) as client:
            about = client.about()
            # The example people are renders, which are more alike than photographs of people are.
            settings = {"same_person": "0.67"}
            job = source.job(client, graph, settings, lambda: upload_photos(client, photos, listener))
            result = run(job, client, fresh, listener=listener, host=about)
        report = _report(job, result, about, fresh, round(time.monotonic() - clock, 1))
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return report


def _report(job: Job, result: Result, about: HostInfo, folder: Path, seconds: float) -> dict[str, Any]:
    portrait = folder / "portrait.png"
    last = next(stage.file for stage in reversed(result.stages) if stage.file)
    shutil.copyfile(folder / last, portrait)
    shown = [stage for stage in result.stages if stage.file]
    tiles = [Tile(Image.open(folder / str(stage.file)), stage.title, _caption(stage)) for stage in shown]
    heading = f"{job.graph} {job.version}, seed {job.parameters.get('seed')}, {about.device}, {seconds:.0f} s"
    draw_sheet(tiles, heading, columns=3).save(folder / "contact_sheet.png")
    checkpoint = next(
        (body["inputs"]["ckpt_name"] for body in job.prompt.values() if "ckpt_name" in body.get("inputs", {})), None
    )
    report = {
        "host": {"version": about.version, "device": about.device},
        "checkpoint": checkpoint,
        "graph": {"name": job.graph, "version": job.version},
        "parameters": job.parameters,
        "stages": [asdict(stage) for stage in result.stages],
        "warnings": result.warnings,
        "seconds": seconds,
        "files": sorted([file.name for file in folder.iterdir()] + ["report.json"]),
    }
    output.replace(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=2).encode() + b"\n")
    return report


def _caption(stage: StageResult) -> str:
    likeness = "likeness not measured" if stage.likeness is None else f"likeness {stage.likeness:.2f}"
    faces = "" if stage.faces is None else f"{stage.faces} face{'s' * (stage.faces != 1)}, "
    return f"{faces}{likeness}" + ("" if stage.seconds is None else f", {stage.seconds:.1f} s")
