"""Graphs with stages and parameters, as jobs on the real host; and what their records say and do not say."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest
from PIL import Image

from portrait_studio.portrait.photos import PhotoError
from portrait_studio.runner.client import events
from portrait_studio.runner.client.errors import PromptError
from portrait_studio.runner.graph import GraphError
from portrait_studio.runner.jobs import build
from portrait_studio.runner.jobs.job import Job, run, upload_photos
from portrait_studio.runner.jobs.record import Stage

from ...present import present

pytestmark = pytest.mark.host


def staged(fresh) -> tuple[dict, tuple[Stage, ...]]:
    prompt = fresh("stage one", seconds=0.2)
    finding = {"image": ["2", 0], "stage": "first", "likeness": 0.5}
    prompt["5"] = {"class_type": "StudioTestFinding", "inputs": finding}
    prompt["6"] = {"class_type": "PreviewImage", "inputs": {"images": ["5", 0]}}
    stages = (
        Stage("first", "First light", image="6", likeness="5", nodes=("2",)),
        Stage("second", "Never measured", image="9", nodes=("nowhere",)),
    )
    return prompt, stages


def test_the_stage_table_tells_seconds_faces_likeness_and_file(client, fresh, tmp_path):
    prompt, stages = staged(fresh)
    heard: list[events.Event] = []
    result = run(Job(prompt, graph="staged", version="1.2.3", stages=stages), client, tmp_path, listener=heard.append)
    first, second = result.stages
    assert (first.faces, first.likeness) == (1, 0.5)
    assert present(first.seconds) >= 0.2
    assert (tmp_path / first.file).exists()
    assert (second.faces, second.likeness) == (None, None)
    assert second.file == next(image.file.name for image in result.images if image.node == "9")
    assert result.warnings == ["soft first"]
    assert [event.message for event in heard if isinstance(event, events.Warned)] == ["soft first"]
    record = json.loads(result.images[0].record.read_text("utf-8"))
    assert record["stages"][0] == {
        "name": "first",
        "title": "First light",
        "seconds": first.seconds,
        "faces": 1,
        "likeness": 0.5,
        "file": first.file,
    }
    assert record["graph"]["version"] == "1.2.3"
    assert record["warnings"] == ["soft first"]


def test_a_record_holds_no_path_no_user_and_no_address(client, fresh, host, tmp_path):
    photo = tmp_path / "Anna Example.png"
    Image.new("RGB", (64, 64)).save(photo)
    (name,) = upload_photos(client, [photo])
    prompt = fresh()
    prompt["1"] = {"class_type": "LoadImage", "inputs": {"image": name}}
    result = run(Job(prompt, parameters={"seed": 5}), client, tmp_path / "out")
    text = result.images[0].record.read_text("utf-8")
    for secret in (str(tmp_path), str(Path.home()), host.url, "127.0.0.1", "Anna", str(host.work)):
        assert secret not in text
    assert getpass.getuser() not in json.loads(text).values()
    assert json.loads(text)["parameters"] == {"seed": 5}


def test_a_ui_graph_runs_with_its_photo_parameter_and_stage(client, tmp_path, ui_graph):
    photo = tmp_path / "p.png"
    Image.effect_noise((64, 48), 90).convert("RGB").save(photo)
    job = build.job(client, ui_graph, {"radius": "9"}, lambda: upload_photos(client, [photo]))
    assert (job.graph, job.version, job.parameters) == ("soft-focus", "2.0", {"radius": 9})
    assert job.prompt["2"]["inputs"]["blur_radius"] == 9
    result = run(job, client, tmp_path / "out")
    assert result.stages[0].file == result.images[0].file.name
    with Image.open(result.images[0].file) as image:
        assert image.size == (64, 48)
        embedded = json.loads(image.info["workflow"])
    assert embedded["extra"]["portrait_studio"]["name"] == "soft-focus"
    assert embedded["extra"]["portrait_studio_job"]["parameters"] == {"radius": 9}
    assert build.parameter_rows(ui_graph) == [
        {"name": "radius", "type": "INT", "default": 1, "range": "1..31", "help": "How soft"}
    ]


@pytest.mark.parametrize(
    ("settings", "says"), [({"radus": "3"}, "radius"), ({"radius": "99"}, "31"), ({"radius": "soft"}, "radius")]
)
def test_a_parameter_that_is_wrong_is_refused_before_any_upload(client, ui_graph, settings, says):
    def upload() -> list[str]:
        raise AssertionError("uploaded")

    with pytest.raises((GraphError, PromptError), match=says):
        build.job(client, ui_graph, settings, upload)


def test_a_photo_that_is_wrong_stops_the_job_before_it_is_sent(client, tmp_path, ui_graph):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xe0 cut short")
    with pytest.raises(PhotoError, match=r"bad\.jpg"):
        build.job(client, ui_graph, {}, lambda: upload_photos(client, [bad]))
    with pytest.raises(PhotoError, match=r"gone\.jpg"):
        upload_photos(client, [tmp_path / "gone.jpg"])


def test_several_jobs_can_be_under_way_through_one_client(client, fresh):
    heard: dict[str, list[events.Event]] = {}
    ids = []
    for _ in range(4):
        mine: list[events.Event] = []
        ids.append(client.submit(fresh(seconds=0.1), listener=mine.append))
        heard[ids[-1]] = mine
    for prompt_id in reversed(ids):
        assert client.follow(prompt_id).outputs["9"]["images"]
    for prompt_id, mine in heard.items():
        assert {event.prompt_id for event in mine} == {prompt_id}
        steps = [event.value for event in mine if isinstance(event, events.NodeProgress)]
        assert steps  # newer hosts leave some out when they come fast
        assert steps == sorted(set(steps))
        assert set(steps) <= {1, 2, 3, 4, 5}
