"""Pictures made again on the real host, and every reason why one cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from portrait_studio.runner.jobs import build, origins
from portrait_studio.runner.jobs.job import Job, run, upload_photos
from portrait_studio.runner.jobs.record import canonical_hash, sealed
from portrait_studio.runner.jobs.rerun import RecordError, again, read_record
from tests.runner.command import invoke, one_sentence

pytestmark = pytest.mark.host


@pytest.fixture
def made(client, fresh, tmp_path):
    """A picture of the real host with its record, with the model files that the prompt names."""

    def make(prompt: dict | None = None) -> Path:
        job = Job(origins.asking(prompt or fresh(), client.object_info()), graph="plain", parameters={"seed": 3})
        return run(job, client, tmp_path / "out").images[0].file

    return make


def edit(picture: Path, seal: bool = True, **changes) -> None:
    """Change a record: with its checksum made anew, as a forger would, or without."""
    file = picture.with_name(f"{picture.name}.json")
    facts = {**json.loads(file.read_text("utf-8")), **changes}
    if seal:
        facts.pop("checksum")
        file.write_bytes(sealed(facts))
    else:
        file.write_text(json.dumps(facts), "utf-8")


def rerun(host, picture: Path, tmp_path: Path, *more: object):
    return invoke("rerun", picture, "--host", host.url, "--out", tmp_path / "again", *more)


def test_a_picture_is_made_again_and_found_identical(host, made, tmp_path):
    picture = made()
    answer = rerun(host, picture, tmp_path)
    assert answer.exit_code == 0, answer.stderr
    assert "identical" in answer.stderr
    (again_file,) = (tmp_path / "again").glob("*.png")
    assert again_file.read_bytes() != b""
    record = json.loads((tmp_path / "again" / f"{again_file.name}.json").read_text("utf-8"))
    assert record["pixels_sha256"] == json.loads(Path(f"{picture}.json").read_text("utf-8"))["pixels_sha256"]
    assert record["prompt_id"] != json.loads(Path(f"{picture}.json").read_text("utf-8"))["prompt_id"]


def test_the_host_does_the_work_again_instead_of_handing_out_its_cache(client, made, tmp_path):
    recorded = read_record(made())
    first = again(client, recorded, tmp_path / "again")
    second = again(client, recorded, tmp_path / "again")
    assert first.identical
    assert second.identical
    assert first.picture != second.picture
    records = [
        json.loads(one.picture.with_name(f"{one.picture.name}.json").read_text("utf-8")) for one in (first, second)
    ]
    assert [one["reused"] for one in records] == [False, False]


def test_what_the_host_hands_out_of_its_cache_does_not_stay_beside_the_picture(client, made, tmp_path, monkeypatch):
    recorded = read_record(made())
    asked = []

    def late(free=client.free) -> None:
        asked.append(True)
        if len(asked) > 1:  # the first request to forget comes too late
            free()

    monkeypatch.setattr(client, "free", late)
    made_again = again(client, recorded, tmp_path / "again")
    assert made_again.identical
    assert not json.loads((tmp_path / "again" / f"{made_again.picture.name}.json").read_text("utf-8"))["reused"]
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == [
        made_again.picture.name,
        f"{made_again.picture.name}.json",
    ]


def test_a_picture_that_comes_out_otherwise_is_said_to(host, made, tmp_path):
    picture = made()
    edit(picture, sha256="0" * 64, pixels_sha256="1" * 64)
    answer = rerun(host, picture, tmp_path, "--json")
    assert answer.exit_code == 19
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert next(line for line in lines if line["event"] == "rerun")["identical"] is False
    assert lines[-1]["error"] == "not_identical"


def test_a_picture_of_another_host_is_compared_and_the_host_is_named_when_it_differs(host, made, tmp_path):
    picture = made()
    facts = json.loads(Path(f"{picture}.json").read_text("utf-8"))
    edit(picture, host={**facts["host"], "device": "cuda:0 Another Card"})
    answer = rerun(host, picture, tmp_path)
    assert answer.exit_code == 0  # the pixels are the same all the same
    assert "Another Card" in answer.stderr
    edit(picture, pixels_sha256="1" * 64, sha256="0" * 64)
    answer = rerun(host, picture, tmp_path)
    assert answer.exit_code == 20
    assert "Another Card" in answer.stderr.splitlines()[-1]


def test_a_picture_without_a_record_is_refused_in_a_sentence(host, made, tmp_path):
    picture = made()
    Path(f"{picture}.json").unlink()
    answer = rerun(host, picture, tmp_path)
    assert answer.exit_code == 17
    assert one_sentence(answer.stderr)
    assert "has no record" in answer.stderr
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "cannot be read"),
        ("[1, 2]", "not the record"),
        ("{" * 200, "cannot be read"),
        ('{"schema": 1}', "older version"),
        ('{"schema": 99}', "newer version"),
        ('{"schema": 2}', "was edited"),
        ('{"schema": true}', "older version"),
        ('{"schema": 2, "seed": NaN}', "cannot be read"),
    ],
)
def test_a_record_that_is_none_is_refused_in_a_sentence(host, made, tmp_path, content, says):
    picture = made()
    Path(f"{picture}.json").write_text(content)
    answer = rerun(host, picture, tmp_path)
    assert answer.exit_code == 17
    assert one_sentence(answer.stderr)
    assert says in answer.stderr


def test_an_edited_record_is_refused_however_small_the_edit(made, tmp_path):
    picture = made()
    edit(picture, seal=False, parameters={"seed": 4})
    with pytest.raises(RecordError, match="was edited"):
        read_record(picture)


def test_a_record_under_another_name_is_refused(made, tmp_path):
    picture = made()
    other = picture.with_name("other.png")
    shutil.copyfile(picture, other)
    shutil.copyfile(f"{picture}.json", f"{other}.json")
    with pytest.raises(RecordError, match="is that of"):
        read_record(other)


def test_a_record_that_is_a_link_is_not_followed(made, tmp_path):
    picture = made()
    record = Path(f"{picture}.json")
    record.rename(tmp_path / "elsewhere.json")
    record.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(RecordError, match="link"):
        read_record(picture)


def test_the_graph_is_found_in_the_picture_when_the_record_has_none(made, client, tmp_path):
    picture = made()
    edit(picture, prompt=None)
    assert again(client, read_record(picture), tmp_path / "again").identical


def test_a_graph_that_is_missing_or_another_is_said_to_be(host, made, tmp_path):
    picture = made()
    edit(picture, prompt={"1": {"class_type": "EmptyImage", "inputs": {}}})
    stripped = PngInfo()
    with Image.open(picture) as image:
        image.load()
        image.save(picture, pnginfo=stripped)
    answer = rerun(host, picture, tmp_path)
    assert answer.exit_code == 17
    assert one_sentence(answer.stderr)
    assert "graph" in answer.stderr
    assert "is missing" in answer.stderr


def test_a_hostile_graph_meets_the_same_checks_as_any_other(host, made, tmp_path):
    picture = made()
    facts = json.loads(Path(f"{picture}.json").read_text("utf-8"))
    facts["prompt"]["9"]["inputs"]["filename_prefix"] = "../../../outside"
    edit(picture, prompt=facts["prompt"], prompt_sha256=canonical_hash(facts["prompt"]))
    answer = rerun(host, picture, tmp_path)
    assert answer.exit_code == 3
    assert one_sentence(answer.stderr)


def test_a_picture_that_is_gone_is_compared_with_its_record(host, made, tmp_path):
    picture = made()
    picture.unlink()
    answer = rerun(host, Path(f"{picture}.json"), tmp_path)
    assert answer.exit_code == 0, answer.stderr
    assert "identical" in answer.stderr


def test_another_model_under_the_same_name_is_refused_before_anything_runs(host, client, made, models, tmp_path, fresh):
    prompt = fresh()
    prompt["2"] = {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "pocket-x4.safetensors"}}
    enlarge = {"upscale_model": ["2", 0], "image": ["1", 0]}
    prompt["3"] = {"class_type": "ImageUpscaleWithModel", "inputs": enlarge}
    prompt["9"]["inputs"]["images"] = ["3", 0]
    picture = made(prompt)
    facts = json.loads(Path(f"{picture}.json").read_text("utf-8"))
    (model,) = facts["models"]
    assert len(model["sha256"]) == 64
    assert facts["pack"]["version"]
    edit(picture, models=[{**model, "sha256": "c" * 64}])
    answer = rerun(host, picture, tmp_path)
    assert answer.exit_code == 18
    assert one_sentence(answer.stderr)
    assert "pocket-x4.safetensors" in answer.stderr
    assert not list((tmp_path / "again").glob("*.png"))
    answer = rerun(host, picture, tmp_path, "--anyway")
    assert answer.exit_code == 0
    assert "another file than then" in answer.stderr


def test_photos_that_the_host_has_lost_can_be_given_again(host, client, tmp_path, ui_graph):
    photo = tmp_path / "p.png"
    Image.effect_noise((64, 48), 90).convert("RGB").save(photo)
    job = build.job(client, ui_graph, {"radius": "9"}, lambda: upload_photos(client, [photo]))
    picture = run(job, client, tmp_path / "out").images[0].file
    uploaded = host.input / job.prompt["1"]["inputs"]["image"]
    uploaded.unlink()
    assert rerun(host, picture, tmp_path).exit_code != 0
    other = tmp_path / "other.png"
    Image.new("RGB", (9, 9)).save(other)
    wrong = rerun(host, picture, tmp_path, "--photo", other)
    assert wrong.exit_code == 17
    assert "other.png" in wrong.stderr
    answer = rerun(host, picture, tmp_path, "--photo", photo)
    assert answer.exit_code == 0, answer.stderr
    assert "identical" in answer.stderr
