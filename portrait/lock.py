"""One process at a time in a folder; a lock whose process is gone is taken over."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from .errors import PortraitError

LOCK = "lock"


class BusyError(PortraitError):
    """Another living process is at work on the same subject."""


class LockError(PortraitError):
    """The disk refuses the lock."""


@contextlib.contextmanager
def locked(folder: Path, subject: str) -> Iterator[None]:
    """Keep other trainings of a subject out of `folder`, which is made when it is not there.

    Raises BusyError when another living process holds it, LockError when the disk refuses.
    """
    lock = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(_take(lock) for _ in range(2))
    except OSError as error:
        raise LockError(
            f"The training of {subject!r} cannot be locked ({error.strerror}); look at the folder's permissions."
        ) from None
    if not taken:
        owner = _owner(lock)
        who = f" (process {owner})" if owner else ""
        raise BusyError(f"The subject {subject!r} is being trained already{who}; wait for it, or choose another name.")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()


def _take(lock: Path) -> bool:
    """Take the lock, or remove it when its owner is gone; return whether it was taken."""
    try:
        handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        owner = _owner(lock)
        if owner is None or not alive(owner):
            lock.unlink(missing_ok=True)
        return False
    with os.fdopen(handle, "w") as file:
        file.write(str(os.getpid()))
    return True


def _owner(lock: Path) -> int | None:
    try:
        return int(lock.read_text("ascii"))
    except (OSError, ValueError):
        return None


def alive(process: int) -> bool:
    """Return whether a process of this machine runs."""
    if os.name != "posix":
        return _windows_alive(process)  # os.kill would end it there instead of asking
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _windows_alive(process: int) -> bool:
    import ctypes

    kernel = ctypes.windll.kernel32  # pyright: ignore[reportAttributeAccessIssue]: there on Windows alone
    handle = kernel.OpenProcess(0x1000, False, process)  # PROCESS_QUERY_LIMITED_INFORMATION
    if handle:
        kernel.CloseHandle(handle)
    return bool(handle)
