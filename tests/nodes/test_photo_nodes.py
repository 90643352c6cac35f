"""Load Photos and Photo Report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from portrait_studio.portrait import identity
from portrait_studio.portrait.errors import PortraitError
from portrait_studio.portrait.subjects import Subject

from .running import PEOPLE, envelope, person, run


@pytest.fixture
def input_folder(pack, tmp_path, monkeypatch) -> Path:
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_input_directory", lambda: str(tmp_path))
    return tmp_path


def test_photos_of_a_folder_and_named_ones_are_loaded_in_order(pack, input_folder):
    (input_folder / "우리 사진").mkdir()
    for name in ("p10.png", "p2.png"):
        Image.new("RGB", (8, 4), "red").save(input_folder / "우리 사진" / name)
    Image.new("L", (3, 5), 7).save(input_folder / "extra one.png")
    files = "extra one.png [input]\n\n우리 사진/p2.png\n"
    images, names = run(pack["PortraitLoadPhotos"], folder="우리 사진", files=files).args
    assert names == ["p2.png", "p10.png", "extra one.png"]
    assert [tuple(image.shape) for image in images] == [(1, 4, 8, 3), (1, 4, 8, 3), (1, 5, 3, 3)]
    assert images[0].dtype == torch.float32
    assert len(run(pack["PortraitLoadPhotos"], folder="우리 사진", max_photos=1).args[0]) == 1


def test_no_photos_and_bad_photos_are_said_in_one_sentence(pack, input_folder):
    with pytest.raises(PortraitError, match="No photos are named"):
        run(pack["PortraitLoadPhotos"], folder=" ", files="\n")
    with pytest.raises(PortraitError, match="leads outside"):
        run(pack["PortraitLoadPhotos"], files="../secret.png")
    (input_folder / "text.jpg").write_text("hello")
    with pytest.raises(PortraitError, match=r"text\.jpg is not a picture"):
        run(pack["PortraitLoadPhotos"], files="text.jpg")


def test_a_changed_photo_is_loaded_again(pack, input_folder):
    node = pack["PortraitLoadPhotos"]
    Image.new("RGB", (8, 4), "red").save(input_folder / "a.png")
    before = node.fingerprint_inputs(files="a.png")
    assert node.fingerprint_inputs(files="a.png") == before
    Image.new("RGB", (16, 4), "red").save(input_folder / "a.png")
    assert node.fingerprint_inputs(files="a.png") != before


def test_the_report_passes_the_accepted_photos_on(pack):
    names = ["ada_4.jpg", "ada_2.jpg", "ada_6.jpg", "ben_0.jpg"]
    output = run(pack["PortraitPhotoReport"], images=[person(name) for name in names], names=names, same_person=[0.67])
    accepted, kept, sheet, text = output.args
    assert kept == names[:3]
    assert torch.equal(accepted[1], person("ada_2.jpg"))
    assert sheet.shape[0] == 1
    assert json.loads(text)["photos"][3]["reason"].startswith("another person")
    facts = envelope(output)
    assert (facts["kind"], facts["accepted"], facts["rejected"]) == ("photo_report", 3, 1)
    assert any("ben_0.jpg: another person" in warning for warning in facts["warnings"])
    assert output.ui["images"]


def test_a_batch_counts_as_photos_and_a_subject_decides_who_it_is(pack):
    ben = identity.reference(identity.embed_largest([np.array(Image.open(PEOPLE / "ben_0.jpg"))]))
    batch = torch.cat([person(name) for name in ("ada_4.jpg", "ada_2.jpg", "ben_0.jpg")])
    subject = Subject("Ben", references=ben[None], backend="sface")
    output = run(pack["PortraitPhotoReport"], images=[batch], subject=[subject], same_person=[0.67])
    assert output.args[1] == ["photo 3"]


def test_when_no_photo_is_accepted_the_sheet_is_shown_and_the_nodes_behind_are_blocked(pack):
    from comfy_execution.graph_utils import ExecutionBlocker

    output = run(pack["PortraitPhotoReport"], images=[torch.zeros((1, 64, 64, 3))], names=["dark.png"])
    assert isinstance(output.args[0], ExecutionBlocker)
    assert "none of 1 photos (dark.png: no face found)" in output.args[0].message
    assert output.args[2].ndim == 4
