"""The studio graphs through the runner on the real packs and the pocket models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from portrait_studio.portrait import faces, photos
from portrait_studio.runner.client.client import Client
from portrait_studio.runner.demo.studio import example_photos
from portrait_studio.runner.jobs import build
from portrait_studio.runner.jobs import job as jobs

from ..workflows.shelf import POCKET, STUDIO, named, recorded
from .conftest import without_words

pytestmark = [pytest.mark.host, pytest.mark.timeout(3600)]

FEW = {"steps": "8", "detail_steps": "4", "tone_steps": "4", "upscale_steps": "1"}
RENDERS = {"same_person": "0.67"}  # the example people are renders, more alike than photographs of people
QUICK = {
    "portrait-studio": FEW | RENDERS,
    "portrait-studio-xl": POCKET["portrait-studio-xl"]
    | FEW
    | RENDERS
    | {"width": "256", "height": "256", "detail_size": "256", "tile_size": "544", "cfg": "3.5", "upscale_cfg": "1"}
    | {"upscale_denoise": "0.1", "pose": "head-front"},
    "template-detailer": RENDERS | {"steps": "8", "ring_steps": "4"},
    "couple-detailer": {"steps": "10", "detail_steps": "4"},
    "upscale-ultimate": {"steps": "1", "upscale_by": "2"},
}
SIZES = {
    "portrait-studio": [(256, 256)] * 4 + [(1024, 1024)],
    "portrait-studio-xl": [(256, 256)] * 4 + [(1024, 1024)],
    "template-detailer": [(640, 640)] * 2,
    "couple-detailer": [(512, 256)] * 2,
    "upscale-ultimate": [(544, 544)],
}
PEOPLE = {"couple-detailer": 2}


def test_the_packs_came_up_and_are_those_that_were_recorded(packs_info, log):
    for pack in ("ComfyUI-Impact-Pack", "comfyui_controlnet_aux", "ComfyUI_UltimateSDUpscale"):
        assert not [line for line in log.splitlines() if "IMPORT FAILED" in line and pack in line]
    for kind, node in recorded().items():
        if kind not in packs_info:
            continue
        here, then = without_words(packs_info[kind]["input"]), without_words(node["input"])
        names = {section: list(then[section]) for section in then if section != "hidden"}
        assert {section: sorted(here[section]) for section in names} == {s: sorted(n) for s, n in names.items()}, kind


@pytest.mark.parametrize("path", [path for path in STUDIO if named(path) in QUICK], ids=named)
def test_every_stage_leaves_its_picture_with_its_people_in_it(path: Path, packs_host, tmp_path):
    with Client(packs_host.url, stall=3600) as client:
        job = build.job(client, path, QUICK[named(path)])
        result = jobs.run(job, client, tmp_path)
    stages = [stage for stage in result.stages if stage.file]
    assert [stage.name for stage in stages] == [stage["name"] for stage in _declared(path)["stages"]]
    assert [Image.open(tmp_path / str(stage.file)).size for stage in stages] == SIZES[named(path)]
    for stage in stages:
        people = faces.detect(photos.read(tmp_path / str(stage.file)))
        assert len(people) == PEOPLE.get(named(path), 1), stage.name
    measured = [stage.likeness for stage in stages if stage.likeness is not None]
    assert len(measured) >= 1
    # Detail, tone and enlargement keep the face that text to image found.
    assert min(measured) > max(measured) - 0.25


def test_a_template_with_two_faces_keeps_the_pixels_of_the_other(packs_host, tmp_path):
    folder = packs_host.input / "two"
    folder.mkdir(exist_ok=True)
    left, right = (Image.open(example_photos(name)[0]).convert("RGB").resize((320, 320)) for name in ("leila", "mina"))
    both = Image.new("RGB", (640, 320))
    both.paste(left, (0, 0))
    both.paste(right, (320, 0))
    both.save(folder / "two.png")
    path = next(path for path in STUDIO if named(path) == "template-detailer")
    settings = QUICK[named(path)] | {"template": "two", "face": "leftmost", "ring_out": "10", "ring_in": "-6"}
    with Client(packs_host.url, stall=3600) as client:
        result = jobs.run(build.job(client, path, settings), client, tmp_path)
    before = photos.read(folder / "two.png")
    for stage in result.stages:
        after = photos.read(tmp_path / str(stage.file))
        assert (after[:, 340:] == before[:, 340:]).all(), stage.name
        assert (after[:, :320] != before[:, :320]).any(), stage.name


def _declared(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))["extra"]["portrait_studio"]
