"""Face Crop, Face Paste, Face Detector and Identity Score, and what holds for every node."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from portrait_studio.portrait import crops, identity
from portrait_studio.portrait.detector import FaceBoxDetector
from portrait_studio.portrait.errors import PortraitError
from portrait_studio.portrait.subjects import Subject

from .running import PEOPLE, cut, envelope, person, run


@pytest.fixture(scope="module")
def astronaut() -> torch.Tensor:
    return torch.from_numpy(skimage.data.astronaut().astype(np.float32) / 255)[None]


def test_the_nodes_have_the_ids_and_sockets_of_the_contract(pack):
    sockets = {
        name: [(each.get_io_type(), each.display_name) for each in node.define_schema().outputs]
        for name, node in pack.items()
    }
    assert sockets == {
        "PortraitLoadPhotos": [("IMAGE", "images"), ("STRING", "names")],
        "PortraitPhotoReport": [
            ("IMAGE", "accepted"),
            ("STRING", "names"),
            ("IMAGE", "contact sheet"),
            ("STRING", "report"),
        ],
        "PortraitFaceCrop": [
            ("IMAGE", "crops"),
            ("MASK", "mask"),
            ("PORTRAIT_CROPS", "crops info"),
            ("INT", "faces found"),
        ],
        "PortraitFacePaste": [("IMAGE", "image")],
        "PortraitFaceDetector": [("BBOX_DETECTOR", "detector")],
        "PortraitIdentityScore": [
            ("IMAGE", "images"),
            ("FLOAT", "score"),
            ("IMAGE", "best"),
            ("STRING", "report"),
        ],
    }


def test_every_socket_and_widget_has_a_tooltip(pack):
    for name, node in pack.items():
        schema = node.define_schema()
        for each in (*schema.inputs, *schema.outputs):
            assert each.tooltip, f"{name}: {each}"


def test_every_node_has_a_help_page_in_english_and_korean(pack):
    docs = Path(__file__).parents[2] / "web" / "docs"
    for name in pack:
        for language in ("en", "ko"):
            text = (docs / name / f"{language}.md").read_text("utf-8")
            assert len(text) > 200, (name, language)
        assert any("가" <= sign <= "힣" for sign in text)


def test_crop_and_paste_go_there_and_back(pack, astronaut):
    _, (squares, mask, info, count) = cut(pack, astronaut, size=256)
    assert squares.shape == (1, 256, 256, 3)
    assert mask.shape == (1, 256, 256)
    assert count == 1
    back = run(pack["PortraitFacePaste"], image=astronaut, crops=squares, info=info).args[0]
    assert float((back - astronaut).abs().mean()) < 0.5 / 255
    painted = run(pack["PortraitFacePaste"], image=astronaut, crops=torch.zeros_like(squares), info=info).args[0]
    assert float(painted[0, 120, 224].max()) < 0.01
    assert torch.equal(painted[0, 400:], astronaut[0, 400:])


def test_no_face_passes_the_picture_through_with_a_warning(pack):
    picture = torch.rand((1, 90, 120, 3), generator=torch.Generator().manual_seed(2))
    output, (squares, mask, info, count) = cut(pack, picture, size=64)
    assert squares.shape == (1, 64, 64, 3)
    assert float(squares.max()) > 0
    assert float(mask.max()) == 0.0
    assert (len(info), count) == (0, 0)
    assert envelope(output)["warnings"] == ["No face was found in the picture; it passes through unchanged."]
    assert output.ui["text"][0].startswith("Warning: No face")
    back = run(pack["PortraitFacePaste"], image=picture, crops=squares, info=info).args[0]
    assert torch.equal(back, picture)


def test_a_batch_with_one_face_less_picture_crops_the_others_and_warns(pack, astronaut):
    batch = torch.cat([torch.zeros_like(astronaut), astronaut])
    output, (_, _, info, count) = cut(pack, batch, size=64)
    assert count == 1
    assert info.regions[0].frame == 1
    assert "No face was found in picture 1;" in envelope(output)["warnings"][0]


def test_the_face_like_the_subject_is_chosen(pack):
    pair = torch.cat([person("ada_2.jpg"), person("ben_0.jpg")], 2)
    for name, side in (("ada_4.jpg", 0), ("ben_1.jpg", 1)):
        _, (_, _, info, _) = cut(pack, pair, (person(name),), size=64, choose="likeness")
        assert len(info) == 1
        assert int(info.regions[0].centre[0] > 320) == side
    with pytest.raises(PortraitError, match="needs a subject"):
        cut(pack, pair, size=64, choose="likeness")


def test_a_list_of_photos_of_the_person_does_not_run_the_node_once_a_photo(pack, astronaut):
    photos = (person("ada_2.jpg"), person("ada_4.jpg"), person("ada_6.jpg"))
    output, _ = cut(pack, person("ada_8.jpg"), photos, size=64, choose="likeness")
    assert [len(values) for values in output.args] == [1, 1, 1, 1]


def test_pictures_of_different_sizes_are_cropped_one_by_one(pack, astronaut):
    images = [astronaut, astronaut[:, :300]]
    squares, _, plans, counts = run(pack["PortraitFaceCrop"], image=images, size=[64]).args
    assert [len(square) for square in squares] == counts == [1, 1]
    assert [plan.height for plan in plans] == [512, 300]


def test_misspelt_words_are_refused_before_anything_runs(pack):
    node = pack["PortraitFaceCrop"]
    assert node.validate_inputs(choose=["all"], padding=["edge"]) is True
    assert "largest" in node.validate_inputs(choose=["largst"], padding=["edge"])
    assert "reflect" in node.validate_inputs(choose=["all"], padding=["reflct"])


def test_a_picture_with_alpha_is_cropped_too(pack, astronaut):
    with_alpha = torch.cat([astronaut, torch.ones_like(astronaut[..., :1])], -1)
    assert cut(pack, with_alpha, size=64)[1][0].shape == (1, 64, 64, 3)


def test_the_detector_node_hands_out_a_bbox_detector(pack, astronaut):
    detector = run(pack["PortraitFaceDetector"], min_score=0.7).args[0]
    assert isinstance(detector, FaceBoxDetector)
    assert len(detector.detect(astronaut, 0.5, 0, 2.0)[1]) == 1


def test_likeness_is_measured_ranked_and_written_down(pack, astronaut):
    ada, ben = person("ada_4.jpg"), person("ben_0.jpg")
    output = run(
        pack["PortraitIdentityScore"],
        images=[ben, person("ada_2.jpg")],
        stage=["t2i"],
        references=[ada, person("ada_6.jpg"), torch.zeros((1, 64, 32, 3))],
        names=["ben", "ada"],
    )
    images, score, best, text = output.args
    assert torch.equal(images[0], ben)
    assert torch.equal(best, person("ada_2.jpg"))
    report = json.loads(text)
    assert [each["name"] for each in report["images"]] == ["ada", "ben"]
    assert report["images"][0]["likeness"] > report["images"][1]["likeness"] + 0.2
    assert score == pytest.approx(sum(each["likeness"] for each in report["images"]) / 2, abs=1e-3)
    facts = envelope(output)
    assert {key: facts[key] for key in ("kind", "stage", "faces", "backend", "warnings")} == {
        "kind": "likeness",
        "stage": "t2i",
        "faces": 2,
        "backend": "sface",
        "warnings": [],
    }
    assert facts["likeness"] == pytest.approx(score, abs=1e-3)


def test_a_subjects_references_count(pack):
    ada = identity.embed_largest([np.array(Image.open(PEOPLE / "ada_4.jpg"))])
    subject = Subject("Ada", references=np.stack(ada), backend="sface")
    output = run(pack["PortraitIdentityScore"], images=[person("ada_4.jpg")], subject=[subject])
    assert output.args[1] == pytest.approx(1.0, abs=1e-3)


def test_nothing_to_measure_is_null_with_a_warning(pack, astronaut):
    facts = envelope(run(pack["PortraitIdentityScore"], images=[astronaut], subject=[Subject("none")]))
    assert facts["likeness"] is None
    assert facts["faces"] == 1
    assert "No subject or reference photos are connected" in facts["warnings"][0]
    facts = envelope(run(pack["PortraitIdentityScore"], images=[torch.zeros((1, 64, 64, 3))], references=[astronaut]))
    assert facts["likeness"] is None
    assert facts["warnings"] == ["No face was found in image 1."]
    faceless = run(pack["PortraitIdentityScore"], images=[astronaut], references=[torch.zeros((1, 64, 64, 3))])
    assert "No face was found in the reference photos" in envelope(faceless)["warnings"][0]


def test_the_crop_plan_is_the_modules_own(pack, astronaut):
    _, (_, _, info, _) = cut(pack, astronaut, size=64)
    assert isinstance(info, crops.FaceCrops)
    assert (info.height, info.width) == (512, 512)
