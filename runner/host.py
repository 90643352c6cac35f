"""A ComfyUI server on this machine: started, waited for, and never left behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import HostError


@dataclass
class LocalHost:
    """A running ComfyUI process and where it keeps its files; a context manager that ends it."""

    url: str
    process: subprocess.Popen
    work: Path
    log: Path

    @property
    def input(self) -> Path:
        """The folder that LoadImage reads."""
        return self.work / "input"

    @property
    def output(self) -> Path:
        """The folder that SaveImage writes."""
        return self.work / "output"

    def stop(self, patience: float = 10.0) -> None:
        """Ask the server to end, and end it by force after `patience` seconds."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self) -> LocalHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def free_port() -> int:
    """Return a TCP port of the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(
    comfyui: Path,
    python: Path,
    work: Path,
    port: int = 0,
    arguments: Sequence[str] = (),
    timeout: float = 180.0,
) -> LocalHost:
    """Start ComfyUI on 127.0.0.1 and return once it answers.

    `comfyui` is the folder of main.py; `work` receives input, output, temp, user and the log; `timeout` is in seconds.

    Raises HostError with the last lines of the log when the server ends or does not answer in time.
    """
    port = port or free_port()
    for name in ("input", "output", "temp", "user"):
        (work / name).mkdir(parents=True, exist_ok=True)
    log = work / "host.log"
    command = [
        *(str(python), "-u", "main.py", "--listen", "127.0.0.1", "--port", str(port)),
        *("--input-directory", str(work / "input"), "--output-directory", str(work / "output")),
        *("--temp-directory", str(work / "temp"), "--user-directory", str(work / "user")),
        *("--database-url", "sqlite:///:memory:"),
        *arguments,
    ]
    with log.open("wb") as sink:
        environment = os.environ | {"PYTHONUTF8": "1"}
        process = subprocess.Popen(command, cwd=comfyui, stdout=sink, stderr=subprocess.STDOUT, env=environment)
    host = LocalHost(f"http://127.0.0.1:{port}", process, work, log)
    try:
        _wait(host, timeout)
    except BaseException:
        host.stop()
        raise
    return host


def _wait(host: LocalHost, timeout: float) -> None:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if host.process.poll() is not None:
            raise HostError(f"ComfyUI ended while starting (exit code {host.process.returncode}): {tail(host.log)}")
        try:
            with urllib.request.urlopen(f"{host.url}/system_stats", timeout=5) as answer:
                json.load(answer)
            return
        except (urllib.error.URLError, OSError, ValueError):
            time.sleep(0.25)
    raise HostError(f"ComfyUI did not answer at {host.url} within {timeout:.0f} s: {tail(host.log)}")


def tail(log: Path, lines: int = 8) -> str:
    """Return the last `lines` lines of a log as one string."""
    return " | ".join(log.read_text("utf-8", "replace").splitlines()[-lines:])
