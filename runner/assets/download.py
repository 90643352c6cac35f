"""One file from a web server to its place: resumable, checked by its sha256 while it streams, whole or not at all.

What is unfinished is called NAME.part, which no loader takes for a model, and NAME.part.json says what it is a part of.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import psutil

from ...portrait.errors import PortraitError
from ..client import exit_code
from ..jobs import output

if os.name == "posix":
    import fcntl

MAX_BYTES = 64 << 30
SPARE_BYTES = 256 << 20  # what a download leaves free on the disk
TIMEOUT = 30.0
ATTEMPTS = 5
# Pickles (.pth, .pt) run code when they are loaded; they are taken only because their bytes are known by their hash.
SUFFIXES = (".safetensors", ".sft", ".onnx", ".gguf", ".pth", ".pt")
_CHUNK = 1 << 20

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


def fetch(wanted: Download, progress: Progress = lambda done, total: None, pause: float = 1.0) -> None:
    """Bring a file to its place; what an earlier call left unfinished is continued if the server still has that file.

    `progress` is told bytes done and bytes in all (0: not known); `pause` is in seconds, between attempts. Raises
    DownloadError.
    """
    _refuse(wanted)
    try:
        wanted.target.parent.mkdir(parents=True, exist_ok=True)
        with wanted.part.open("a+b") as part:
            _lock(part, wanted)
            try:
                _complete(wanted, part, progress, pause)
            finally:
                if not _part_size(part):
                    wanted.part.unlink(missing_ok=True)
                    wanted.state.unlink(missing_ok=True)
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


def _refuse(wanted: Download) -> None:
    name = wanted.target.name
    if wanted.target.suffix.lower() not in SUFFIXES:
        raise DownloadError(f"{name!r} is no kind of model file that is fetched: find a .safetensors of it")
    if len(wanted.sha256) != 64:
        raise DownloadError(f"{name!r} cannot be checked, since the graph gives no sha256: fetch it by hand")
    if not _safe(wanted.url):
        raise DownloadError(f"The address of {name!r} is not https: fetch the file by hand if you trust it")
    if wanted.target.exists():
        raise DownloadError(f"{name!r} is there already with another content: move it away first")


def _safe(url: str, loopback: bool = True) -> bool:
    """Tell whether an address is https, or http on this very machine, which nobody listens in on."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    with contextlib.suppress(ValueError):
        return loopback and parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    return False


def _complete(wanted: Download, part: IO[bytes], progress: Progress, pause: float) -> None:
    """Stream until the part is whole and its hash is right."""
    failures = 0
    while True:
        have = _part_size(part)
        resumed = have > 0
        try:
            digest = _stream(wanted, part, progress)
        except _BrokenError as error:
            failures = 0 if _part_size(part) > have else failures + 1
            if failures >= ATTEMPTS:
                raise DownloadError(
                    f"{wanted.target.name!r} stopped at {_part_size(part):,} bytes ({error}); what is there is kept as "
                    f"{wanted.part.name!r}: run the command again to go on"
                ) from error
            time.sleep(pause * failures)
            continue
        if digest == wanted.sha256:
            return
        part.truncate(0)
        wanted.state.unlink(missing_ok=True)
        if not resumed:  # a part that was spoilt here is no fault of the server's
            raise DownloadError(
                f"{wanted.target.name!r} from {urlsplit(wanted.url).hostname} is not the file that the graph was made "
                f"with (its sha256 is {digest[:12]}..., not {wanted.sha256[:12]}...): nothing of it was kept"
            )


def _stream(wanted: Download, part: IO[bytes], progress: Progress) -> str:
    """Fetch what is missing of a part and return the sha256 of the whole. Raises _BrokenError, DownloadError."""
    known = _state(wanted)
    have = _part_size(part)
    if not known.get("tag"):
        have = 0
    with _request(wanted, have, str(known.get("tag", ""))) as answer:
        tag = _tag(answer)
        if answer.status == 206 and (_start(answer) != have or tag != known.get("tag")):
            raise _restart(wanted, part, "the server sent another part than the one asked for")
        if answer.status == 200:
            have = 0
        part.truncate(have)
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length and length.isdecimal() else 0
        _refuse_size(wanted, total)
        if psutil.disk_usage(str(wanted.target.parent)).free < max(total, wanted.size) - have + SPARE_BYTES:
            raise _full(wanted)
        output.replace(wanted.state, json.dumps({"url": wanted.url, "sha256": wanted.sha256, "tag": tag}).encode())
        digest = hashlib.sha256()
        part.seek(0)
        while held := part.read(_CHUNK):
            digest.update(held)
        done = have
        progress(done, total)
        for chunk in _chunks(answer):
            done += len(chunk)
            if done > (wanted.size or total or MAX_BYTES):
                part.truncate(0)
                raise DownloadError(f"{wanted.target.name!r} is larger than it should be: nothing of it was kept")
            part.write(chunk)
            digest.update(chunk)
            progress(done, total)
        part.flush()
    if done < (total or wanted.size):
        raise _BrokenError("the connection ended early")
    return digest.hexdigest()


def _chunks(answer: Any) -> Iterator[bytes]:
    while True:
        try:
            chunk = answer.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenError(f"the connection broke: {error}") from error
        if not chunk:
            return
        yield chunk


def _request(wanted: Download, have: int, tag: str) -> Any:
    headers = {"User-Agent": "portrait-studio", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    opener = urllib.request.build_opener(_SafeRedirects(wanted))
    where = urlsplit(wanted.url).hostname
    try:
        return opener.open(urllib.request.Request(wanted.url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            wanted.state.unlink(missing_ok=True)  # without it, the next attempt begins at the beginning
            raise _BrokenError("the server has no such part") from error
        if error.code in (408, 425, 429) or error.code >= 500:
            raise _BrokenError(f"{where} answers {error.code}") from error
        if error.code < 400:  # a redirect that urllib itself does not follow
            raise _astray(wanted) from error
        if error.code in (401, 403):
            raise DownloadError(
                f"{where} gives {wanted.target.name!r} only to its members: fetch it by hand"
            ) from error
        raise DownloadError(
            f"{where} has no {wanted.target.name!r} (it answers {error.code}): fetch it by hand"
        ) from error
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"{where} cannot be reached: {getattr(error, 'reason', error)}") from error


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to https alone; from an address on this machine also to another one on it."""

    def __init__(self, wanted: Download) -> None:
        self.wanted = wanted

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not _safe(newurl, loopback=urlsplit(self.wanted.url).scheme == "http"):
            raise _astray(self.wanted)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _astray(wanted: Download) -> DownloadError:
    return DownloadError(
        f"{urlsplit(wanted.url).hostname} sends on to an address that is not https for {wanted.target.name!r}: "
        "nothing was fetched"
    )


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
        known = json.loads(wanted.state.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    same = isinstance(known, dict) and (known.get("url"), known.get("sha256")) == (wanted.url, wanted.sha256)
    return known if same else {}


def _restart(wanted: Download, part: IO[bytes], why: str) -> _BrokenError:
    part.truncate(0)
    wanted.state.unlink(missing_ok=True)
    return _BrokenError(why)


def _tag(answer: Any) -> str:
    """Return what tells this version of the file from others, empty when the server gives nothing to rely on.

    A weak ETag does not do for If-Range (RFC 9110, 13.1.5).
    """
    tag = answer.headers.get("ETag") or ""
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified") or ""


def _start(answer: Any) -> int:
    unit, _, span = (answer.headers.get("Content-Range") or "").partition(" ")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdecimal() else -1


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
