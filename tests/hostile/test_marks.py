"""Who trained, where, and from which photos: planted as marks, and looked for in everything that is written."""

from __future__ import annotations

import copy
import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.numpy import save_file

from portrait_studio.portrait import subject_store, subjects
from portrait_studio.runner.batch.state import NAME as STATE
from portrait_studio.runner.client import Client
from portrait_studio.runner.jobs import Job
from portrait_studio.runner.jobs import run as run_job
from portrait_studio.trainer import run
from portrait_studio.trainer.examples import Rejected
from portrait_studio.trainer.kohya import pickup
from portrait_studio.trainer.settings import TrainSettings

from ..runner.command import invoke
from ..trainer.small import SmallModel, training_set
from .scripted import PROMPT, STATS, ScriptedHost

MARKS = ("markuser", "markhost", "markphoto", "markcaption", "markfolder")


def found_in(data: bytes) -> list[str]:
    """The marks in some bytes, in any usual spelling of text."""
    spellings = [data.lower(), data.replace(b"\0", b"").lower()]
    return [mark for mark in MARKS if any(mark.encode() in text for text in spellings)]


def leaks(folder: Path) -> dict[str, list[str]]:
    """What files below a folder tell: in their bytes, in zip members, in a picture's texts, and in their own names."""
    found = {}
    for file in (path for path in folder.rglob("*") if path.is_file()):
        parts = [file.read_bytes(), str(file.relative_to(folder)).encode()]
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                parts += [archive.read(name) for name in archive.namelist()]
                parts += [str(archive.infolist()).encode(), archive.comment]
        if file.suffix == ".png":
            with Image.open(file) as picture:
                parts.append(repr(picture.info).encode())
        if marks := [mark for part in parts for mark in found_in(part)]:
            found[str(file.relative_to(folder))] = marks
    return found


@pytest.fixture
def marked(monkeypatch, tmp_path) -> Path:
    """A home folder, a user and a host with marks in their names; the store of subjects lies in that home."""
    home = tmp_path / "markfolder" / "home" / "markuser"
    home.mkdir(parents=True)
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "markuser")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HOSTNAME", "markhost")
    monkeypatch.setattr("socket.gethostname", lambda: "markhost")
    monkeypatch.setattr("platform.node", lambda: "markhost")
    monkeypatch.chdir(home)
    return home


def test_a_search_for_marks_finds_them(tmp_path):
    (tmp_path / "a.json").write_bytes("MarkUser".encode("utf-16"))
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", "markphoto " * 50)
    assert leaks(tmp_path) == {"a.json": ["markuser"], "b.zip": ["markphoto"]}


def test_a_training_writes_no_name_of_a_person_a_machine_or_a_photo(marked):
    photos = training_set()
    examples = tuple(
        dataclasses.replace(one, name=f"markphoto {i}.jpg", caption=f"photo of markcaption {i}")
        for i, one in enumerate(photos.examples)
    )
    held_out = tuple(dataclasses.replace(one, name=f"markphoto held {i}.jpg") for i, one in enumerate(photos.held_out))
    rejected = (Rejected("markphoto rejected.jpg", "blurred"),)
    photos = dataclasses.replace(photos, examples=examples, held_out=held_out, rejected=rejected)
    settings = TrainSettings(
        steps=2, batch=1, resolution=64, rank=2, alpha=2.0, sample_every=1, samples=1, class_images=1
    )
    settings = dataclasses.replace(settings, fuse_best=1)
    store = marked / "subjects"
    job = run.TrainingJob(
        "Anna", settings, {"checkpoint": "pocket.safetensors", "sha256": "b" * 64}, keep_checkpoints=True
    )
    run.train(SmallModel(), photos, job, store)
    assert len(list(store.rglob("*.safetensors"))) >= 3
    assert leaks(store) == {}
    subject_store.export("Anna", store, marked / "out")
    subject_store.export("Anna", store, marked / "out", lora_only=True)
    assert len(list((marked / "out").iterdir())) == 2
    assert leaks(marked / "out") == {}


def spoiled(marked: Path) -> tuple[Path, dict[str, str]]:
    """A LoRA as another trainer leaves it: its metadata tell of folders, captions and the machine."""
    halves = {"x.lora_up.weight": np.ones((4, 2), np.float32), "x.lora_down.weight": np.ones((2, 4), np.float32)}
    metadata = {
        "ss_output_name": "markuser",
        "ss_dataset_dirs": json.dumps({"/home/markuser/markfolder": {"n_repeats": 1}}),
        "ss_tag_frequency": json.dumps({"10_markphoto": {"markcaption": 3}}),
        "ss_sd_model_name": "/home/markuser/model.safetensors",
        "ss_session_id": "markhost",
        "modelspec.title": "markuser",
        "modelspec.author": "markuser",
        "comment": "markcaption",
        "ss_network_dim": "2",
    }
    save_file(halves, marked / "foreign.safetensors", metadata)
    return marked / "foreign.safetensors", metadata


def test_an_export_of_a_foreign_subject_hands_on_none_of_its_marks(marked):
    lora, _ = spoiled(marked)
    card = {
        "trained": "2026-01-02",
        "base": {"checkpoint": "/home/markuser/model.safetensors", "folder": "markfolder"},
        "settings": {"steps": 3, "output_path": "markfolder"},
        "chosen": {"likeness": 0.8, "held_out_names": ["markphoto"], "from": "C:\\Users\\markuser\\x.safetensors"},
        "host": "markhost",
        "author": "markuser",
        "captions": ["markcaption"],
    }
    subjects.save(subjects.Subject("Anna", "anb3ll", "woman", lora, None, "", card), marked / "subjects")
    subject_store.export("Anna", marked / "subjects", marked / "out")
    bare = subject_store.export("Anna", marked / "subjects", marked / "out", lora_only=True)
    assert leaks(marked / "out") == {}
    header = subjects.check_safetensors(bare)
    assert header.metadata == {"ss_network_dim": "2"}
    with zipfile.ZipFile(marked / "out" / "Anna.zip") as archive:
        archive.extractall(marked / "elsewhere")
        told = json.loads(archive.read("Anna/card.json"))
    assert told["base"] == {"checkpoint": "model.safetensors"}
    assert told["chosen"]["from"] == "x.safetensors"
    again = subjects.load("Anna", marked / "elsewhere")
    assert again.lora is not None and again.lora.read_bytes()[8 + 8 :]
    assert sorted(path.name for path in (marked / "out").iterdir()) == ["Anna.safetensors", "Anna.zip"]


def test_a_lora_picked_up_from_another_trainer_keeps_none_of_its_marks(marked):
    lora, _ = spoiled(marked)
    (marked / "out").mkdir()
    assert pickup.clean(lora, marked / "out" / "step.safetensors", {"ss_steps": "3"})
    assert leaks(marked / "out") == {}


def test_a_record_names_no_folder_of_the_machine_and_no_photo(marked):
    out = marked / "out"
    prompt = {
        "1": {
            "class_type": "CheckpointLoaderSimple",
            "inputs": {"ckpt_name": "/home/markuser/markfolder/a.safetensors"},
        },
        "2": {"class_type": "PortraitLoadPhotos", "inputs": {"files": "markphoto.jpg", "folder": "markfolder"}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "markcaption", "seed": 3}},
    }
    prompt["9"] = PROMPT["9"]
    stats = copy.deepcopy(STATS)
    stats["system"] |= {"argv": ["/home/markuser/main.py", "--user-directory", "markfolder"], "hostname": "markhost"}
    with ScriptedHost(images=2, stats=stats) as host, Client(host.url) as client:
        run_job(Job(prompt, prompt_id="a"), client, out)
    records = sorted(out.glob("*.json"))
    assert len(records) == 2
    assert json.loads(records[0].read_text("utf-8"))["models"][0]["file"] == "a.safetensors"
    assert leaks(out) == {}


def night(marked: Path) -> Path:
    """A graph that loads a photo, and that photo, whose name has the marks."""
    Image.new("RGB", (64, 64), "red").save(marked / "markphoto of markcaption.markuser", "JPEG")
    prompt = PROMPT | {"2": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}}}
    prompt["9"] = {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "scripted"}}
    graph = marked / "night.json"
    graph.write_text(json.dumps(prompt), "utf-8")
    return graph


def test_a_batch_tells_nobody_who_made_it_where_and_from_which_photo(marked, monkeypatch):
    """Its state holds where the photo lies, since resuming needs it; the pages, the metrics and the records do not."""
    monkeypatch.setenv("PORTRAIT_STUDIO_WEBHOOK_SECRET", "secret")
    graph, out = night(marked), marked / "out"
    sent: dict[str, list[bytes]] = {"POST /hook": [], "POST /upload/image": [], "POST /prompt": []}
    with ScriptedHost() as host:
        for line, bodies in sent.items():
            host.lies[line] = lambda request, _, bodies=bodies: bodies.append(request.body) or True
        answer = invoke(
            *(
                "batch",
                "run",
                graph,
                "--matrix",
                "1.color=1..3",
                "--photo",
                marked / "markphoto of markcaption.markuser",
            ),
            *("--out", out, "--host", host.url, "--webhook", f"{host.url}/hook", "--json"),
        )
        assert answer.exit_code == 0, answer.stderr
        exported = invoke("batch", "export", out, "--out", out / "table.csv")
        assert exported.exit_code == 0, exported.stderr
    assert all(sent.values())
    assert {line: marks for line, bodies in sent.items() if (marks := found_in(b"".join(bodies)))} == {}
    assert {"report.html", "report-1.html", "metrics.prom", "table.csv"} <= {file.name for file in out.iterdir()}
    assert len(list((out / "pictures").glob("*.png.json"))) == 3
    found = leaks(out)
    assert {file for file in found if not file.startswith(STATE)} == set()
    assert found_in(answer.stdout.encode()) == []


def test_a_run_uploads_a_photo_under_a_name_that_tells_nothing_and_neither_do_its_events(marked):
    graph, uploaded = night(marked), []
    with ScriptedHost() as host:
        host.lies["POST /upload/image"] = lambda request, _: uploaded.append(request.body) or True
        photo = marked / "markphoto of markcaption.markuser"
        answer = invoke("run", graph, "--photo", photo, "--out", marked / "out", "--host", host.url, "--json")
    assert answer.exit_code == 0, answer.stderr
    assert uploaded and found_in(b"".join(uploaded)) == []
    assert leaks(marked / "out") == {}


def test_a_copy_to_hand_out_carries_no_text_of_the_picture_it_was_made_from(marked):
    texts = PngInfo()
    for key in ("prompt", "workflow", "Author", "markuser"):
        texts.add_itxt(key, "markcaption by markuser on markhost in markfolder")
    exif = Image.Exif()
    exif[0x013B], exif[0x010E] = "markuser", "markphoto"
    for name in ("a.png", "a.jpg"):
        more: dict[str, Any] = {"pnginfo": texts} if name == "a.png" else {"comment": "markhost"}
        Image.new("RGB", (64, 64), "red").save(marked / name, exif=exif, **more)
    answer = invoke("provenance", "mark", marked / "a.png", marked / "a.jpg", "--out", marked / "out")
    assert answer.exit_code == 0, answer.stderr
    assert len(list((marked / "out").iterdir())) == 2
    assert leaks(marked / "out") == {}
