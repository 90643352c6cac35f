"""A ComfyUI server on this machine: started, waited for, and never left behind."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...portrait import processes
from . import answers
from .errors import AddressError, HostError
from .http import Address, Transport

_TAIL = 1 << 14  # bytes
_PR_SET_PDEATHSIG = 1  # prctl(2), linux/prctl.h


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
        """Ask the server and all it started to end, and end them by force after `patience` seconds."""
        atexit.unregister(self.stop)
        processes.end(self.process, patience)

    def __enter__(self) -> LocalHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def free_port() -> int:
    """Return a TCP port of the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


START_LIMIT = 600.0
"""Seconds a ComfyUI has to answer: many packs on a busy machine take minutes; one that ended is noticed at once."""


def start(
    comfyui: Path,
    python: Path,
    work: Path,
    port: int = 0,
    arguments: Sequence[str] = (),
    timeout: float = START_LIMIT,
) -> LocalHost:
    """Start ComfyUI on 127.0.0.1 and return once it answers.

    `comfyui` is the folder of main.py; `work` receives input, output, temp, user and the log; `port` 0 takes a free
    one; `timeout` is in seconds. The server ends with this process, however it ends (on macOS and Windows: unless it is
    killed by force).

    Raises HostError when the port is taken, and with the last lines of the log when the server ends or does not answer
    in time.
    """
    if not (comfyui / "main.py").is_file():
        raise HostError(f"There is no ComfyUI in {comfyui.name!r}: main.py is missing; give the folder that holds it")
    if any(argument.split("=")[0] in ("--listen", "--port") for argument in arguments):
        raise HostError("A local host listens on 127.0.0.1 alone: --listen and --port cannot be given as arguments")
    if port and not _free(port):
        raise HostError(f"Port {port} of this machine is taken: choose another, or 0 for any free one")
    port = port or free_port()
    for name in ("input", "output", "temp", "user"):
        (work / name).mkdir(parents=True, exist_ok=True)
    log = work / "host.log"
    command = [
        *(str(python), "-u", "main.py", "--listen", "127.0.0.1", "--port", str(port)),
        *("--input-directory", str(work / "input"), "--output-directory", str(work / "output")),
        *("--temp-directory", str(work / "temp"), "--user-directory", str(work / "user")),
        *("--database-url", "sqlite:///:memory:", "--disable-auto-launch"),
        *arguments,
    ]
    with log.open("wb") as sink:
        try:
            process = subprocess.Popen(
                command,
                cwd=comfyui,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUTF8": "1"},
                **processes.own_group(),
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - one system call, bound before the fork
            )
        except OSError as error:
            raise HostError(f"The interpreter {python.name!r} cannot be started ({error.strerror})") from error
    host = LocalHost(f"http://127.0.0.1:{port}", process, work, log)
    atexit.register(host.stop)
    try:
        _wait(host, timeout)
    except BaseException:
        host.stop()
        raise
    return host


def _wait(host: LocalHost, timeout: float) -> None:
    end = time.monotonic() + timeout
    transport = Transport(Address.parse(host.url), timeout=5.0)
    try:
        while time.monotonic() < end:
            if host.process.poll() is not None:
                raise HostError(
                    f"ComfyUI ended while starting (exit code {host.process.returncode}); "
                    f"its log ends: {tail(host.log)}"
                )
            with contextlib.suppress(AddressError, HostError, ValueError):
                answers.version(transport.get("/system_stats").json())
                return
            time.sleep(0.1)
    finally:
        transport.close()
    raise HostError(f"ComfyUI did not answer at {host.url} within {timeout:g} s; its log ends: {tail(host.log)}")


def tail(log: Path, lines: int = 8) -> str:
    """Return the last `lines` lines of a log as one string."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        text = file.read().decode("utf-8", "replace")
    return " | ".join(line for line in text.splitlines()[-lines:] if line.strip())


def _free(port: int) -> bool:
    with socket.socket() as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _die_with_parent() -> Callable[[], None] | None:
    """Return what asks Linux to kill the child when its parent dies.

    The kernel takes the parent to be the thread that forks, so only the main thread's children ask for it.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask
