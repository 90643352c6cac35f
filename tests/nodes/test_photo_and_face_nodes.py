"""The nodes for photos, faces and likeness, inside ComfyUI's own modules and on the running host."""

from __future__ import annotations

import json
import shutil
import sys
import time
import urllib.error
import urllib.request
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

PEOPLE = Path(__file__).parents[1] / "data" / "people"


@pytest.fixture(scope="module")
def pack(comfyui: Path):
    """The node classes by id; ComfyUI's folder goes last on the path, so that it shadows nothing."""
    arguments, sys.argv = sys.argv, sys.argv[:1]
    sys.path.append(str(comfyui))
    try:
        from comfy.cli_args import args

        from portrait_studio.nodes import faces, photos
        from portrait_studio.nodes import identity as likeness

        args.cpu = True  # as the suite's hosts run; without a driver ComfyUI's parts cannot be imported otherwise
        yield {
            each.define_schema().node_id: each
            for module in (faces, photos, likeness)
            for each in vars(module).values()
            if isinstance(each, type) and each.__name__.startswith("Portrait") and hasattr(each, "define_schema")
        }
    finally:
        sys.path.remove(str(comfyui))
        sys.argv = arguments


@pytest.fixture
def input_folder(pack, tmp_path, monkeypatch) -> Path:
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_input_directory", lambda: str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def astronaut() -> torch.Tensor:
    return torch.from_numpy(skimage.data.astronaut().astype(np.float32) / 255)[None]


def person(name: str) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(PEOPLE / name), np.float32) / 255)[None]


def run(node: type, **inputs: object):
    """Execute with the schema's defaults for what is not given."""
    schema = node.define_schema()
    defaults = {each.id: each.default for each in schema.inputs if getattr(each, "default", None) is not None}
    if schema.is_input_list:
        defaults = {name: [value] for name, value in defaults.items()}
    return node.execute(**defaults | inputs)


def cut(pack: dict, image: torch.Tensor, references: tuple[torch.Tensor, ...] = (), **settings: object):
    """Run Face Crop on one picture or batch; return its whole output, and what it gave for that picture."""
    lists = {name: [value] for name, value in settings.items()}
    output = run(pack["PortraitFaceCrop"], image=[image], references=list(references) or None, **lists)
    return output, [values[0] for values in output.args]


def envelope(output) -> dict:
    (facts,) = output.ui["portrait_studio"]
    assert isinstance(facts["warnings"], list)
    json.dumps(facts)
    return facts


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


def submit(host, prompt: dict) -> dict:
    """Run a graph in API format on the host and return its history entry."""
    body = json.dumps({"prompt": prompt}).encode()
    request = urllib.request.Request(f"{host.url}/prompt", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            job = json.load(answer)["prompt_id"]
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error
    end = time.monotonic() + 280
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{host.url}/history/{job}") as answer:
            history = json.load(answer)
        if job in history and history[job]["status"]["completed"] | (history[job]["status"]["status_str"] == "error"):
            return history[job]
        time.sleep(0.2)
    raise AssertionError("the job did not end in time")


@pytest.mark.host
def test_photos_go_through_the_running_host_and_come_out_with_faces_pasted(host):
    folder = host.input / "a family 가족"
    folder.mkdir(exist_ok=True)
    for name in ("ada_2.jpg", "ada_4.jpg", "ada_6.jpg", "ben_0.jpg"):
        shutil.copy(PEOPLE / name, folder / name)
    entry = submit(
        host,
        {
            "1": {
                "class_type": "PortraitLoadPhotos",
                "inputs": {"folder": folder.name, "files": "", "max_photos": 0},
            },
            "2": {
                "class_type": "PortraitPhotoReport",
                "inputs": {
                    "images": ["1", 0],
                    "names": ["1", 1],
                    "min_face": 48,
                    "max_yaw": 70.0,
                    "min_sharpness": 0.01,
                    "same_person": 0.67,
                },
            },
            "3": {
                "class_type": "PortraitFaceCrop",
                "inputs": {
                    "image": ["2", 0],
                    "ratio": 2.2,
                    "size": 256,
                    "level": True,
                    "choose": "largest",
                    "max_faces": 0,
                    "min_score": 0.6,
                    "padding": "reflect",
                },
            },
            "4": {
                "class_type": "PortraitFacePaste",
                "inputs": {"image": ["2", 0], "crops": ["3", 0], "info": ["3", 2], "feather": 0.1, "colour_match": 0.5},
            },
            "5": {
                "class_type": "PortraitIdentityScore",
                "inputs": {"images": ["4", 0], "stage": "paste", "references": ["2", 0], "names": ["2", 1]},
            },
            "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "pasted"}},
        },
    )
    assert entry["status"]["status_str"] == "success", entry["status"]
    likeness = entry["outputs"]["5"]["portrait_studio"][0]
    assert likeness["faces"] == 3
    assert likeness["likeness"] > 0.9
    assert entry["outputs"]["2"]["portrait_studio"][0]["accepted"] == 3
    assert entry["outputs"]["3"]["portrait_studio"][0]["warnings"] == []
    assert len(entry["outputs"]["6"]["images"]) == 3
    assert len(entry["outputs"]["2"]["images"]) == 1


@pytest.mark.host
def test_a_bad_photo_is_named_by_the_running_host(host):
    (host.input / "letter.jpg").write_text("Dear photographer,")
    entry = submit(
        host,
        {
            "1": {
                "class_type": "PortraitLoadPhotos",
                "inputs": {"folder": "", "files": "letter.jpg", "max_photos": 0},
            },
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        },
    )
    errors = [data for kind, data in entry["status"]["messages"] if kind == "execution_error"]
    assert "letter.jpg is not a picture" in errors[0]["exception_message"]


def test_the_crop_plan_is_the_modules_own(pack, astronaut):
    _, (_, _, info, _) = cut(pack, astronaut, size=64)
    assert isinstance(info, crops.FaceCrops)
    assert (info.height, info.width) == (512, 512)
