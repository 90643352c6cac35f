"""`portrait-studio serve`: the real command in a process of its own, over a host that is away."""

from __future__ import annotations

import importlib.util
import signal

import httpx
import pytest

from ...ports import held_port
from ...service.conftest import PASSWORD
from ...service.processes import AWAY, Served
from ..command import invoke, one_sentence


@pytest.fixture
def serve(tmp_path):
    running = []
    with held_port() as port:

        def start() -> Served:
            log = tmp_path / f"{len(running)}.log"
            running.append(Served(log, port, "--folder", tmp_path / "web", "--host", AWAY))
            return running[-1]

        yield start
        for one in running:
            one.kill()


def test_it_says_its_address_and_the_first_link_and_a_kill_loses_nothing(serve):
    first = serve()
    assert first.address in first.said()
    made = httpx.post(first.address + first.link(), data={"name": "olivia", "password": PASSWORD})
    assert made.headers["location"] == "/people"
    first.kill()
    second = serve()
    assert second.link() == ""  # there is an account, so no link opens the house any more
    there = httpx.get(f"{second.address}/people", cookies={"login": made.cookies["login"]})
    assert there.status_code == 200
    assert httpx.get(f"{second.address}/people").headers["location"] == "/sign-in"
    assert second.kill(signal.SIGTERM) == 143
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
