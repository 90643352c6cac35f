"""The demo on the real host: it trains, uses what it trained again, and measures before and after."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portrait_studio.portrait import faces, photos, subjects
from portrait_studio.runner.demo import demo as demos
from portrait_studio.runner.demo.demo import DemoTraining, run_demo
from portrait_studio.runner.demo.studio import example_photos

STAGES = ["text-to-image", "face-detail", "tone", "face-detail-2", "upscale"]
# As short as a training can be: one step on small pictures. What the full one reaches is measured in benchmarks/.
SHORT = (
    *(("trigger", "n0ra"), ("class_word", "woman"), ("look", "red hair, fair skin"), ("preset", "pocket-quick")),
    *(("steps", "1"), ("resolution", "128"), ("width", "128"), ("height", "128"), ("portraits", "2")),
    ("sample_steps", "4"),
)


@pytest.fixture
def training(comfyui):
    """A training of a name of its own, whose subject is taken away afterwards."""
    name = f"demo {uuid.uuid4().hex[:8]}"
    yield DemoTraining(name, SHORT)
    shutil.rmtree(comfyui / "models" / "portrait_studio" / "subjects" / name, ignore_errors=True)


@pytest.mark.host
@pytest.mark.timeout(900)
def test_the_demo_trains_and_leaves_a_portrait_every_stage_a_sheet_and_a_whole_report(
    host, comfyui, tmp_path, training
):
    report = run_demo(host, tmp_path / "demo", example_photos("nora"), training=training)
    folder = tmp_path / "demo"
    assert report == json.loads((folder / "report.json").read_text("utf-8"))
    assert sorted(report["files"]) == sorted(file.name for file in folder.iterdir())
    assert report["host"]["version"]
    assert report["checkpoint"] == "pocket.safetensors"
    assert report["graph"] == {"name": "portrait-starter", "version": "1.3.0"}
    assert report["parameters"]["seed"] == 4
    assert [stage["name"] for stage in report["stages"]] == STAGES
    for stage in report["stages"]:
        assert stage["seconds"] > 0
        assert Image.open(folder / stage["file"]).size == ((1024, 1024) if stage["name"] == "upscale" else (256, 256))
    assert Image.open(folder / "portrait.png").size == (1024, 1024)
    assert Image.open(folder / "contact_sheet.png").width > 900
    assert str(Path.home()) not in (folder / "report.json").read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    # One person, once, at every stage: what the pocket model was trained for.
    assert [stage["faces"] for stage in report["stages"]] == [1] * len(STAGES)
    assert all(stage["likeness"] is not None for stage in report["stages"])
    portrait = photos.read(folder / "portrait.png")
    assert len(faces.detect(portrait, min_score=0.8)) == 1
    assert np.std(portrait) > 20

    # The LoRA is a subject of the host, and is in the portrait.
    kept = subjects.load(training.name, comfyui / "models" / "portrait_studio" / "subjects")
    assert kept.lora
    assert kept.prompt_words == "n0ra woman"
    assert kept.look == "red hair, fair skin"
    assert kept.card["base"]["checkpoint"] == "pocket.safetensors"
    assert report["parameters"]["subject"] == training.name
    trained = report["training"]
    assert (trained["subject"], trained["reused"]) == (training.name, False)
    assert set(trained["likeness"]) == {"before", "after"}
    for stage in ("before", "after"):
        pictures = [file for file in report["files"] if file.startswith(f"train-{stage}") and file.endswith(".png")]
        assert len(pictures) == 2

    # The same photos and settings: nothing is trained again.
    clock = time.monotonic()
    again = demos.train(host, example_photos("nora"), training, lambda event: None)
    assert again.reused
    assert time.monotonic() - clock < 15
    assert {stage.name: stage.likeness for stage in again.stages} == trained["likeness"]


def test_other_photos_settings_or_names_are_another_training():
    nora = example_photos("nora")
    plain = DemoTraining().fingerprint(nora)
    assert DemoTraining().fingerprint(list(nora)) == plain
    others = [
        DemoTraining().fingerprint(nora[:-1]),
        DemoTraining().fingerprint(example_photos("mina")),
        DemoTraining("another").fingerprint(nora),
        replace(DemoTraining(), settings=SHORT).fingerprint(nora),
    ]
    assert len({plain, *others}) == 5
