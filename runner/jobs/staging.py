"""A hidden folder beside the images in which a job's files are made whole before they get their names.

Its owner holds a lock in it that the system drops when the owner ends, however it ends; whoever comes next into the
output folder removes what nobody holds.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

_NAME = ".portrait-studio-{}.part"
_LOCK = "held"
_ATTEMPTS = 20


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yield an empty folder in `folder` that is gone afterwards. Raises OSError."""
    sweep(folder)
    place, lock = _held(folder)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        lock.release()
        shutil.rmtree(place, ignore_errors=True)  # Windows: see sweep


def sweep(folder: Path) -> None:
    """Remove what jobs that were killed have left in `folder`; those under way keep theirs."""
    for place in folder.glob(_NAME.format("*")):
        if place.is_symlink() or not place.is_dir():
            continue
        lock = FileLock(place / _LOCK, timeout=0)
        with contextlib.suppress(Timeout, OSError), lock:
            shutil.rmtree(place, ignore_errors=True)
        if os.name == "nt":  # where a file that is open, the lock itself, cannot be removed
            shutil.rmtree(place, ignore_errors=True)


def _held(folder: Path) -> tuple[Path, FileLock]:
    """Make a folder and hold it; somebody who sweeps may be faster between the two."""
    for attempt in range(_ATTEMPTS):
        place = folder / _NAME.format(secrets.token_hex(8))
        lock = FileLock(place / _LOCK, timeout=0)
        try:
            place.mkdir()
            lock.acquire()
            if (place / _LOCK).exists():
                return place, lock
            lock.release()
        except (Timeout, FileNotFoundError):
            if attempt == _ATTEMPTS - 1:
                raise
    raise FileNotFoundError(str(folder))
