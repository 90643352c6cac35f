"""Files that other people wrote: only regular ones, only up to a size, and JSON whose numbers and texts are bounded.

A path from outside may be a pipe that never ends, a device, a sparse file of 300 GB, or gone by the time it is opened.
The limits are data, in limits.json.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # how JSON may write half of a surrogate pair
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # opening a pipe must not wait


class ReadError(Exception):
    """A file cannot be read; the message is the reason alone, for whoever asked to put into a sentence."""


class FolderError(ReadError):
    """The path is that of a folder."""


@cache
def _limits() -> dict[str, dict[str, Any]]:
    return json.loads(Path(__file__).with_name("limits.json").read_text("utf-8"))


def limit(kind: str) -> int:
    """Return the most bytes that a file of this kind of limits.json may have."""
    return _limits()[kind]["bytes"]


@contextlib.contextmanager
def opened(path: Path, links: bool = True) -> Iterator[BinaryIO]:
    """Open a regular file to read; nothing else is opened, nor a link unless `links`.

    Raises ReadError, also for what the disk refuses while the file is open.
    """
    try:
        # Looked at before it is opened, since opening a device may already do something; and again afterwards, since
        # the name may mean another file by then.
        _refuse_special(path.stat() if links else path.lstat())
        handle = os.open(path, _FLAGS | (0 if links else getattr(os, "O_NOFOLLOW", 0)))
    except ValueError as error:  # a name with a NUL in it
        raise ReadError(str(error)) from error
    except OSError as error:
        raise ReadError(error.strerror or str(error)) from error
    try:
        with os.fdopen(handle, "rb") as file:
            _refuse_special(os.fstat(file.fileno()))
            yield file
    except OSError as error:
        raise ReadError(error.strerror or str(error)) from error


def read(path: Path, kind: str, links: bool = True) -> bytes:
    """Return the bytes of a regular file of at most `limit(kind)`. Raises ReadError."""
    most = limit(kind)
    with opened(path, links) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1) if size <= most else b""
        if len(data) > size:  # it grows, or says 0 as the files of /proc do
            data += file.read(most + 1 - len(data))
    if max(size, len(data)) > most:
        raise ReadError(f"it has more than the {_size(most)} that {_limits()[kind]['what']} may have")
    return data


def read_text(path: Path, kind: str, links: bool = True) -> str:
    """Return the UTF-8 text of a regular file of at most `limit(kind)`. Raises ReadError."""
    try:
        return read(path, kind, links).decode("utf-8")
    except UnicodeDecodeError:
        raise ReadError("it is not text in UTF-8") from None


def read_json(path: Path, kind: str, links: bool = True) -> Any:
    """Return what a JSON file of at most `limit(kind)` holds, its numbers and texts bounded. Raises ReadError."""
    try:
        return parse_json(read(path, kind, links))
    except ValueError as error:
        raise ReadError(f"it is not JSON: {error}") from None


def parse_json(raw: bytes | str) -> Any:
    """Decode JSON text from outside.

    Raises ValueError, with a reason to print, for what is not JSON, NaN and infinities, whole numbers of more digits
    than limits.json allows, numbers too large for a float, halves of surrogate pairs, and deeper nesting than there.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode(json.detect_encoding(raw))
        text.encode()
        data = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole)
        if deeper(data, _limits()["depth"]["count"]):
            raise RecursionError
        if _HALF.search(text):
            json.dumps(data, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError(f"it is nested too deeply (more than {_limits()['depth']['count']} levels)") from None
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None
    except UnicodeEncodeError:
        raise ValueError("a text in it holds half of a surrogate pair") from None
    return data


def deeper(value: Any, levels: int) -> bool:
    """Whether lists and dictionaries lie more than `levels` deep within one another.

    A decoder that reads 900 levels hands on what every function after it needs 900 calls for.
    """
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return bool(level)


def _refuse_special(facts: os.stat_result) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise FolderError("it is a folder")
    if stat.S_ISLNK(facts.st_mode):
        raise ReadError("it is a link; put the file itself there")
    if not stat.S_ISREG(facts.st_mode):
        raise ReadError("it is not a regular file but a pipe, socket or device")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{_short(digits)} is too large a number")
    return value


def _whole(digits: str) -> int:
    if len(digits) > _limits()["digits"]["count"]:
        raise ValueError(f"{_short(digits)} is too large a number")
    return int(digits)


def _short(digits: str) -> str:
    return digits if len(digits) <= 24 else f"{digits[:12]}... ({len(digits)} digits)"


def _size(count: int) -> str:
    return f"{count / 1e9:g} GB" if count >= 1e9 else f"{count / 1e6:g} MB"
