"""What the runner's tests share: prompts of fast core nodes, and a relay that injects the faults of a network."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from portrait_studio.runner.client.client import Client

from .graph.sketch import Sketch

_numbers = itertools.count(int.from_bytes(os.urandom(2), "big") << 8)


@pytest.fixture
def client(host):
    """A client of the shared host that loses patience soon."""
    with Client(host.url, lost_grace=0.5, silence=1.0) as client:
        yield client


@pytest.fixture
def installation(tmp_path) -> Path:
    """A folder laid out as ComfyUI's."""
    root = tmp_path / "ComfyUI"
    (root / "models" / "upscale_models").mkdir(parents=True)
    (root / "main.py").touch()
    return root


@pytest.fixture
def relay(host):
    """A relay in front of the shared host."""
    with Relay(urlsplit(host.url).port) as relay:
        yield relay


@pytest.fixture
def fresh():
    """Make a prompt that no test has run before: a plain picture, saved after `seconds` in `steps` steps."""
    return make_prompt


@pytest.fixture
def graph(tmp_path, fresh):
    """Write a prompt to a file and return its path."""

    def write(prompt: dict | str | None = None, name: str = "초상 graph.json") -> str:
        path = tmp_path / name
        path.write_text(prompt if isinstance(prompt, str) else json.dumps(prompt or fresh()), "utf-8")
        return str(path)

    return write


@pytest.fixture
def ui_graph(client, tmp_path) -> Path:
    """A UI graph as the canvas saves it, with one parameter, one stage and a place for photos."""
    sketch = Sketch(client.object_info())
    load = sketch.add("LoadImage", ["example.png", "image"])
    blur = sketch.add("ImageBlur", [1, 1.0], title="Soft focus")
    save = sketch.add("SaveImage", ["soft"])
    sketch.link(load, 0, blur, "image")
    sketch.link(blur, 0, save, "images")
    radius = {
        "targets": [{"node": blur["id"], "input": "blur_radius"}],
        **{"type": "INT", "min": 1, "max": 31, "default": 1},
        "help": {"en": "How soft", "ko": "부드러움"},
    }
    title = {"en": "Soft", "ko": "부드럽게"}
    sketch.extra["portrait_studio"] = {
        "name": "soft-focus",
        "version": "2.0",
        "parameters": {"radius": radius},
        "photos": {"node": load["id"], "input": "image"},
        "stages": [{"name": "soft", "title": title, "image": save["id"], "nodes": [blur["id"]]}],
    }
    path = tmp_path / "soft-focus.v2.json"
    path.write_text(json.dumps(sketch.graph()), "utf-8")
    return path


def make_prompt(prefix: str = "runner", seconds: float = 0.0, steps: int = 5) -> dict:
    picture = {"width": 64, "height": 64, "batch_size": 1, "color": next(_numbers)}
    prompt = {"1": {"class_type": "EmptyImage", "inputs": picture}}
    link = ["1", 0]
    if seconds:
        waiting = {"image": link, "seconds": seconds, "steps": steps, "seed": 0}
        prompt["2"] = {"class_type": "StudioTestSleep", "inputs": waiting, "_meta": {"title": "A long look"}}
        link = ["2", 0]
    prompt["9"] = {"class_type": "SaveImage", "inputs": {"images": link, "filename_prefix": prefix}}
    return prompt


@pytest.fixture
def until():
    """Wait until something holds, for at most some seconds."""

    def wait(holds, seconds: float = 10.0):
        end = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < end, "it never came true"
            time.sleep(0.02)
        return found

    return wait


class Relay:
    """A TCP relay between client and host that can cut, freeze or swallow, with the real host behind it.

    Forwards 127.0.0.1:`port` to a host's port, and misbehaves on request.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.frozen = False  # sockets stay open, and nothing comes through them from the host
        self.refusing = False  # every connection is closed at once
        self.swallow = b""  # requests that start so reach the host, and their answer never comes back; once
        self.swallowed = threading.Event()
        self.sockets: list[tuple[socket.socket, socket.socket]] = []
        self.all: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        for end in self.all:
            _shut(end)

    def cut_sockets(self, linger: float = 0.0) -> None:
        """Break every websocket towards the client; the host learns of it `linger` seconds later."""
        pairs, self.sockets = self.sockets, []
        for client, server in pairs:
            _shut(client)
            threading.Timer(linger, _shut, [server]).start()

    def cut_everything(self) -> None:
        for end in self.all:
            _shut(end)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                _shut(client)
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            self.all += [client, server]
            state = {"websocket": False, "swallow": False}
            threading.Thread(target=self._up, args=(client, server, state), daemon=True).start()
            threading.Thread(target=self._down, args=(client, server, state), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, state: dict) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if data.startswith(b"GET /ws"):
                    state["websocket"] = True
                    self.sockets.append((client, server))
                if self.swallow and data.startswith(self.swallow):
                    self.swallow, state["swallow"] = b"", True
                server.sendall(data)
        if not state["websocket"]:
            _shut(server)

    def _down(self, client: socket.socket, server: socket.socket, state: dict) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if state["swallow"]:
                    self.swallowed.set()
                    break
                while self.frozen and state["websocket"]:
                    time.sleep(0.05)
                client.sendall(data)
        _shut(client)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
