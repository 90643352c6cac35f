"""What people really type, drop and lose: each ends in one sentence and its exit code, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from portrait_studio.runner.client.errors import EXIT_CODES

from ..command import invoke, one_sentence

pytestmark = pytest.mark.host


def crop_prompt(**settings) -> dict:
    """Photos -> face crops -> files, in API format."""
    crop = {"ratio": 2.2, "size": 64, "level": False, "choose": "all", "max_faces": 0, "min_score": 0.6}
    return {
        "1": {"class_type": "PortraitLoadPhotos", "inputs": {"folder": "", "files": "", "max_photos": 0}},
        "2": {"class_type": "PortraitFaceCrop", "inputs": {"image": ["1", 0], "padding": "edge", **crop, **settings}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "crop"}},
    }


def posts(host) -> int:
    return host.log.read_text("utf-8").count("got prompt")


def refused(host, tmp_path: Path, code: str, *arguments: object) -> str:
    """Run the command, see that it is refused before anything is queued or written, and return its sentence."""
    before = posts(host)
    told = invoke("run", *arguments, "--host", host.url, "--out", tmp_path / "o")
    assert told.exit_code == EXIT_CODES[code]["code"], told.stderr
    assert one_sentence(told.stderr), told.stderr
    assert posts(host) == before
    assert not list((tmp_path / "o").iterdir())
    return told.stderr


def astronaut() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut())


def encoded(picture: Image.Image, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def test_a_graph_that_wants_photos_and_gets_none_is_refused_before_it_is_queued(graph, host, tmp_path):
    path = graph(crop_prompt())
    assert "has no photos: give --photo FILE" in refused(host, tmp_path, "photo", path)
    assert "has no photos" in refused(host, tmp_path, "photo", path, "--set", "1.files=  ")
    # The graph itself is sound: it can be checked and converted before anybody has photos.
    assert invoke("check", path, "--host", host.url).exit_code == 0
    assert invoke("graph", "to-api", path, "--host", host.url).exit_code == 0


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("text.jpg", b"this is no picture\n" * 20, "text.jpg is not a picture"),
        ("empty.jpg", b"", r"empty.jpg is empty \(0 bytes\)"),
        ("cut short.jpg", encoded(astronaut())[:20_000], "cut short.jpg is damaged or cut short"),
        ("반쪽.png", encoded(astronaut(), "PNG")[:90_000], "반쪽.png is damaged or cut short"),
        ("wide 😀.png", encoded(Image.new("RGB", (30_000, 8)), "PNG"), "wide 😀.png is too large .30000 x 8 px"),
        ("huge.png", encoded(Image.new("1", (30_000, 30_000)), "PNG"), "huge.png is too large"),
        ("gone.jpg", None, r"gone.jpg cannot be opened \(No such file"),
    ],
)
def test_a_photo_that_cannot_be_used_is_named(graph, host, tmp_path, name, data, says):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    good = tmp_path / "good.jpg"
    good.write_bytes(encoded(astronaut()))
    uploads = host.input / "portrait-studio"
    before = set(uploads.iterdir()) if uploads.is_dir() else set()
    sentence = refused(host, tmp_path, "photo", graph(crop_prompt()), "--photo", good, "--photo", tmp_path / name)
    assert re.search(says, sentence)
    assert (set(uploads.iterdir()) if uploads.is_dir() else set()) == before


def test_a_folder_is_no_photo(graph, host, tmp_path):
    (tmp_path / "album").mkdir()
    told = refused(host, tmp_path, "photo", graph(crop_prompt()), "--photo", tmp_path / "album")
    assert told == "album is a folder; name the photos in it.\n"


def face(side: int) -> Image.Image:
    return astronaut().crop((150, 0, 330, 240)).resize((side * 3 // 4, side))


def twelve() -> Image.Image:
    sheet = Image.new("RGB", (4 * 120, 3 * 160))
    for index in range(12):
        sheet.paste(face(160), (index % 4 * 120, index // 4 * 160))
    return sheet


@pytest.mark.parametrize(
    ("name", "picture", "crops", "warning"),
    [
        ("at the border", astronaut().crop((215, 60, 512, 320)), 1, None),
        ("열두 명", twelve(), 12, None),
        (
            "nobody 😀",
            Image.fromarray((np.random.default_rng(0).random((200, 200, 3)) * 40 + 100).astype(np.uint8)),
            1,
            "No face was found in the picture",
        ),
    ],
)
def test_photos_with_a_face_at_the_border_twelve_faces_and_none(graph, host, tmp_path, name, picture, crops, warning):
    photo = tmp_path / f"{name}.png"
    picture.save(photo)
    told = invoke("run", graph(crop_prompt()), "--host", host.url, "--out", tmp_path / "o", "--photo", photo)
    assert told.exit_code == 0, told.stderr
    images = sorted((tmp_path / "o").glob("*.png"))
    assert len(images) == crops
    warnings = json.loads(Path(f"{images[0]}.json").read_text("utf-8"))["warnings"]
    assert (warnings == []) if warning is None else (warning in warnings[0] and warning in told.stderr)


@pytest.mark.parametrize(
    ("class_type", "inputs", "says"),
    [
        ("PortraitPosePreset", {"preset": "half-hand-on-chinn"}, "'half-hand-on-chin'"),
        ("PortraitToneFilter", {"preset": "warm-flim"}, "'warm-film'"),
        ("PortraitFaceCrop", {"choose": "bigest"}, "'largest'"),
        ("PortraitFaceCrop", {"padding": "mirror"}, "'reflect'"),
    ],
)
def test_an_unknown_pose_tone_or_choice_is_refused_with_the_nearest(
    client, graph, host, tmp_path, class_type, inputs, says
):
    given = {
        name: spec[1]["default"]
        for name, spec in client.object_info()[class_type]["input"]["required"].items()
        if len(spec) > 1 and "default" in spec[1]
    }
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
        "2": {"class_type": class_type, "inputs": given | {"image": ["1", 0]} | inputs},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "never"}},
    }
    if class_type == "PortraitPosePreset":
        del prompt["2"]["inputs"]["image"]
    sentence = refused(host, tmp_path, "graph", graph(prompt))
    assert f"no choice {next(iter(inputs.values()))!r}" in sentence
    assert says in sentence


def test_a_cycle_is_named_by_its_own_nodes_alone_in_both_formats(graph, ui_graph, fresh, host, tmp_path):
    prompt = fresh()
    prompt["4"] = {"class_type": "ImageInvert", "inputs": {"image": ["5", 0]}, "_meta": {"title": "There"}}
    prompt["5"] = {"class_type": "ImageInvert", "inputs": {"image": ["4", 0]}, "_meta": {"title": "Back"}}
    prompt["6"] = {"class_type": "ImageInvert", "inputs": {"image": ["5", 0]}, "_meta": {"title": "Behind"}}
    prompt["9"]["inputs"]["images"] = ["6", 0]
    sentence = refused(host, tmp_path, "graph", graph(prompt))
    assert "There (node 4) -> Back (node 5)" in sentence or "Back (node 5) -> There (node 4)" in sentence
    assert "Behind" not in sentence
    drawn = json.loads(ui_graph.read_text("utf-8"))
    drawn["links"][0] = [1, 2, 0, 2, 0, "IMAGE"]
    sentence = refused(host, tmp_path, "graph", graph(drawn, "circle.json"))
    assert "the links Soft focus (node 2) -> Soft focus (node 2) make a cycle" in sentence
    assert "node 3" not in sentence


def test_a_model_that_nobody_declares_is_named_with_what_to_do(graph, fresh, host, tmp_path):
    prompt = fresh()
    prompt["3"] = {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "4x-Ultra.pth"}}
    prompt["4"] = {"class_type": "ImageUpscaleWithModel", "inputs": {"upscale_model": ["3", 0], "image": ["1", 0]}}
    prompt["9"]["inputs"]["images"] = ["4", 0]
    sentence = refused(host, tmp_path, "graph", graph(prompt))
    assert "'4x-Ultra.pth', which the host does not have: put it into the host's models or choose another" in sentence


@pytest.mark.parametrize(
    ("studio", "says"),
    [
        (["a", "list"], "extra.portrait_studio must be object"),
        ({"requires": "everything"}, "extra.portrait_studio"),
        ({"name": "n", "version": "1", "requires": {"models": [3]}}, "extra.portrait_studio.requires.models"),
    ],
)
@pytest.mark.parametrize("command", ["run", "check", "parameters"])
def test_a_broken_declaration_is_refused_by_every_command(graph, ui_graph, host, tmp_path, studio, says, command):
    drawn = json.loads(ui_graph.read_text("utf-8"))
    drawn["extra"]["portrait_studio"] = studio
    path = graph(drawn, "broken.json")
    if command == "run":
        assert says in refused(host, tmp_path, "graph", path)
        return
    told = invoke("check", path, "--host", host.url) if command == "check" else invoke("graph", "parameters", path)
    assert told.exit_code == EXIT_CODES["graph"]["code"], told.stderr
    assert says in told.stderr


@pytest.mark.parametrize("prefix", ["/tmp/escape", "C:\\escape", "\\\\server\\share\\escape", "..", "a/../../b"])
def test_a_name_outside_the_hosts_output_folder_is_refused(graph, fresh, host, tmp_path, prefix):
    sentence = refused(host, tmp_path, "graph", graph(fresh(prefix)))
    assert "change filename_prefix" in sentence


@pytest.mark.parametrize("prefix", ["two words", "초상 사진", "party 😀", "folder/inner"])
def test_spaces_scripts_emoji_and_folders_in_names_are_fine(graph, fresh, host, tmp_path, prefix):
    told = invoke("run", graph(fresh(prefix)), "--host", host.url, "--out", tmp_path / "결과 😀" / ".." / "out put")
    assert told.exit_code == 0, told.stderr
    (image,) = (tmp_path / "out put").glob("*.png")
    assert image.name.startswith(prefix.rpartition("/")[2])


def test_a_graph_that_is_not_there_is_told_with_what_to_do(host, tmp_path):
    sentence = refused(host, tmp_path, "graph", tmp_path / "gone.json")
    assert sentence == "The graph 'gone.json' cannot be read (No such file or directory): check its name and place\n"


def test_to_api_refuses_a_folder_as_its_file_and_leaves_nothing_in_it(graph, host, tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    told = invoke("graph", "to-api", graph(), "--host", host.url, "--out", target)
    assert told.exit_code == EXIT_CODES["output"]["code"]
    assert told.stderr == "'folder' is a folder: give the name of a file in --out\n"
    assert list(target.iterdir()) == []


def test_names_that_the_terminal_cannot_spell_do_not_stop_a_job(graph, host, tmp_path):
    photo = tmp_path / "party 😀 사진.png"
    Image.new("RGB", (64, 64), (1, 2, 3)).save(photo)
    prompt = crop_prompt()
    command = [sys.executable, "-m", "portrait_studio.runner", "run", graph(prompt), "--host", host.url, "--json"]
    told = subprocess.run(
        [*command, "--out", str(tmp_path / "o"), "--photo", str(photo)],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout.splitlines()[0])["photo"] == photo.name
