"""`portrait-studio serve`: the real command in a process of its own, over a host that is away."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest

from ...ports import held_port
from ..command import invoke, one_sentence

PASSWORD = "a sentence is a good one"  # noqa: S105
PATIENCE = 90.0  # seconds, on a machine that does other things


class Served:
    """A running studio, and what it has said."""

    def __init__(self, folder, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.log = folder.with_suffix(".log")
        command = [
            sys.executable,
            "-m",
            "portrait_studio.runner",
            "serve",
            "--folder",
            str(folder),
            "--port",
            str(port),
        ]
        with self.log.open("wb") as sink:
            self.process = subprocess.Popen([*command, "--host", "http://127.0.0.1:9"], stderr=sink, stdout=sink)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{self.address}/sign-in")
                return
            time.sleep(0.2)
        raise AssertionError(f"it did not answer: {self.said()}")

    def said(self) -> str:
        return self.log.read_text("utf-8")

    def link(self) -> str:
        found = re.search(r"/welcome/[\w-]+", self.said())
        return found[0] if found else ""


@pytest.fixture
def serve(tmp_path):
    running = []
    with held_port() as port:

        def start() -> Served:
            running.append(Served(tmp_path / "web", port))
            return running[-1]

        yield start
        for one in running:
            one.process.kill()
            one.process.wait()


def test_it_says_its_address_and_the_first_link_and_a_kill_loses_nothing(serve):
    first = serve()
    assert first.address in first.said()
    made = httpx.post(first.address + first.link(), data={"name": "olivia", "password": PASSWORD})
    assert made.headers["location"] == "/people"
    first.process.kill()
    first.process.wait()
    second = serve()
    assert second.link() == ""  # there is an account, so no link opens the house any more
    there = httpx.get(f"{second.address}/people", cookies={"login": made.cookies["login"]})
    assert there.status_code == 200
    assert httpx.get(f"{second.address}/people").headers["location"] == "/sign-in"
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(PATIENCE) == 143
    assert "Traceback" not in second.said()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--listen", "0.0.0.0"), "put a proxy with https before it"),
        (("--certificate", "chain.pem"), "give both or neither"),
        (("--comfyui", "nowhere"), "There is no ComfyUI in 'nowhere'"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(tmp_path, options, says):
    done = invoke("serve", "--folder", tmp_path / "web", *options)
    assert done.exit_code != 0
    assert says in " ".join(done.stderr.split())


def test_without_its_packages_it_says_which_extra_to_install(monkeypatch, tmp_path):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "fastapi" else found(name))
    done = invoke("serve", "--folder", tmp_path / "web")
    assert done.exit_code == 1
    assert one_sentence(done.stderr)
    assert "needs fastapi; install portrait-studio[service]" in done.stderr
