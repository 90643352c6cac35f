"""Fetching a model from a real web server that breaks off, moves, changes and lies."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from portrait_studio.runner.assets import download
from portrait_studio.runner.assets.download import Download, DownloadError, fetch
from portrait_studio.runner.client.errors import exit_code

BODY = bytes(range(256)) * 40_000  # 10 MB
SHA = hashlib.sha256(BODY).hexdigest()


class Server:
    """A web server for one file on 127.0.0.1, with ranges, and with the faults that real ones have."""

    def __init__(self) -> None:
        self.body = BODY
        self.tag = '"one"'
        self.ranges = True  # whether it answers a Range
        self.honest = True  # whether it heeds If-Range
        self.shift = 0  # by how much it misses the part that it is asked for
        self.cut: list[int] = []  # after how many bytes each of the next answers breaks off
        self.pace = 0.0  # seconds between pieces of 64 KiB
        self.length = True  # whether it tells the length
        self.answers: list[int] = []  # statuses to give before all else
        self.location = ""
        self.asked: list[str | None] = []  # the Range of every request
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/upscale.safetensors"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.asked.append(asked)
        if self.answers:
            request.send_error(self.answers.pop(0))
            return
        if self.location:
            request.send_response(302)
            request.send_header("Location", self.location)
            request.end_headers()
            return
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked and self.ranges else 0
        if self.honest and request.headers.get("If-Range", self.tag) != self.tag:
            start = 0
        start += self.shift if start else 0
        if start >= len(self.body):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if self.tag:
            request.send_header("ETag", self.tag)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        if self.length:
            request.send_header("Content-Length", str(len(self.body) - start))
        request.end_headers()
        end = min(len(self.body), start + self.cut.pop(0)) if self.cut else len(self.body)
        try:
            for at in range(start, end, 1 << 16):
                request.wfile.write(self.body[at : min(at + (1 << 16), end)])
                time.sleep(self.pace)
        except OSError:  # the client went away
            return
        finally:
            request.close_connection = True


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def wanted(server, tmp_path) -> Download:
    return Download(server.url, tmp_path / "models" / "upscale.safetensors", SHA, len(BODY))


def left(wanted: Download) -> set[str]:
    return {file.name for file in wanted.target.parent.iterdir()}


def refused(wanted: Download) -> str:
    """Fetch what cannot be had; nothing that a loader would take may be left. Returns the sentence."""
    with pytest.raises(DownloadError) as caught:
        fetch(wanted, pause=0.0)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert caught.value.exit_code == exit_code("download")
    assert not any(name.endswith(download.SUFFIXES) for name in left(wanted))
    return sentence


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
        "fetch(Download(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))"
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


def break_off(wanted: Download, server: Server) -> None:
    """Leave an unfinished download behind."""
    server.cut, server.answers = [4_000_000], []
    with pytest.raises(DownloadError) as caught:
        fetch(wanted, _break_later(server), pause=0.0)
    assert "kept as" in str(caught.value)
    assert wanted.part.stat().st_size == 4_000_000
    server.answers, server.asked = [], []


def _break_later(server: Server):
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
def test_a_part_that_does_not_join_is_not_taken_and_all_is_fetched_anew(wanted, server, fault):
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


def test_a_file_without_a_version_is_never_continued(wanted, server):
    server.tag = ""
    break_off(wanted, server)
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


def test_a_server_that_is_not_there_is_named(tmp_path):
    wanted = Download("http://127.0.0.1:1/a.safetensors", tmp_path / "a.safetensors", SHA)
    assert "cannot be reached" in refused(wanted)
    assert left(wanted) == set()


@pytest.mark.parametrize("location", ["http://example.com/a.safetensors", "file:///etc/passwd", "ftp://127.0.0.1/a"])
def test_a_redirect_to_anything_but_https_is_not_followed(wanted, server, location):
    server.location = location
    with pytest.raises(DownloadError, match="not https"):
        fetch(wanted, pause=0.0)
    assert left(wanted) == set()


def test_a_redirect_on_the_way_is_followed_and_asked_for_the_rest(wanted, server, tmp_path):
    other = Server()
    other.location = server.url
    moved = Download(other.url, wanted.target, SHA, len(BODY))
    server.cut = [1_000_000]
    fetch(moved, pause=0.0)
    assert server.asked == [None, "bytes=1000000-"]
    assert wanted.target.read_bytes() == BODY
    other.http.shutdown()


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
        ("https://example.com/a.ckpt", "a.ckpt", SHA, "no kind of model file"),
        ("https://example.com/a.py", "a.py", SHA, "no kind of model file"),
        ("https://example.com/a.safetensors", "a.safetensors", "", "no sha256"),
        ("http://example.com/a.safetensors", "a.safetensors", SHA, "not https"),
        ("file:///a.safetensors", "a.safetensors", SHA, "not https"),
    ):
        assert words in refused(Download(url, tmp_path / name, sha))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_written_over(wanted, server):
    wanted.target.parent.mkdir()
    wanted.target.write_bytes(b"mine")
    with pytest.raises(DownloadError, match="there already"):
        fetch(wanted)
    assert wanted.target.read_bytes() == b"mine"
