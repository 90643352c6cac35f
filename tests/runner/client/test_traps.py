"""The fifteen traps of runner/client/traps.toml, each against the real host; none passes without its handling."""

from __future__ import annotations

import io
import json
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import portrait_studio.runner.client
from portrait_studio.portrait.disk import read_toml
from portrait_studio.portrait.photos import PhotoError
from portrait_studio.runner.client import events
from portrait_studio.runner.client.client import Client
from portrait_studio.runner.client.errors import (
    JobError,
    LostError,
    PromptError,
    RefusedError,
)
from portrait_studio.runner.client.messages import read_text
from portrait_studio.runner.jobs.job import Job, job_id, run, upload_photos
from portrait_studio.runner.jobs.prepare import prepare_prompt
from portrait_studio.runner.jobs.result import MissingError, NodeFailedError, StoppedError

TRAPS = Path(portrait_studio.runner.client.__file__).with_name("traps.toml")

pytestmark = pytest.mark.host


def post(url: str, body: dict) -> dict:
    """What any other client of the host does: no runner in it."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"{}")


def posts(host) -> int:
    return host.log.read_text("utf-8").count("got prompt")


def noise(side: int, seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_every_trap_is_numbered_and_has_a_test():
    numbers = [trap["number"] for trap in read_toml(TRAPS)["trap"]]
    assert numbers == list(range(1, 16))
    tests = "\n".join(name for name in globals() if name.startswith("test_trap_"))
    assert all(f"test_trap_{number:02}_" in tests for number in numbers)


def test_trap_01_the_history_is_read_until_the_job_is_in_it(client, fresh):
    seconds = []
    for _ in range(40):
        begin = time.monotonic()
        prompt_id = client.submit(fresh())
        outcome = client.follow(prompt_id)
        assert outcome.state == "success"
        assert outcome.outputs["9"]["images"]
        seconds.append(time.monotonic() - begin)
    # The end was acted upon, not found by the next regular look; a busy machine may be late now and then.
    assert sorted(seconds)[len(seconds) // 2] < 1.5


def test_trap_01_a_history_that_is_written_late_is_waited_for(client, fresh):
    prompt = fresh()
    prompt["5"] = {"class_type": "StudioTestLate", "inputs": {"image": ["1", 0]}}
    prompt["9"]["inputs"]["images"] = ["5", 0]
    begin = time.monotonic()
    outcome = client.follow(client.submit(prompt))
    assert outcome.state == "success"
    assert outcome.outputs["9"]["images"]
    assert 0.4 < time.monotonic() - begin < 1.5


def test_trap_02_the_second_run_of_a_graph_has_its_images_too(client, fresh, host):
    prompt = fresh()
    assert client.follow(client.submit(prompt)).outputs["9"]["images"]
    again = client.follow(client.submit(prompt))
    assert again.outputs["9"]["images"]
    assert "9" in again.cached


def test_trap_03_a_run_without_work_delivers_the_old_images_and_says_so(client, fresh, tmp_path):
    prompt = fresh()
    first = run(Job(prompt), client, tmp_path / "first")
    second = run(Job(prompt), client, tmp_path / "second")
    assert not first.reused
    assert second.reused
    assert second.images[0].file.read_bytes() == first.images[0].file.read_bytes()
    assert json.loads(second.images[0].record.read_text("utf-8"))["reused"] is True


def test_trap_03_an_old_image_that_is_gone_is_missed_with_its_reason(client, fresh, host, tmp_path):
    prompt = fresh("gone")
    shown = run(Job(prompt), client, tmp_path).outputs["9"]["images"][0]
    (host.output / shown["filename"]).unlink()
    with pytest.raises(MissingError, match=r"earlier run.*no longer on the host.*seed") as caught:
        run(Job(prompt), client, tmp_path / "again")
    assert caught.value.exit_code == 13
    assert list((tmp_path / "again").iterdir()) == []


@pytest.mark.parametrize("linger", [0.0, 0.7])
def test_trap_04_the_nodes_are_heard_again_after_the_socket_broke(relay, fresh, linger, until):
    prompt = fresh(seconds=3.0, steps=30)
    heard: list[events.Event] = []
    with Client(relay.url, silence=0.5) as client:
        prompt_id = client.submit(prompt, listener=heard.append)
        cutter = threading.Timer(0.6, relay.cut_sockets, [linger])
        cutter.start()
        outcome = client.follow(prompt_id)
        assert outcome.state == "success"
        assert client.stream.openings >= 2
    steps = [event.value for event in heard if isinstance(event, events.NodeProgress)]
    assert min(steps) < 10 < 28 < max(steps)
    assert any(isinstance(event, events.NodeStarted) and event.node == "9" for event in heard)


def test_trap_05_a_prompt_taken_in_part_is_refused_and_taken_back(client, fresh, host, until):
    prompt = fresh("half", seconds=3.0)
    prompt["8"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "half"}}
    begin = posts(host)
    with pytest.raises(RefusedError, match=r"SaveImage \(node 8\).*images") as caught:
        client.submit(prompt)
    assert posts(host) == begin + 1
    assert "8" in caught.value.node_errors
    assert client.queue() == ([], [])
    assert not list(host.output.glob("half*"))


def test_trap_06_a_node_that_nothing_asks_for_never_reaches_the_worker(client, fresh):
    prompt = fresh() | {
        "lonely": {"class_type": "EmptyImage"},
        "_meta": {"title": "not a node"},
        "note": {"class_type": "EmptyImage", "inputs": {}},
    }
    prepared = prepare_prompt(prompt, client.object_info())
    assert prepared.keys() == {"1", "9"}
    assert client.follow(client.submit(prepared)).state == "success"


def test_trap_07_a_job_deleted_from_the_queue_is_reported_as_lost(client, fresh, host):
    slow = client.submit(fresh(seconds=4.0, steps=40))
    mine = client.submit(fresh())
    try:
        threading.Timer(0.5, post, [f"{host.url}/queue", {"delete": [mine]}]).start()
        with pytest.raises(LostError, match=mine) as caught:
            client.follow(mine, timeout=20)
        assert caught.value.exit_code == 9
    finally:
        client.cancel(slow)


def test_trap_08_a_prompt_whose_answer_is_lost_runs_once(relay, fresh, host, tmp_path):
    prompt = fresh("once")
    before = posts(host)
    with Client(relay.url) as client:
        client.about()
        relay.cut_everything()  # so that the prompt gets a connection of its own
        relay.swallow = b"POST /prompt"
        result = run(Job(prompt), client, tmp_path, timeout=30, host=client.about())
    assert relay.swallowed.is_set()
    assert posts(host) == before + 1
    assert len(result.images) == 1


def test_trap_08_a_named_job_is_found_instead_of_run_again(client, fresh, host, tmp_path):
    batch = f"night batch {time.time()}"
    name = job_id(batch, row=7)
    assert name == job_id(batch, row=7)
    assert name != job_id(batch, row=8)
    job = Job(fresh("named"), prompt_id=name, find=True)
    first = run(job, client, tmp_path)
    before = posts(host)
    heard: list[events.Event] = []
    second = run(job, client, tmp_path, listener=heard.append)
    assert posts(host) == before
    assert any(isinstance(event, events.Accepted) and event.found for event in heard)
    assert second.images[0].file.read_bytes() == first.images[0].file.read_bytes()


def test_trap_08_the_id_is_told_before_anything_is_sent(client, fresh, host):
    before, seen = posts(host), []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.Submitting):
            seen.append((event.prompt_id, client.knows(event.prompt_id), posts(host)))

    prompt_id = client.submit(fresh(), listener=listen)
    client.follow(prompt_id)
    assert seen == [(prompt_id, False, before)]


def test_trap_09_a_blocked_branch_is_a_warning_and_not_a_failure(client, fresh, tmp_path):
    prompt = fresh("open")
    prompt["5"] = {"class_type": "StudioTestBlock", "inputs": {"image": ["1", 0]}}
    prompt["8"] = {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "blocked"}}
    result = run(Job(prompt), client, tmp_path)
    assert result.state == "success"
    assert [image.node for image in result.images] == ["9"]
    assert any("nothing to do here" in warning for warning in result.warnings)


def test_trap_09_a_circle_made_at_run_time_is_a_failure_though_the_host_says_success(client, fresh, host, tmp_path):
    prompt = fresh()
    client.follow(client.submit(prompt))  # the host keeps the verdict of the job before
    prompt["5"] = {"class_type": "StudioTestCycle", "inputs": {"image": ["1", 0]}}
    prompt["9"]["inputs"]["images"] = ["5", 0]
    job = Job(prompt)
    with pytest.raises(JobError, match="cycle"):
        run(job, client, tmp_path)
    assert client.history(job.prompt_id).status == "success"


def test_trap_09_a_circle_in_the_graph_is_named_before_anything_is_sent(client, fresh, host):
    prompt = fresh()
    prompt["4"] = {"class_type": "ImageInvert", "inputs": {"image": ["5", 0]}, "_meta": {"title": "There"}}
    prompt["5"] = {"class_type": "ImageInvert", "inputs": {"image": ["4", 0]}, "_meta": {"title": "Back"}}
    prompt["9"]["inputs"]["images"] = ["5", 0]
    before = posts(host)
    with pytest.raises(PromptError, match=r"There \(node 4\).*Back \(node 5\).* make a cycle|Back.*There.* cycle"):
        prepare_prompt(prompt, client.object_info())
    assert posts(host) == before
    with pytest.raises(RefusedError, match=r"^The host refused the prompt: .{10,}"):
        client.submit(prompt)


def test_trap_09_an_interrupt_by_somebody_else_is_told_apart_from_a_failure(client, fresh, host, tmp_path, until):
    job = Job(fresh(seconds=5.0, steps=50))
    threading.Timer(0.6, post, [f"{host.url}/interrupt", {"prompt_id": job.prompt_id}]).start()
    with pytest.raises(StoppedError) as caught:
        run(job, client, tmp_path)
    assert caught.value.exit_code == 12


def test_trap_10_images_made_before_a_failure_are_kept_and_marked(client, fresh, tmp_path):
    prompt = fresh("early")
    prompt["5"] = {
        "class_type": "StudioTestSleep",
        "inputs": {"image": ["1", 0], "seconds": 0.3, "steps": 3, "seed": 0},
    }
    prompt["6"] = {"class_type": "StudioTestFail", "inputs": {"image": ["5", 0]}, "_meta": {"title": "The breaker"}}
    prompt["8"] = {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "late"}}
    with pytest.raises(
        NodeFailedError, match=r"The breaker \(node 6\) failed: the test node fails on purpose"
    ) as caught:
        run(Job(prompt), client, tmp_path)
    assert "1 image(s)" in str(caught.value)
    (image,) = caught.value.result.images
    assert image.file.exists()
    assert json.loads(image.record.read_text("utf-8"))["partial"] is True


def test_trap_11_another_picture_of_the_same_name_replaces_nothing(client, host):
    first, second = noise(64, 1), noise(64, 2)
    name = f"same-{time.time_ns()}.png"
    assert client.upload(name, first) == name
    assert client.upload(name, first) == name
    other = client.upload(name, second)
    assert other != name
    assert (host.input / name).read_bytes() == first
    assert (host.input / other).read_bytes() == second


def test_trap_11_photos_are_named_by_their_content(client, host, tmp_path, fresh):
    paths = [tmp_path / "one" / "내 사진 😀.png", tmp_path / "two" / "내 사진 😀.png"]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(noise(64, 10 + number))
    names = upload_photos(client, [*paths, paths[0]])
    assert names[0] == names[2] != names[1]
    assert all(name.isascii() for name in names)
    prompt = fresh()
    prompt["1"] = {"class_type": "LoadImage", "inputs": {"image": names[1]}}
    result = run(Job(prepare_prompt(prompt, client.object_info())), client, tmp_path / "out")
    with Image.open(result.images[0].file) as made, Image.open(paths[1]) as given:
        assert np.array_equal(np.asarray(made), np.asarray(given))


def test_trap_11_one_bad_photo_and_none_is_uploaded(client, host, tmp_path):
    good, text, empty = tmp_path / "good.png", tmp_path / "text.jpg", tmp_path / "empty.jpg"
    good.write_bytes(noise(32, time.time_ns() % 2**32))
    text.write_text("no picture")
    empty.write_bytes(b"")
    before = set(host.input.rglob("*"))
    with pytest.raises(PhotoError, match=r"text\.jpg.*empty\.jpg"):
        upload_photos(client, [good, text, empty])
    assert set(host.input.rglob("*")) == before


def test_trap_12_a_prefix_with_two_dots_is_refused_and_a_file_with_them_is_missed_by_name(client, fresh, tmp_path):
    with pytest.raises(PromptError, match=r"'a\.\.b'.*'\.\.'"):
        prepare_prompt(fresh("a..b"), client.object_info())
    with pytest.raises(MissingError, match=r"a\.\.b_00001_\.png.*'\.\.'"):
        run(Job(fresh("a..b")), client, tmp_path)


def test_trap_12_names_of_every_script_arrive_and_stay_in_the_folder(client, fresh, tmp_path):
    out = tmp_path / "out"
    result = run(Job(fresh("방 하나/초상 portrait 😀")), client, out)
    (image,) = result.images
    assert image.file.parent == out
    assert image.file.name == "초상 portrait 😀_00001_.png"


def test_trap_13_progress_of_other_peoples_prompts_is_not_taken_for_ours(client, fresh, host):
    heard: list[events.Event] = []
    client.stream.open()
    post(f"{host.url}/prompt", {"prompt": fresh(seconds=1.0)})  # no client id: told to every socket
    prompt_id = client.submit(fresh(), listener=heard.append)
    client.follow(prompt_id)
    assert {event.prompt_id for event in heard} == {prompt_id}
    assert not [event for event in heard if isinstance(event, events.NodeProgress)]
    assert [event.position for event in heard if isinstance(event, events.Queued)][:1] == [1]


def test_trap_14_a_silent_socket_does_not_keep_a_job_waiting(relay, fresh):
    with Client(relay.url) as client:
        client.stream.open()
        relay.frozen = True
        begin = time.monotonic()
        assert client.follow(client.submit(fresh()), timeout=30).state == "success"
        assert time.monotonic() - begin < 6.0
        relay.frozen = False


def test_trap_14_previews_may_be_larger_than_a_mebibyte(client, fresh):
    picture = noise(800)
    assert len(picture) > 1 << 20
    heard: list[events.Event] = []
    prompt = fresh()
    prompt["1"] = {"class_type": "LoadImage", "inputs": {"image": client.upload("noise.png", picture)}}
    prompt["8"] = {"class_type": "SaveImageWebsocket", "inputs": {"images": ["1", 0]}}
    assert client.follow(client.submit(prompt, listener=heard.append)).state == "success"
    shown = max((event for event in heard if isinstance(event, events.Preview)), key=lambda event: event.size)
    assert len(shown.picture) == shown.size > 1 << 20
    assert '"picture"' not in shown.to_json()
    assert client.stream.openings == 1


def test_what_a_node_of_the_pack_says_while_it_works_is_heard(client):
    heard: list[events.Event] = []
    prompt = {
        "1": {"class_type": "PortraitLoadPhotos", "inputs": {"folder": "examples/nora", "files": "", "max_photos": 2}},
        "2": {"class_type": "PortraitPhotoReport", "inputs": {"images": ["1", 0], "names": ["1", 1], "least": 1}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 2]}},
    }
    prompt["2"]["inputs"] |= {
        "min_face": 40 + int(time.time()) % 24,
        "max_yaw": 75,
        "min_sharpness": 0.01,
        "same_person": 0.363,
    }
    assert client.follow(client.submit(prompt, listener=heard.append)).state == "success"
    said = [event for event in heard if isinstance(event, events.NodeSaid)]
    assert [(one.node, one.text, one.curve) for one in said][-1] == ("2", "Looking at photo 2 of 2", [])


def test_a_curve_is_taken_where_it_is_one():
    told = {"node": "7", "text": "Training", "curve": [[0, 0.1], [20, 0.42], "no", [1], [2, "x"], [3, None]]}
    message = read_text(json.dumps({"type": "portrait_studio.said", "data": told}).encode())
    assert (message.node, message.text, message.curve) == ("7", "Training", ((0, 0.1), (20, 0.42)))
    nothing = read_text(b'{"type": "portrait_studio.said", "data": {"node": 3, "curve": 5}}')
    assert (nothing.node, nothing.text, nothing.curve) == ("3", "", ())


def test_trap_15_a_misspelt_input_is_refused_with_the_nearest_right_name(client, fresh, host):
    prompt = fresh(seconds=0.1)
    prompt["2"]["inputs"]["secnds"] = 2
    before = posts(host)
    with pytest.raises(PromptError, match=r"A long look \(node 2\) has no input 'secnds'.*'seconds'"):
        prepare_prompt(prompt, client.object_info())
    assert posts(host) == before


def test_a_job_leaves_whole_files_and_nothing_else(client, fresh, tmp_path):
    result = run(Job(fresh("whole")), client, tmp_path)
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == sorted(
        [result.images[0].file.name, result.images[0].record.name]
    )
