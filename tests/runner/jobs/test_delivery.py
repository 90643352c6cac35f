"""A job's files on their way to the output folder: what is not what it says stays out, no image lacks a record."""

from __future__ import annotations

import json
import os
import struct
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from portrait_studio.portrait import disk
from portrait_studio.runner.client import Client, HostError, JobTimeoutError, events, limits
from portrait_studio.runner.jobs import content
from portrait_studio.runner.jobs.job import Job, run
from portrait_studio.runner.jobs.result import MissingError
from portrait_studio.runner.jobs.staging import staging, sweep

from ...hostile.scripted import PROMPT, ScriptedHost, body, drip, first, flood, raw, reply

PAGE = b"<!doctype html><title>Sign in</title>"


@pytest.fixture
def host():
    with ScriptedHost(images=3) as host:
        yield host


@pytest.fixture
def client(host):
    with Client(host.url, timeout=5.0, patience=1.0) as client:
        yield client


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def whole(folder: Path, images: int) -> None:
    """The folder holds so many images, each readable and told of by its record, and nothing else."""
    pictures = [path for path in folder.iterdir() if path.suffix == ".png"]
    assert len(pictures) == images
    assert names(folder) == sorted([path.name for path in pictures] + [f"{path.name}.json" for path in pictures])
    for path in pictures:
        record = json.loads(path.with_name(f"{path.name}.json").read_text("utf-8"))
        assert record["file"] == path.name
        assert record["sha256"] == disk.sha256(path)
        with Image.open(path) as picture:
            picture.load()


def png(width: int = 40, height: int = 30, rows: bytes | None = None) -> bytes:
    """A PNG made by hand: it says that it is `width` x `height` px, whatever its pixels are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = bytes(height * (1 + 3 * width)) if rows is None else rows
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def test_images_and_records_arrive_and_nothing_else_is_left(client, tmp_path):
    result = run(Job(PROMPT), client, tmp_path / "o")
    whole(tmp_path / "o", 3)
    assert [image.file.parent for image in result.images] == [tmp_path / "o"] * 3


@pytest.mark.parametrize(
    "sent",
    [
        PAGE,
        b"",
        b"MZ\x90\0",
        png()[:-20],
        png()[:40],
        png(rows=b"\0" * 100),
        png(30_000, 30_000, b""),
        png().replace(b"IDAT", b"IDAU"),
        png(5000, 5000, b"\0" * 1000),  # above what is decoded in memory
        png(5000, 5000)[:-30] + b"x" * 30,
        b"\xff\xd8\xff\xe0" + b"x" * 99,
    ],
)
def test_what_is_no_picture_is_not_saved_as_one(client, host, tmp_path, sent):
    host.lies["GET /view"] = body(sent, "image/png")
    with pytest.raises(MissingError) as caught:
        run(Job(PROMPT), client, tmp_path / "o")
    assert caught.value.exit_code == 13
    assert "cannot be fetched from the host" in str(caught.value)
    assert names(tmp_path / "o") == []


def test_a_large_picture_is_read_through_without_being_held(tmp_path):
    large = tmp_path / "large.png"
    large.write_bytes(png(5000, 5000))
    assert content.fault_of(large, "large.png") == ""
    for form in ("JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        file = tmp_path / f"a.{form.lower()}"
        Image.fromarray(np.random.default_rng(3).integers(0, 255, (90, 120, 3), np.uint8)).save(file, form)
        assert content.fault_of(file, file.name) == ""
        file.write_bytes(file.read_bytes()[:-3000])
        assert content.fault_of(file, file.name) != "", form


@pytest.mark.parametrize("sent", [reply(png(), length=len(png()) + 9), reply(png()[:50], length=len(png()))])
def test_an_answer_that_is_shorter_than_it_says_is_asked_for_again(client, host, tmp_path, sent):
    host.lies["GET /view"] = first(1, raw(sent))
    run(Job(PROMPT), client, tmp_path / "o")
    whole(tmp_path / "o", 3)


def test_a_file_that_never_ends_is_not_taken(client, host, tmp_path, monkeypatch):
    monkeypatch.setitem(limits.LIMITS, "file", {"bytes": 4_000_000})
    host.lies["GET /view"] = flood(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
    with pytest.raises(MissingError, match="larger than any file"):
        run(Job(PROMPT), client, tmp_path / "o")
    assert names(tmp_path / "o") == []


def test_a_drip_ends_with_the_time_of_the_job(client, host, tmp_path):
    host.lies["GET /view"] = drip(reply(png()), pause=0.1)
    begin = time.monotonic()
    with pytest.raises(JobTimeoutError):
        run(Job(PROMPT), client, tmp_path / "o", timeout=1.5)
    assert time.monotonic() - begin < 3.5
    assert names(tmp_path / "o") == []


def test_files_of_a_kind_that_could_run_stay_on_the_host(client, host, tmp_path):
    entry = host.entry

    def more(prompt_id: str) -> dict:
        told = entry(prompt_id)
        told["outputs"]["9"]["pages"] = [{"filename": "a.html", "type": "output"}, {"filename": "b.png.json"}]
        return told

    host.entry = more
    result = run(Job(PROMPT), client, tmp_path / "o")
    whole(tmp_path / "o", 3)
    assert [text for text in result.warnings if "stays on the host" in text and "html" in text]


def test_a_host_that_is_away_while_images_are_fetched_is_waited_for(client, host, tmp_path):
    client.patience = 10.0
    back = time.monotonic() + 1.5
    host.lies["GET /view"] = lambda request, send: time.monotonic() > back
    heard = []
    run(Job(PROMPT), client, tmp_path / "o", listener=heard.append)
    whole(tmp_path / "o", 3)
    kinds = [type(event) for event in heard]
    assert kinds.index(events.HostAway) < kinds.index(events.HostBack)


def test_a_host_that_stays_away_leaves_what_was_fetched_and_the_rest_comes_with_the_next_run(client, host, tmp_path):
    out = tmp_path / "o"
    job = Job(PROMPT, prompt_id="night-7", find=True)
    host.lies["GET /view"] = lambda request, send: request.number < 2
    with pytest.raises(HostError, match="2 are here and 1 are not; run the same job again"):
        run(job, client, out)
    whole(out, 2)
    before = {path.name: path.stat().st_ino for path in out.glob("*.png")}
    assert all(json.loads(path.read_text("utf-8"))["partial"] for path in out.glob("*.json"))
    host.lies.clear()
    result = run(job, client, out)
    whole(out, 3)
    assert len(result.images) == 3
    assert before.items() <= {path.name: path.stat().st_ino for path in out.glob("*.png")}.items()
    assert not any(json.loads(path.read_text("utf-8"))["partial"] for path in out.glob("*.json"))
    assert host.posted == ["night-7"]


def test_a_record_without_its_image_gets_it_from_the_next_run_and_a_changed_image_is_left_alone(client, host, tmp_path):
    out = tmp_path / "o"
    job = Job(PROMPT, prompt_id="night-8", find=True)
    run(job, client, out)
    gone, changed, kept = sorted(out.glob("*.png"))
    gone.unlink()
    changed.write_bytes(b"mine")
    run(job, client, out)
    assert gone.exists()
    assert changed.read_bytes() == b"mine"
    assert len(list(out.glob("*.png"))) == 4
    assert kept.exists()


@pytest.mark.parametrize("step", range(1, 7))
@pytest.mark.parametrize("after", [False, True])
def test_whenever_it_is_interrupted_no_image_is_there_without_its_record(
    client, tmp_path, monkeypatch, step, after, host
):
    """Three records and three images take their names in six steps."""
    steps = 0
    plain = disk.place_new

    def interrupted(beside: Path, path: Path) -> bool:
        nonlocal steps
        steps += 1
        if after:
            plain(beside, path)
        if path.suffix == ".png":
            assert path.with_name(f"{path.name}.json").exists()
        if steps == step:
            raise KeyboardInterrupt
        return after or plain(beside, path)

    monkeypatch.setattr(disk, "place_new", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(Job(PROMPT), client, tmp_path / "o")
    assert names(tmp_path / "o") == []


def test_two_jobs_that_choose_the_same_names_both_keep_theirs(host, tmp_path, monkeypatch):
    monkeypatch.setattr(ScriptedHost, "entry", lambda self, _: _entry("same.png"))
    failures = []

    def one() -> None:
        try:
            with Client(host.url) as client:
                run(Job(PROMPT), client, tmp_path / "o")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    whole(tmp_path / "o", 6)


def _entry(name: str) -> dict:
    shown = {"9": {"images": [{"filename": name, "subfolder": "", "type": "output"}]}}
    return {"outputs": shown, "status": {"messages": [["execution_success", {}]]}}


def test_what_a_killed_job_left_is_swept_and_what_another_holds_is_not(tmp_path):
    left = tmp_path / ".portrait-studio-0123.part"
    left.mkdir()
    (left / "0").write_bytes(b"half")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_bytes(b"")
    (tmp_path / ".portrait-studio-link.part").symlink_to(elsewhere)
    with staging(tmp_path) as held:
        assert not left.exists()
        (held / "0").write_bytes(b"half")
        sweep(tmp_path)
        assert (held / "0").exists()
        with pytest.raises(TimeoutError):
            FileLock(held / "held", timeout=0).acquire()
    assert not held.exists()
    assert (elsewhere / "mine").exists()
    assert os.path.lexists(tmp_path / ".portrait-studio-link.part")
