"""PortraitPhotoReport on the real host says what the training set will be made of."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import pytest

from portrait_studio.portrait import photos
from portrait_studio.trainer.photo_set import PhotoSetOptions, prepare

pytestmark = pytest.mark.host

SUBJECTS = Path(__file__).parents[2] / "pocket" / "subjects"


def graph(files: str, **settings) -> dict:
    limits = {"min_face": 64, "max_yaw": 75.0, "min_sharpness": 0.012, "same_person": 0.363}
    return {
        "photos": {
            "class_type": "PortraitLoadPhotos",
            "inputs": {"folder": "examples/nora", "files": files, "max_photos": 0},
        },
        "report": {
            "class_type": "PortraitPhotoReport",
            "inputs": {"images": ["photos", 0], "names": ["photos", 1], **limits, **settings},
        },
        "names": {"class_type": "PreviewAny", "inputs": {"source": ["report", 1]}},
        "json": {"class_type": "PreviewAny", "inputs": {"source": ["report", 3]}},
    }


def test_the_report_and_the_training_set_decide_alike(host, run_graph):
    stranger = f"stranger-{uuid.uuid4().hex[:8]}.jpg"
    shutil.copyfile(SUBJECTS / "mina" / "mina-01.jpg", host.input / stranger)
    run = run_graph(graph(stranger))
    said = run.said("report")
    paths = [*sorted((SUBJECTS / "nora").glob("*.jpg")), SUBJECTS / "mina" / "mina-01.jpg"]
    names = [*(path.name for path in paths[:-1]), stranger]
    made = prepare([photos.read(path) for path in paths], names, PhotoSetOptions("n0ra", "woman"))
    assert said["held_out"] == [one.name for one in made.held_out]
    assert said["strangers"] == [stranger]
    assert said["accepted"] == len({one.sha256 for one in made.examples}) + len(made.held_out)
    assert said["warnings"][: said["rejected"]] == [f"{one.name}: {one.reason}" for one in made.rejected]
    assert run.outputs["report"]["text"][0].endswith("11 of 13 photos accepted, 2 of them held out")
    rows = {row["name"]: row for row in json.loads(run.text("json"))["photos"]}
    assert rows[stranger]["stranger"]
    assert [name for name, row in rows.items() if row["held_out"]] == said["held_out"]
