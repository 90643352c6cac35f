"""One process at a time on a subject. The operating system keeps the lock and drops it when its holder ends."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import PortraitError

try:
    import fcntl
except ImportError:  # Windows, where a file that somebody has open cannot be removed in the first place
    fcntl = None

LOCKS = ".locks"
HELD, HOLDER = "held", "holder"
FORMER = Path("training") / "lock"  # what an earlier version left; it means nothing now
LONGEST_PID = 20  # digits


class BusyError(PortraitError):
    """Another living process is at work on the same subject."""

    key = "busy"


class LockError(PortraitError):
    """The disk refuses the lock."""

    key = "lock"


@contextlib.contextmanager
def locked(store: Path, subject: str) -> Iterator[None]:
    """Keep all others off a subject while the body runs: other processes, and other threads of this one.

    `store` is the folder of all subjects and `subject` the name of a folder in it; neither has to exist. The lock is a
    folder of its own in `store`, never removed: removing a lock that somebody is about to take lets two in. It is named
    by a hash, so that nothing reveals the name of a deleted subject.

    Raises BusyError when somebody else holds it, LockError when the disk refuses.
    """
    place = store / LOCKS / hashlib.sha256(subject.casefold().encode()).hexdigest()[:16]
    with contextlib.ExitStack() as held:
        try:
            if (store / LOCKS).is_symlink():
                raise LockError(f"{LOCKS} in {store.name!r} is a link; remove it, and put nothing in its place.")
            place.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(place / HELD, timeout=0))
            held.enter_context(_folder_locked(place))
            former = store / subject / FORMER
            if not (former.parent.is_symlink() or former.parent.parent.is_symlink()):  # nothing behind a link is ours
                former.unlink(missing_ok=True)
            (place / HOLDER).write_text(str(os.getpid()), "ascii")
        except Timeout:
            holder = _holder(place)
            who = f" (process {holder})" if holder else ""
            raise BusyError(
                f"The subject {subject!r} is being trained already{who}; wait for it, or choose another name."
            ) from None
        except OSError as error:
            raise LockError(
                f"The training of {subject!r} cannot be locked ({error.strerror}); look at the folder's permissions."
            ) from None
        yield


@contextlib.contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """Lock a folder itself, where the system can: the file in it may be removed or replaced by hand. Raises Timeout."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Timeout(str(folder)) from None
        except OSError:
            pass  # some network file systems lock files and not folders: there the lock of the file counts alone
        yield
    finally:
        os.close(handle)


def _holder(place: Path) -> int | None:
    """Return the process that says it holds the lock: for a person to read, nothing depends on it."""
    try:
        with (place / HOLDER).open(encoding="ascii") as file:
            text = file.read(LONGEST_PID + 1)
    except (OSError, ValueError):
        return None
    return int(text) if text.isdecimal() and len(text) <= LONGEST_PID else None
