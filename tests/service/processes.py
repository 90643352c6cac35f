"""`portrait-studio serve` in processes of its own, as somebody starts it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

PATIENCE = 180.0  # seconds, on a machine that does other things
AWAY = "http://127.0.0.1:9"  # no host is there
COMMAND = (sys.executable, "-m", "portrait_studio.runner")


class Served:
    """A running server of the studio, and what it has said; it answers at `path` before this is made."""

    def __init__(self, log: Path, port: int, *arguments: object, path: str = "/sign-in", **environment: str) -> None:
        self.address, self.log = f"http://127.0.0.1:{port}", log
        command = [*COMMAND, "serve", "--port", str(port), *map(str, arguments)]
        with log.open("wb") as sink:
            self.process = subprocess.Popen(command, stderr=sink, stdout=sink, env=os.environ | environment)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(self.address + path)
                return
            time.sleep(0.2)
        self.kill()
        raise AssertionError(f"it did not answer: {self.said()}")

    def said(self) -> str:
        return self.log.read_text("utf-8")

    def link(self) -> str:
        found = re.search(r"/welcome/[\w-]+", self.said())
        return found[0] if found else ""

    def kill(self, how: int = signal.SIGKILL) -> int:
        self.process.send_signal(how)
        return self.process.wait(30)
