"""A job's files, from the host into the output folder: each checked and marked, none there before its record.

They are fetched into a hidden folder first. Then the records get their names, and each image after its record: whenever
the runner is killed, an image that is there has its record, and the same job run again puts the rest beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...portrait import disk, provenance, reading
from ..client import (
    Client,
    ConnectionLostError,
    NothingThereError,
    OutputError,
    TooLargeError,
    events,
    words,
)
from . import content, output
from .record import sealed
from .result import SavedImage

_PAUSE = 0.5  # seconds between attempts to reach a host that is away
_SMALL = 1 << 26  # bytes of a file that is held whole
_ATTEMPTS = 20  # at names that somebody else may take in the same moment
_STOOD_IN = (502, 503, 504)  # a proxy says this of a host that is away


@dataclass(frozen=True)
class HostFile:
    """A file that a node showed: its place on the host, and whether an earlier job made it."""

    node: str
    filename: str
    subfolder: str
    kind: str
    reused: bool


@dataclass(frozen=True)
class FetchedFile:
    """A file that is here and whole, not yet under its name; `pixels` is content.picture_hash."""

    source: HostFile
    file: Path
    sha256: str
    pixels: str | None = None

    def facts(self, name: str) -> dict[str, Any]:
        """Return what the record of this file alone says, once it is called `name`."""
        own = {"file": name, "node": self.source.node, "reused": self.source.reused}
        return own | {"sha256": self.sha256, "pixels_sha256": self.pixels}


@dataclass(frozen=True)
class Fetch:
    """What came of fetching: the files, a sentence for each that is not to be had, and why the host was lost."""

    files: list[FetchedFile]
    missing: list[str]
    lost: str = ""


def fetch(
    client: Client,
    wanted: Sequence[HostFile],
    into: Path,
    tell: Callable[[events.Event], None],
    prompt_id: str,
) -> Fetch:
    """Fetch files of a host into the folder `into`, as 0, 1, 2 ...; a host that is away is waited for.

    Raises OSError when the disk refuses, and what `Client.view` raises when what answers is not ComfyUI or the client's
    time is up.
    """
    found = Fetch([], [])
    for number, one in enumerate(wanted):
        file = into / str(number)
        try:
            fetched = _fetch(client, one, file, tell, prompt_id)
        except (NothingThereError, ConnectionLostError) as error:
            if time.monotonic() >= client.end:
                raise
            missing = [*found.missing, *(f"{rest.filename!r} was not fetched" for rest in wanted[number:])]
            return Fetch(found.files, missing, str(error))
        if isinstance(fetched, str):
            file.unlink(missing_ok=True)
            found.missing.append(fetched)
        else:
            found.files.append(fetched)
    return found


def _fetch(
    client: Client, one: HostFile, file: Path, tell: Callable[[events.Event], None], prompt_id: str
) -> FetchedFile | str:
    """Fetch one file, check and mark it; return it, or why it is not to be had."""
    away: float | None = None
    while True:
        try:
            with file.open("wb") as sink:
                answer = client.view(one.filename, sink, one.subfolder, one.kind)
                size = sink.tell()
            if answer.status in _STOOD_IN:
                raise ConnectionLostError(f"The host at {client.address.url} answers with error {answer.status}")
        except TooLargeError:
            return f"{one.filename!r} is larger than any file of a job should be: it was not fetched"
        except (NothingThereError, ConnectionLostError) as error:
            now = time.monotonic()
            gone = client.local is not None and client.local.process.poll() is not None
            if gone or now >= client.end or (away is not None and now - away > client.patience):
                raise
            if away is None:
                away = now
                tell(events.HostAway(prompt_id=prompt_id, reason=str(error)))
            time.sleep(max(0.0, min(_PAUSE, client.end - now)))
            continue
        if away is not None:
            tell(events.HostBack(prompt_id=prompt_id))
        if answer.status != 200:
            return _why_missing(one, answer.status)
        # A small one is read once, and not yet brought to the disk: whoever gives it its name does that.
        data = file.read_bytes() if size <= _SMALL else file
        fault, pixels = content.examine(data, one.filename)
        if fault:
            return f"{one.filename!r} cannot be fetched from the host: {words(fault)}"
        if isinstance(data, Path):
            provenance.mark_file(file)
            return FetchedFile(one, file, disk.sha256(file), pixels)
        new = provenance.marked(data, one.filename)
        if new is not data:
            file.write_bytes(new)
        return FetchedFile(one, file, hashlib.sha256(new).hexdigest(), pixels)


def _why_missing(one: HostFile, status: int) -> str:
    if status == 400 and ".." in one.filename:
        return f"{one.filename!r} stays on the host, which hands out no name with '..' in it: change filename_prefix"
    if status == 404 and one.reused:
        return (
            f"{one.filename!r} was made by an earlier run of the same graph and is no longer on the host: "
            "change the seed to make it again"
        )
    return f"{one.filename!r} cannot be fetched from the host (HTTP {status})"


def earlier(folder: Path, prompt_id: str) -> dict[tuple[str, str], list[Path]]:
    """Return the images of a job that an earlier run has begun to put into `folder`: (node, sha256) -> paths.

    The image itself may not be there yet, or not any more.
    """
    found: dict[tuple[str, str], list[Path]] = {}
    for file in sorted(folder.glob("*.json")):
        with contextlib.suppress(reading.ReadError):
            record = reading.read_json(file, "record", links=False)
            if isinstance(record, dict) and record.get("prompt_id") == prompt_id:
                image = file.with_suffix("")
                key = (str(record.get("node")), str(record.get("sha256")))
                if record.get("file") == image.name and _is_or_can_be(image, key[1]):
                    found.setdefault(key, []).append(image)
    return found


def _is_or_can_be(image: Path, sha256: str) -> bool:
    try:
        return not image.is_symlink() and disk.sha256(image) == sha256
    except FileNotFoundError:
        return True
    except OSError:
        return False


def place(
    fetched: Sequence[FetchedFile],
    folder: Path,
    records: Callable[[Mapping[str, str]], Mapping[str, Any]],
    known: Mapping[tuple[str, str], Sequence[Path]],
) -> list[SavedImage]:
    """Give fetched files their names in `folder`, each after its record; all of them, or none.

    `records` gets the file's name of each node's last image, and returns what every record says. `known` are names
    that an earlier run has chosen. Raises OutputError.
    """
    old = _taken_up(fetched, known)
    for _ in range(_ATTEMPTS):
        new = iter(output.free_names(folder, [one.source.filename for one in fetched if one not in old]))
        placed = [_Placed(one, old.get(one) or next(new), one in old) for one in fetched]
        common = records({one.fetched.source.node: one.image.name for one in placed})
        with output.writing(folder), _all_or_none(placed):
            if all(one.put(common) for one in placed):
                for one in placed:
                    one.kept = True
                return [SavedImage(one.image, one.record, one.source.node, one.source.reused) for one in placed]
    raise OutputError(f"The folder {folder.name!r} changes all the time: choose another --out")


def _taken_up(
    fetched: Sequence[FetchedFile], known: Mapping[tuple[str, str], Sequence[Path]]
) -> dict[FetchedFile, Path]:
    """Return the names that an earlier run has chosen for these files; equal files of one node get one each."""
    left = {key: list(paths) for key, paths in known.items()}
    found = {}
    for one in fetched:
        if paths := left.get((one.source.node, one.sha256)):
            found[one] = paths.pop(0)
    return found


class _Placed:
    """One image with its record on the way to their names; `old` when an earlier run has chosen them."""

    def __init__(self, fetched: FetchedFile, image: Path, old: bool) -> None:
        self.fetched, self.image, self.old = fetched, image, old
        self.source = fetched.source
        self.record = output.record_path(image)
        self.words = fetched.file.with_suffix(".json")
        self.kept = old

    def put(self, common: Mapping[str, Any]) -> bool:
        """Put both in place, the record first; return False when somebody took a name meanwhile. Raises OSError."""
        disk.write(self.words, sealed({**common, **self.fetched.facts(self.image.name)}))
        if self.old:
            self.words.replace(self.record)
            return os.path.lexists(self.image) or disk.place_new(self.fetched.file, self.image)
        return disk.place_new(self.words, self.record) and disk.place_new(self.fetched.file, self.image)

    def take_back(self) -> None:
        """Undo `put`, however far it came: the image first."""
        if _is_ours(self.image, self.fetched.file):
            self.image.replace(self.fetched.file)
        if not os.path.lexists(self.image) and _is_ours(self.record, self.words):
            self.record.unlink()


def _is_ours(path: Path, staged: Path) -> bool:
    """Whether it was we who put the staged file under that name: it is not there any more, or is the same file."""
    return path.exists() and (not staged.exists() or path.samefile(staged))


@contextlib.contextmanager
def _all_or_none(placed: Sequence[_Placed]) -> Iterator[None]:
    """Take back what is placed and not kept, whatever ends the block."""
    try:
        yield
    finally:
        for one in reversed(placed):
            if not one.kept:
                with contextlib.suppress(OSError):
                    one.take_back()
