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


def place_new(beside: Path, path: Path) -> bool:
    """Give a written file of the same disk the name `path`, unless that is taken; return whether it got it.

    The content is on the disk before the name is. `beside` is gone afterwards, or is left where it was. Raises OSError.
    """
    if os.path.lexists(path):
        return False
    sync(beside)
    try:
        os.link(beside, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        beside.replace(path)
    else:
        beside.unlink()
    sync_folder(path.parent)
    return True


def write_in_place(path: Path, content: bytes) -> None:
    """Write a file that nobody reads yet, straight under its name; on return its content is on the disk.

    Raises OSError.
    """
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a file beside `path` to be written, which takes its place when the block ends well and is gone if not.

    The name of `path` changes hands only when the content is on the disk, so that a power cut leaves the old file or
    the new one. Raises OSError.
    """
    beside = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield beside
        sync(beside)
        beside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    sync_folder(path.parent)


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


def sync(file: Path) -> None:
    """Bring a file's content to the disk. Raises OSError."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk; Windows does so by itself, and some network file systems never do."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):
                os.fsync(opened)
        finally:
            os.close(opened)
