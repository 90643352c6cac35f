"""The folder of a batch: the state, a copy of the graph, the pictures, and what was fetched and is not in place yet."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from ...portrait import disk
from ..jobs import output
from ..scheduling import Fault
from .errors import BatchBusyError, BatchStateError
from .state import KeptFile, State

PICTURES, FETCHED, LOCK = "pictures", ".fetched", ".lock"
GONE = Fault("missing", "The files that were fetched for this row are gone from this machine.")


@contextlib.contextmanager
def locked(folder: Path, what: str = "batch") -> Iterator[None]:
    """Keep other runners off a batch, or what else is in a folder; the system drops the lock when this process ends.

    Raises BatchBusyError, BatchStateError.
    """
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout:
        raise BatchBusyError(
            f"The {what} in {folder.name!r} is being run by another process: wait for it, or stop it with Ctrl-C"
        ) from None
    except OSError as error:
        if error.filename is None or Path(error.filename).name != LOCK:
            raise
        raise BatchStateError(f"The {what} in {folder.name!r} cannot be locked ({error.strerror})") from error


class Places:
    """Where the files of a batch are; the main thread of the runner keeps them."""

    def __init__(self, folder: Path, state: State) -> None:
        self.folder = folder
        self.state = state
        self.pictures = folder / PICTURES
        self.fetched = folder / FETCHED

    def prepare(self) -> None:
        """Make the folders, and remove what killed runs have fetched and nobody wants. Raises OSError."""
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.fetched.mkdir(exist_ok=True)
        saving = set(self.state.query("SELECT row, number FROM attempts WHERE state = 'saving'"))
        wanted = {self.beside(row, attempt).name for row, attempt in saving}
        for left in self.fetched.iterdir():
            if left.name not in wanted:
                _remove(left)

    def beside(self, row: int, attempt: int) -> Path:
        """Return where the files of an attempt are before they get their names: 0, 0.json, 1, 1.json ..."""
        return self.fetched / f"{row}-{attempt}"

    def keep(self, row: int, attempt: int, fetched: Sequence[KeptFile] = ()) -> Fault | None:
        """Put the files of an attempt in place, each after its record; return why not. May be repeated.

        `fetched` are those files where this process has fetched and hashed them; otherwise they are read once more.
        Raises OSError.
        """
        files, beside = fetched or self.state.files(row, attempt), self.beside(row, attempt)
        if not fetched and not all(self._whole(one, beside) for one in files):
            return GONE
        for one in files:
            image = self.pictures / one.name
            for source, target in ((f"{one.place}.json", output.record_path(image)), (str(one.place), image)):
                try:
                    (beside / source).replace(target)
                except FileNotFoundError:
                    if fetched:
                        return GONE
        for name in self.state.names_of_others(row, attempt):
            (self.pictures / name).unlink(missing_ok=True)
            output.record_path(self.pictures / name).unlink(missing_ok=True)
        try:
            beside.rmdir()
        except OSError:
            _remove(beside)
        return None

    def _whole(self, one: KeptFile, beside: Path) -> bool:
        """Whether a file and its record are here as they were fetched, under one name or the other."""
        image = self.pictures / one.name
        return _is(beside / str(one.place), image, one.sha256) and _is(
            beside / f"{one.place}.json", output.record_path(image), one.record_sha256
        )

    def settle(self) -> None:
        """Bring the names of what was kept to the disk."""
        disk.sync_folder(self.pictures)

    def discard(self, row: int, attempt: int) -> None:
        """Remove what was fetched of an attempt."""
        _remove(self.beside(row, attempt))

    def missing(self, rows: Sequence[int] = ()) -> list[int]:
        """Return the done rows whose pictures are not here any more, or not as they were."""
        found = self.state.query(
            "SELECT files.row, files.name, files.sha256 FROM files JOIN attempts "
            "ON attempts.row = files.row AND attempts.number = files.attempt WHERE attempts.state = 'done'"
        )
        wanted = set(rows)
        return sorted(
            {
                row
                for row, name, sha256 in found
                if (not wanted or row in wanted) and not _is(self.pictures / name, self.pictures / name, sha256)
            }
        )


def _is(first: Path, second: Path, sha256: str) -> bool:
    for path in (first, second):
        with contextlib.suppress(FileNotFoundError):
            return disk.sha256(path) == sha256
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
