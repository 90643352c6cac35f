"""Programs with everything that they start: a group of their own, and an end that reaches all of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import Any

import psutil


def own_group() -> dict[str, Any]:
    """Return the arguments with which `Popen` starts a program in a group of its own, as `end` needs it.

    Ctrl-C in the terminal then reaches this process alone, which ends the program itself.
    """
    return {
        "start_new_session": os.name == "posix",
        "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    }


def end(process: subprocess.Popen, patience: float) -> None:
    """End a program that has its own group, and everything it started; return when it is gone.

    The group is asked first. `patience` seconds later it is killed, and so is what has left the group.
    """
    started = _descendants(process)
    if process.poll() is None:
        _signal(process, force=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    # Children that outlived the program keep its group alive, so the group is killed in any case.
    _signal(process, force=True)
    for one in started:  # also what has left the group, and everything on Windows
        with contextlib.suppress(psutil.Error):
            one.kill()
    process.wait()


def _descendants(process: subprocess.Popen) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def _signal(process: subprocess.Popen, force: bool) -> None:
    """Signal a program's group; on Windows, the program."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL if force else signal.SIGTERM)
    elif process.poll() is None:
        process.kill() if force else process.send_signal(signal.CTRL_BREAK_EVENT)
