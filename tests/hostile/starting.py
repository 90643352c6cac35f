"""The command, started many times at the price of loading it once: a process that has loaded it forks for each run."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Protocol

LOADED = """
import json, os, sys
import pydantic.main, pydantic.type_adapter, typer._adapters, zoneinfo
from PIL import Image, ImageOps
import portrait_studio.runner.commands.app
from portrait_studio.runner.commands import main

Image.init()

for line in sys.stdin:
    pid = os.fork()
    if not pid:
        break
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
else:
    sys.exit()
sys.argv, folder, words = json.loads(line)
os.setsid()
os.chdir(folder)
nothing = os.open(os.devnull, os.O_RDWR)
for number, file in enumerate((nothing, nothing, os.open(words, os.O_WRONLY | os.O_CREAT, 0o600))):
    os.dup2(file, number)
main()
"""


class Run(Protocol):
    """A run of the command, as subprocess.Popen has it; times in seconds."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        ...

    def wait(self, timeout: float) -> int:
        """Return the exit code. Raises subprocess.TimeoutExpired."""
        ...

    def send_signal(self, number: signal.Signals, /) -> None:
        """Send a signal, unless it has ended."""


class Loaded:
    """A process that has loaded the command. One run at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", LOADED]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders, self._answers = self._process.stdin, self._process.stdout

    def __enter__(self) -> Loaded:
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.close()
        self._process.wait(20)
        self._answers.close()

    def start(self, command: list[str], folder: Path, words: Path) -> Forked:
        """Start the command (with the interpreter before it) in a folder; what it says on stderr goes to `words`."""
        self._orders.write(json.dumps([command[2:], str(folder), str(words)]).encode() + b"\n")
        return Forked(int(self._answers.readline()), self._answers)


class Forked:
    """A run that was forked."""

    def __init__(self, pid: int, answers: IO[bytes]) -> None:
        self.pid = pid
        self._answers = answers
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        if self._code is None and select.select([self._answers], [], [], 0)[0]:
            self._code = int(self._answers.readline())
        return self._code

    def wait(self, timeout: float) -> int:
        """Return the exit code. Raises subprocess.TimeoutExpired."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("portrait-studio", timeout)
            time.sleep(0.005)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def started(command: list[str], folder: Path, words: Path) -> Run:
    """Start the command as a process of its own that has everything to load."""
    with words.open("w") as stderr:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, cwd=folder, start_new_session=True)
