"""Files on the disk: written whole or not at all, hashed, and read as TOML."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]: installed on Python 3.10 alone

_CHUNK = 1 << 22


def write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all, over what was there; it is on the disk on return. Raises OSError."""
    with writing(path) as beside:
        beside.write_bytes(content)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a file beside `path` to be written, which takes its place when the block ends well and is gone if not.

    The name of `path` changes hands only when the content is on the disk, so that a power cut leaves the old file or
    the new one. Raises OSError.
    """
    beside = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # some network file systems sync no folders
                os.fsync(folder)
        finally:
            os.close(folder)


def sha256(path: Path) -> str:
    """Return the sha256 of a file in hex. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file as a dictionary. Raises OSError, and ValueError when it is not TOML in UTF-8."""
    return parse_toml(path.read_text("utf-8"))


def parse_toml(text: str) -> dict[str, Any]:
    """Return TOML text as a dictionary. Raises ValueError."""
    return tomllib.loads(text)
