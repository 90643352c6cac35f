"""Fetching a model from a real web server that breaks off, changes and lies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from portrait_studio.runner.assets import download
from portrait_studio.runner.assets.download import Download, DownloadError

from ...hostile.file_server import FileServer
from .fetching import BODY, SHA, fetch, left, refused


def test_a_file_arrives_whole_with_progress_and_leaves_nothing_else(wanted, server):
    told = []
    fetch(wanted, lambda done, total: told.append((done, total)))
    assert wanted.target.read_bytes() == BODY
    assert left(wanted) == {"upscale.safetensors"}
    assert told[0] == (0, len(BODY))
    assert told[-1] == (len(BODY), len(BODY))
    assert told == sorted(told)


def test_a_connection_that_breaks_is_taken_up_where_it_broke(wanted, server):
    server.cut = [3_000_000, 1]
    fetch(wanted, pause=0.0)
    assert wanted.target.read_bytes() == BODY
    assert server.asked == [None, "bytes=3000000-", "bytes=3000001-"]


def test_a_download_that_was_killed_goes_on_where_it_was(wanted, server):
    server.pace = 0.02
    code = (
        "import sys; from pathlib import Path; from portrait_studio.runner.assets.download import *; "
        "fetch(Download(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])), allowed=Allowed(True, True))"
    )
    command = [sys.executable, "-c", code, wanted.url, str(wanted.target), SHA, str(len(BODY))]
    process = subprocess.Popen(command)
    end = time.monotonic() + 30
    while not (wanted.part.exists() and wanted.part.stat().st_size > 2_000_000):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert "by another command" in refused(wanted)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert left(wanted) == {"upscale.safetensors.part", "upscale.safetensors.part.json"}
    had = wanted.part.stat().st_size
    server.pace, server.asked = 0.0, []
    fetch(wanted)
    assert wanted.target.read_bytes() == BODY
    assert server.asked == [f"bytes={had}-"]
    assert left(wanted) == {"upscale.safetensors"}


def break_off(wanted: Download, server: FileServer) -> None:
    """Leave an unfinished download behind."""
    server.cut, server.answers = [4_000_000], []
    with pytest.raises(DownloadError) as caught:
        fetch(wanted, _break_later(server), pause=0.0)
    if server.tag:
        assert "kept as" in str(caught.value)
        assert wanted.part.stat().st_size == 4_000_000
    server.answers, server.asked = [], []


def _break_later(server: FileServer):
    def progress(done: int, _total: int) -> None:
        if done:
            server.answers = [503] * 9

    return progress


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(wanted, server):
    break_off(wanted, server)
    server.ranges = False
    fetch(wanted)
    assert wanted.target.read_bytes() == BODY


def test_a_file_that_changed_meanwhile_is_sent_from_the_beginning(wanted, server):
    server.body, server.tag = BODY[::-1], '"old"'
    break_off(wanted, server)
    server.body, server.tag = BODY, '"new"'
    fetch(wanted, pause=0.0)
    assert wanted.target.read_bytes() == BODY
    assert server.asked == ["bytes=4000000-"]


@pytest.mark.parametrize("fault", ["If-Range is not heeded", "another part is sent"])
def test_a_part_that_does_not_join_is_not_taken_and_all_is_fetched_again(wanted, server, fault):
    if fault == "another part is sent":
        break_off(wanted, server)
        server.shift = 1000
    else:
        server.body, server.tag = BODY[::-1], '"old"'
        break_off(wanted, server)
        server.body, server.tag, server.honest = BODY, '"new"', False
    told = []
    fetch(wanted, lambda done, _: told.append(done), pause=0.0)
    assert wanted.target.read_bytes() == BODY
    assert server.asked == ["bytes=4000000-", None]
    assert told[0] == 0
    assert told == sorted(told)


def test_a_part_that_could_never_be_gone_on_with_is_not_kept_and_not_said_to_be(wanted, server):
    server.tag = ""
    server.cut, server.answers = [4_000_000], []
    with pytest.raises(DownloadError, match="nothing of it was kept") as caught:
        fetch(wanted, _break_later(server), pause=0.0)
    assert "kept as" not in str(caught.value)
    assert left(wanted) == set()
    server.answers, server.asked = [], []
    fetch(wanted)
    assert server.asked == [None]
    assert wanted.target.read_bytes() == BODY


def test_a_part_that_was_spoilt_here_is_fetched_again(wanted, server):
    break_off(wanted, server)
    with wanted.part.open("r+b") as part:
        part.write(b"spoilt")
    fetch(wanted, pause=0.0)
    assert wanted.target.read_bytes() == BODY
    assert server.asked == ["bytes=4000000-", None]


def test_a_part_longer_than_the_file_is_fetched_again(wanted, server):
    break_off(wanted, server)
    with wanted.part.open("ab") as part:
        part.write(bytes(len(BODY)))
    fetch(wanted, pause=0.0)
    assert wanted.target.read_bytes() == BODY


def test_a_tampered_file_leaves_nothing(wanted, server):
    server.body = BODY[:-1] + b"!"
    assert "not the file that the graph was made with" in refused(wanted)
    assert left(wanted) == set()


def test_a_file_of_another_size_is_refused_before_it_is_fetched(wanted, server):
    server.body = BODY + b"!"
    assert "it has changed" in refused(wanted)
    assert left(wanted) == set()


def test_a_file_that_never_ends_is_cut_at_the_size_it_should_have(wanted, server):
    server.length, server.body = False, BODY + b"!" * 10_000_000
    assert "larger than it should be" in refused(wanted)
    assert left(wanted) == set()


@pytest.mark.parametrize(("status", "words"), [(404, "answers 404"), (403, "only to its members")])
def test_a_file_that_is_not_given_is_refused_by_its_reason(wanted, server, status, words):
    server.answers = [status]
    assert words in refused(wanted)
    assert left(wanted) == set()


def test_a_busy_server_is_asked_again(wanted, server):
    server.answers = [503, 429]
    fetch(wanted, pause=0.0)
    assert wanted.target.read_bytes() == BODY


def test_a_file_without_a_length_stops_before_the_disk_is_full(wanted, server, monkeypatch):
    server.length, server.body, server.tag = False, bytes(6_000_000), ""
    looks = iter([10**12, 0])
    monkeypatch.setattr(download, "_LOOK", 1_000_000)
    monkeypatch.setattr(download.psutil, "disk_usage", lambda _: SimpleNamespace(free=next(looks)))
    assert "There is no room" in refused(Download(server.url, wanted.target, SHA))
    assert left(wanted) == set()


def test_a_server_that_sends_almost_nothing_is_given_up(wanted, server, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    server.pace, server.piece = 0.05, 100
    begin = time.monotonic()
    assert "stopped at" in refused(wanted)
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_an_unfinished_file_that_is_no_file_is_not_touched(wanted, tmp_path, kind):
    wanted.target.parent.mkdir()
    if kind == "link":
        wanted.part.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(wanted.part)
    else:
        wanted.part.mkdir()
    assert "is not a file" in refused(wanted)
    assert not (tmp_path / "elsewhere").exists()


def test_a_redirect_on_the_way_is_followed_and_asked_for_the_rest(wanted, server, tmp_path):
    other = FileServer(BODY)
    other.location = server.url
    moved = Download(other.url, wanted.target, SHA, len(BODY))
    server.cut = [1_000_000]
    fetch(moved, pause=0.0)
    assert server.asked == [None, "bytes=1000000-"]
    assert wanted.target.read_bytes() == BODY
    other.close()


def test_a_full_disk_is_told_before_anything_is_fetched(wanted, server, monkeypatch):
    monkeypatch.setattr(download, "SPARE_BYTES", 1 << 60)
    assert "There is no room" in refused(wanted)


def test_a_disk_that_fills_up_in_the_middle_is_told_and_the_part_can_be_gone_on_with(wanted, server):
    resource = pytest.importorskip("resource", reason="limits of a process are POSIX's")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, before[1]))
    try:
        assert "There is no room" in refused(wanted)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert 0 < wanted.part.stat().st_size <= 5_000_000
    fetch(wanted)
    assert server.asked[1].startswith("bytes=")
    assert wanted.target.read_bytes() == BODY


def test_only_model_files_with_a_known_hash_over_https_are_fetched(tmp_path):
    for url, name, sha, words in (
        ("https://example.com/a.ckpt", "a.ckpt", SHA, "not a kind of model file"),
        ("https://example.com/a.py", "a.py", SHA, "not a kind of model file"),
        ("https://example.com/a.safetensors", "a.safetensors", "", "no sha256"),
        ("http://example.com/a.safetensors", "a.safetensors", SHA, "not https"),
        ("file:///a.safetensors", "a.safetensors", SHA, "not https"),
    ):
        with pytest.raises(DownloadError, match=words):
            download.fetch(Download(url, tmp_path / name, sha))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_written_over(wanted, server):
    wanted.target.parent.mkdir()
    wanted.target.write_bytes(b"mine")
    with pytest.raises(DownloadError, match="exists already"):
        fetch(wanted)
    assert wanted.target.read_bytes() == b"mine"
