"""The demo: photos of an example person, a LoRA trained on them, and a portrait through every stage with that LoRA."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ...portrait.decoding import read_rgb
from ...portrait.lettering import PAPER
from ...portrait.sheet import Tile, draw_sheet
from ..client import Client, HostInfo, LocalHost, events
from ..graph import located
from ..jobs import Job, Result, StageResult, build, output, run, upload_photos
from .studio import ROOT

STARTER = located(Path("portrait-starter"))
TRAINER = located(Path("train-subject"))
PINS = ROOT / "pocket" / "weights" / "pins.json"
LOADER = "PortraitLoadSubject"
# The example people are renders, which are more alike than photographs of people are.
SAME_PERSON = {"same_person": "0.67"}


@dataclass(frozen=True)
class DemoTraining:
    """How the demo trains: the subject's name, and parameters of the graph train-subject."""

    name: str = "nora (demo)"
    settings: tuple[tuple[str, str], ...] = (
        *(("trigger", "n0ra"), ("class_word", "woman"), ("look", "red long wavy hair, fair skin")),
        ("preset", "pocket-quick"),
    )

    def fingerprint(self, photos: Sequence[Path]) -> str:
        """Return one sha256 over all that the training depends on: photos, settings, graph, checkpoint."""
        together = hashlib.sha256(repr((self.name, self.settings)).encode())
        for file in (*photos, TRAINER, PINS):
            together.update(hashlib.sha256(file.read_bytes()).digest())
        return together.hexdigest()


@dataclass(frozen=True)
class Trained:
    """A subject on the host; `stages` are those of the graph train-subject, `pictures` each one's files in `folder`."""

    name: str
    folder: Path
    stages: tuple[StageResult, ...]
    pictures: dict[str, list[str]]
    seconds: float
    warnings: tuple[str, ...]
    reused: bool = False


def run_demo(
    host: LocalHost,
    folder: Path,
    photos: list[Path],
    listener: events.Listener = lambda event: None,
    training: DemoTraining | None = None,
) -> dict[str, Any]:
    """Train on `photos` if `training` is given, run the starter graph, and leave pictures and report in `folder`.

    What an earlier demo left there is replaced once this one is whole. A subject that was trained on equal photos with
    equal settings is used again. Returns the report.
    """
    folder = folder.resolve()
    fresh = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    output.prepare(fresh)
    clock = time.monotonic()
    try:
        trained = train(host, photos, training, listener) if training else None
        settings = dict(SAME_PERSON) | ({"subject": trained.name} if trained else {})
        with Client(host.url, local=host) as client:  # a new one: the host's list of subjects has grown
            about = client.about()
            job = build.job(client, STARTER, settings, lambda: upload_photos(client, photos, listener))
            result = run(job, client, fresh, listener=listener, host=about)
        report = _report(job, result, about, fresh, round(time.monotonic() - clock, 1), trained)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return report


def train(host: LocalHost, photos: list[Path], training: DemoTraining, listener: events.Listener) -> Trained:
    """Return the demo's subject, trained now unless the host still has the one of equal photos and settings."""
    kept = host.work / "demo-subject"
    wanted = training.fingerprint(photos)
    with Client(host.url, local=host) as client:
        found = _kept(kept, wanted, client)
        if found:
            return found
        shutil.rmtree(kept, ignore_errors=True)
        settings = {"name": training.name, "replace": "true", **dict(training.settings)}
        job = build.job(client, TRAINER, settings, lambda: upload_photos(client, photos, listener))
        result = run(job, client, kept, listener=listener, host=client.about())
    pictures = {
        stage.name: [image.file.name for image in result.images if image.node == stage.image] for stage in job.stages
    }
    made = Trained(training.name, kept, tuple(result.stages), pictures, result.seconds, tuple(result.warnings))
    notes = {"fingerprint": wanted, "name": made.name, "pictures": pictures, "seconds": made.seconds}
    notes |= {"stages": [asdict(stage) for stage in made.stages], "warnings": list(made.warnings)}
    output.replace(kept / "trained.json", json.dumps(notes, ensure_ascii=False).encode())
    return made


def _kept(folder: Path, fingerprint: str, client: Client) -> Trained | None:
    try:
        notes = json.loads((folder / "trained.json").read_text("utf-8"))
        stages = tuple(StageResult(**stage) for stage in notes["stages"])
        pictures, warnings = notes["pictures"], tuple(notes["warnings"])
        found = Trained(notes["name"], folder, stages, pictures, notes["seconds"], warnings, reused=True)
        whole = all((folder / file).is_file() for files in pictures.values() for file in files)
        if notes["fingerprint"] != fingerprint or not whole:
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.name in _subjects(client.object_info()) else None


def _subjects(object_info: Mapping[str, Any]) -> Sequence[str]:
    """Return the names that the host's Load Subject offers."""
    spec = object_info.get(LOADER, {}).get("input", {}).get("required", {}).get("subject", ["COMBO", {}])
    return spec[0] if isinstance(spec[0], list) else spec[1].get("options", ())


def _report(
    job: Job, result: Result, about: HostInfo, folder: Path, seconds: float, trained: Trained | None
) -> dict[str, Any]:
    portrait = folder / "portrait.png"
    last = next(stage.file for stage in reversed(result.stages) if stage.file)
    shutil.copyfile(folder / last, portrait)
    tiles = _before_and_after(trained, folder) if trained else []
    shown = [stage for stage in result.stages if stage.file]
    tiles += [
        Tile(Image.fromarray(read_rgb(folder / str(stage.file))), stage.title, _caption(stage)) for stage in shown
    ]
    heading = f"{job.graph} {job.version}, seed {job.parameters.get('seed')}, {about.device}, {seconds:.0f} s"
    draw_sheet(tiles, heading, columns=4 if trained else 3).save(folder / "contact_sheet.png")
    checkpoint = next(
        (body["inputs"]["ckpt_name"] for body in job.prompt.values() if "ckpt_name" in body.get("inputs", {})), None
    )
    report = {
        "host": {"version": about.version, "device": about.device},
        "checkpoint": checkpoint,
        "graph": {"name": job.graph, "version": job.version},
        "parameters": job.parameters,
        "training": _training(trained) if trained else None,
        "stages": [asdict(stage) for stage in result.stages],
        "warnings": list(dict.fromkeys([*(trained.warnings if trained else ()), *result.warnings])),
        "seconds": seconds,
        "files": sorted([file.name for file in folder.iterdir()] + ["report.json"]),
    }
    output.replace(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=2).encode() + b"\n")
    return report


def _before_and_after(trained: Trained, folder: Path) -> list[Tile]:
    """Bring the portraits that training was measured on into `folder`; return a tile for each stage, all in one."""
    tiles = []
    for stage in trained.stages:
        files = trained.pictures[stage.name]
        for file in files:
            shutil.copyfile(trained.folder / file, folder / file)
        pictures = [Image.fromarray(read_rgb(folder / file)) for file in files]
        columns = math.ceil(math.sqrt(len(pictures)))
        wide, high = pictures[0].size
        together = Image.new("RGB", (columns * wide, math.ceil(len(pictures) / columns) * high), PAPER)
        for index, picture in enumerate(pictures):
            together.paste(picture, (index % columns * wide, index // columns * high))
        caption = "likeness not measured" if stage.likeness is None else f"mean likeness {stage.likeness:.2f}"
        tiles.append(Tile(together, stage.title, caption))
    return tiles


def _training(trained: Trained) -> dict[str, Any]:
    measured = {stage.name: stage.likeness for stage in trained.stages}
    return {
        "subject": trained.name,
        "reused": trained.reused,
        "seconds": trained.seconds,
        "likeness": {"before": measured.get("before"), "after": measured.get("after")},
        "stages": [asdict(stage) for stage in trained.stages],
    }


def _caption(stage: StageResult) -> str:
    likeness = "likeness not measured" if stage.likeness is None else f"likeness {stage.likeness:.2f}"
    faces = "" if stage.faces is None else f"{stage.faces} face{'s' * (stage.faces != 1)}, "
    return f"{faces}{likeness}" + ("" if stage.seconds is None else f", {stage.seconds:.1f} s")
