"""A program as a tree of processes: its lines as they come, its last ones when it fails, an end within a second."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from ...portrait import processes
from .progress import is_bar

TAIL = 40  # lines kept
PATIENCE = 0.5  # seconds between asking and killing


class Process:
    """A program in a process group of its own.

    A `leashed` one has a standard input that stays open until the program is to end, so that leash.py notices when
    this process dies; any other has none. `cancelled` is asked ten times a second on a thread of its own; once it says
    True, the whole tree is ended. Raises OSError when the program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str],
        cancelled: Callable[[], bool] = lambda: False,
        leashed: bool = True,
    ) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.was_cancelled = False
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._cancelled = cancelled
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE if leashed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **processes.own_group(),
        )
        assert self._process.stdout
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def pid(self) -> int:
        """The number of the process, and on POSIX of its group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the program has not ended yet."""
        return self._process.poll() is None

    def line(self, timeout: float) -> str | None:
        """Return the next line, without its end; None when none came within `timeout` seconds or none will come.

        What ends in a carriage return (a progress bar) is a line too.
        """
        with contextlib.suppress(queue.Empty):
            return self._lines.get(timeout=timeout)
        return None

    def wait(self) -> int:
        """Return the exit code once the program has ended."""
        return self._process.wait()

    def kill(self) -> None:
        """End the program and everything that it started: ask, then kill half a second later."""
        processes.end(self._process, PATIENCE)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _watch(self) -> None:
        while self.running:
            if self._cancelled():
                self.was_cancelled = True
                self.kill()
                return
            time.sleep(0.1)

    def _read(self, stream: IO[bytes]) -> None:
        rest = b""
        while chunk := os.read(stream.fileno(), 65536):
            *whole, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
            for line in whole:
                self._take(line)
            # tqdm puts its carriage return before a state, so the newest one would wait for the next.
            if rest.rstrip().endswith(b"]") and is_bar(rest.decode("utf-8", "replace")):
                self._take(rest)
                rest = b""
        self._take(rest)
        self._lines.put(None)

    def _take(self, raw: bytes) -> None:
        line = raw.decode("utf-8", "replace").rstrip()
        if not line:
            return
        if not is_bar(line) and line.strip(" ^~"):  # a traceback underlines what it quotes
            self.tail.append(line)
        self._lines.put(line)
