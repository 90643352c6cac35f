"""One file from a web server to its place: resumable, checked by its sha256 while it streams, whole or not at all.

What is unfinished is called NAME.part, which no loader takes for a model, and NAME.part.json says what it is a part of.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import psutil

from ...portrait import reading
from ...portrait.errors import PortraitError
from ..client import exit_code, words
from ..jobs import output
from .web import PUBLIC, Allowed, Page, UnreachableError, WebError, checked, opened

if os.name == "posix":
    import fcntl

MAX_BYTES = 64 << 30
SPARE_BYTES = 256 << 20  # what a download leaves free on the disk
LONGEST_TAG = 200  # letters of what tells one version of a file from another
TIMEOUT = 30.0  # seconds for the address to answer, and for each piece of the file
ATTEMPTS = 5  # without WORTH bytes more
WORTH = 1 << 20
# Pickles (.pth, .pt) run code when they are loaded; they are taken only because their bytes are known by their hash.
SUFFIXES = (".safetensors", ".sft", ".onnx", ".gguf", ".pth", ".pt")
_CHUNK = 1 << 18  # bytes; what does not come at 9 kB a second is not a download but a drip
_LOOK = 64 << 20  # bytes between two looks at the room on the disk

Progress = Callable[[int, int], None]


class DownloadError(PortraitError):
    """A file could not be had; nothing of it is where a loader looks."""

    key = "download"
    exit_code = exit_code("download")


@dataclass(frozen=True)
class Download:
    """What is to be had: the file at `url` with this sha256, as `target`; `size` in bytes, 0 when it is not known."""

    url: str
    target: Path
    sha256: str
    size: int = 0

    @property
    def part(self) -> Path:
        """The unfinished file."""
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def state(self) -> Path:
        """What the unfinished file is a part of."""
        return self.target.with_name(f"{self.target.name}.part.json")


class _BrokenError(Exception):
    """The connection ended early, or the server is busy: worth another try."""


def fetch(
    wanted: Download,
    progress: Progress = lambda done, total: None,
    pause: float = 1.0,
    allowed: Allowed = PUBLIC,
) -> None:
    """Bring a file to its place; what an earlier call left unfinished is continued if the server still has that file.

    `progress` gets bytes done and bytes in all (0: not known); `pause` is in seconds, between attempts; `allowed` is
    what may be opened besides https on the public net. Raises DownloadError.
    """
    _refuse(wanted, allowed)
    try:
        wanted.target.parent.mkdir(parents=True, exist_ok=True)
        with _part(wanted) as part:
            _lock(part, wanted)
            try:
                _complete(wanted, part, progress, pause, allowed)
            except BaseException:
                if not _part_size(part) or not _state(wanted).get("tag"):  # it could never be gone on with
                    _clear(wanted)
                raise
            part.flush()
            os.fsync(part.fileno())
        wanted.part.replace(wanted.target)
        wanted.state.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full(wanted) from error
        raise DownloadError(
            f"{wanted.target.name!r} cannot be written ({error.strerror or error}): look at the folder's permissions"
        ) from error


def _refuse(wanted: Download, allowed: Allowed) -> None:
    name = wanted.target.name
    if wanted.target.suffix.lower() not in SUFFIXES:
        raise DownloadError(f"{name!r} is not a kind of model file that is fetched: look for a .safetensors of it")
    if len(wanted.sha256) != 64:
        raise DownloadError(f"{name!r} cannot be checked, since the graph gives no sha256: fetch it by hand")
    try:
        checked(wanted.url, allowed)
    except WebError as error:
        raise _not_opened(wanted, error) from error
    if os.path.lexists(wanted.target):
        raise DownloadError(f"{name!r} exists already, with other content: move it away first")


@contextlib.contextmanager
def _part(wanted: Download) -> Iterator[IO[bytes]]:
    """Open the unfinished file; a link, a pipe or the like of that name is not followed."""
    if os.path.lexists(wanted.part) and not (wanted.part.is_file() and not wanted.part.is_symlink()):
        raise DownloadError(f"{wanted.part.name!r} is not a file: move it away")
    handle = os.open(wanted.part, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "r+b") as part:
        part.seek(0, os.SEEK_END)
        yield part


def _clear(wanted: Download) -> None:
    wanted.part.unlink(missing_ok=True)
    wanted.state.unlink(missing_ok=True)


def _complete(wanted: Download, part: IO[bytes], progress: Progress, pause: float, allowed: Allowed) -> None:
    """Stream until the part is whole and its hash is right."""
    failures = 0
    while True:
        have = _part_size(part)
        resumed = have > 0
        try:
            digest = _stream(wanted, part, progress, allowed)
        except _BrokenError as error:
            failures = 0 if _part_size(part) >= have + WORTH else failures + 1
            if failures >= ATTEMPTS:
                raise DownloadError(
                    f"{wanted.target.name!r} stopped at {_part_size(part):,} bytes ({words(error)}); "
                    f"{_kept(wanted, part)}"
                ) from error
            time.sleep(pause * failures)
            continue
        if digest == wanted.sha256:
            return
        part.truncate(0)
        wanted.state.unlink(missing_ok=True)
        if not resumed:  # a part that was spoilt here is not the server's fault
            raise DownloadError(
                f"{wanted.target.name!r} from {urlsplit(wanted.url).hostname} is not the file that the graph was made "
                f"with (its sha256 is {digest[:12]}..., not {wanted.sha256[:12]}...): nothing of it was kept"
            )


def _kept(wanted: Download, part: IO[bytes]) -> str:
    """Return what becomes of an unfinished file, as the end of a sentence."""
    if _part_size(part) and _state(wanted).get("tag"):
        return f"what arrived is kept as {wanted.part.name!r}: run the command again to go on"
    return "nothing of it was kept: run the command again, or fetch it by hand"


def _stream(wanted: Download, part: IO[bytes], progress: Progress, allowed: Allowed) -> str:
    """Fetch what is missing of a part and return the sha256 of the whole. Raises _BrokenError, DownloadError."""
    known = _state(wanted)
    have = _part_size(part)
    if not known.get("tag"):
        have = 0
    with _answer(wanted, have, str(known.get("tag", "")), allowed) as answer:
        tag = _tag(answer)
        if answer.status == 206 and (_start(answer) != have or tag != known.get("tag")):
            raise _restart(wanted, part, "the server sent another part than the one asked for")
        if answer.status == 200:
            have = 0
        part.truncate(have)
        total = have + answer.length if answer.length else 0
        _refuse_size(wanted, total)
        _refuse_full(wanted, max(total, wanted.size) - have)
        output.replace(wanted.state, json.dumps({"url": wanted.url, "sha256": wanted.sha256, "tag": tag}).encode())
        digest = hashlib.sha256()
        part.seek(0)
        while held := part.read(_CHUNK):
            digest.update(held)
        done = looked = have
        progress(done, total)
        for chunk in _chunks(answer):
            done += len(chunk)
            if done > (wanted.size or total or MAX_BYTES):
                part.truncate(0)
                raise DownloadError(f"{wanted.target.name!r} is larger than it should be: nothing of it was kept")
            if done - looked > _LOOK:  # others write to this disk as well, and who says no length may send any
                looked = done
                _refuse_full(wanted, max((total or wanted.size) - done, 0))
            part.write(chunk)
            digest.update(chunk)
            progress(done, total)
        part.flush()
    if done < (total or wanted.size):
        raise _BrokenError("the connection ended early")
    return digest.hexdigest()


def _refuse_full(wanted: Download, more: int) -> None:
    if psutil.disk_usage(str(wanted.target.parent)).free < more + SPARE_BYTES:
        raise _full(wanted)


def _chunks(answer: Page) -> Iterator[bytes]:
    while True:
        try:
            chunk = answer.read(_CHUNK)
        except WebError as error:
            raise _BrokenError(str(error)) from error
        if not chunk:
            return
        yield chunk


@contextlib.contextmanager
def _answer(wanted: Download, have: int, tag: str, allowed: Allowed) -> Iterator[Page]:
    """Ask for a file, or for the rest of it. Raises _BrokenError, DownloadError."""
    headers = {"User-Agent": "portrait-studio", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    where, name = urlsplit(wanted.url).hostname, wanted.target.name
    with contextlib.ExitStack() as held:
        try:
            page = held.enter_context(opened(wanted.url, headers, allowed, TIMEOUT))
        except UnreachableError as error:
            raise _BrokenError(f"{where}: {error}") from error
        except WebError as error:
            raise _not_opened(wanted, error) from error
        if page.status == 416 or (have and page.status in (400, 412, 431)):
            wanted.state.unlink(missing_ok=True)  # without it, the next attempt begins at the beginning
            raise _BrokenError("the server has no such part")
        if page.status in (408, 425, 429) or page.status >= 500:
            raise _BrokenError(f"{where} answers {page.status}")
        if page.status in (401, 403):
            raise DownloadError(f"{where} gives {name!r} only to its members: fetch it by hand")
        if page.status not in (200, 206):
            raise DownloadError(f"{where} has no {name!r} (it answers {page.status}): fetch it by hand")
        yield page


def _not_opened(wanted: Download, error: WebError) -> DownloadError:
    with contextlib.suppress(ValueError):
        where = urlsplit(wanted.url).hostname
        if where:
            return DownloadError(
                f"{wanted.target.name!r} is not fetched from {where}, since {error}: fetch the file by hand if you "
                "trust it"
            )
    return DownloadError(f"{wanted.target.name!r} is not fetched, since {error}: look at the graph that names it")


def _refuse_size(wanted: Download, total: int) -> None:
    if wanted.size and total and total != wanted.size:
        raise DownloadError(
            f"{wanted.target.name!r} has {total:,} bytes at {urlsplit(wanted.url).hostname}, and the graph was made "
            f"with a file of {wanted.size:,}: it has changed, so it was not fetched"
        )
    if total > MAX_BYTES:
        raise DownloadError(f"{wanted.target.name!r} has {total:,} bytes, more than any model: it was not fetched")


def _state(wanted: Download) -> dict[str, Any]:
    """Return what the unfinished file is a part of, empty when it is a part of something else."""
    try:
        known = reading.read_json(wanted.state, "record", links=False)
    except reading.ReadError:
        return {}
    same = isinstance(known, dict) and (known.get("url"), known.get("sha256")) == (wanted.url, wanted.sha256)
    return known if same else {}


def _restart(wanted: Download, part: IO[bytes], why: str) -> _BrokenError:
    part.truncate(0)
    wanted.state.unlink(missing_ok=True)
    return _BrokenError(why)


def _tag(answer: Page) -> str:
    """Return what identifies this version of the file, empty when the server gives nothing to rely on.

    A weak ETag does not do for If-Range (RFC 9110, 13.1.5), and an odd or a long one might not be taken back.
    """
    tag = answer.headers.get("ETag") or ""
    tag = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified") or ""
    return tag if tag.isascii() and tag.isprintable() and len(tag) <= LONGEST_TAG else ""


def _start(answer: Page) -> int:
    unit, _, span = (answer.headers.get("Content-Range") or "").partition(" ")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isascii() and first.isdecimal() and len(first) < 20 else -1


def _part_size(part: IO[bytes]) -> int:
    return part.seek(0, os.SEEK_END)


def _lock(part: IO[bytes], wanted: Download) -> None:
    """Keep a second download from writing into the same part (not on Windows, where it cannot be renamed meanwhile)."""
    busy = f"{wanted.target.name!r} is being fetched by another command: let it finish"
    if os.name == "posix":
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DownloadError(busy) from error
    # The other one may have ended between our opening and our locking: what we hold is then its finished file.
    if not wanted.part.exists() or not os.path.samestat(os.fstat(part.fileno()), wanted.part.stat()):
        raise DownloadError(busy)


def _full(wanted: Download) -> DownloadError:
    need = f" about {wanted.size / 1e9:.1f} GB are needed" if wanted.size else ""
    return DownloadError(
        f"There is no room for {wanted.target.name!r} in {wanted.target.parent.name!r}:{need or ' free some'}; "
        "free some room and run the command again"
    )
