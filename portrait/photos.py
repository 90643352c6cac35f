"""Photographs from disk: found by folder or by name, refused by name, read upright in sRGB."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeVar

import numpy as np

from . import decoding
from .decoding import PhotoError
from .originals import Photo, open_photo
from .presets import shown

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".heic", ".heif"}
)
MOST_THREADS = 4  # each holds one reduced photo and its file

T = TypeVar("T")


def read(path: Path) -> np.ndarray:
    """Return a photograph as RGB `[H, W, 3]`, uint8, upright, in sRGB.

    The EXIF orientation is applied (all eight), transparency is put on white, of an animation the first frame counts,
    16-bit and floating point samples are scaled (not clipped) to 8 bit, an embedded ICC profile is converted to sRGB.
    HEIC needs the package pillow-heif.

    Raises PhotoError, naming the file, when it is missing, empty, truncated, not a picture in one of
    decoding.FORMATS, or larger than MAX_SIDE or MAX_PIXELS (looked up in its header, before a pixel is decoded).
    """
    return decoding.read_whole(path)


def list_folder(root: Path, folder: str) -> list[Path]:
    """Return the picture files of `folder` under `root`, in natural order (photo2 before photo10), without hidden ones.

    Raises PhotoError when the folder is absolute, leaves `root`, does not exist or holds no picture.
    """
    place = inside(root, folder)
    try:
        paths = [
            inside(root, path.relative_to(root).as_posix())  # a link in the folder must not lead out of it either
            for path in place.iterdir()
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
        ]
    except OSError as error:
        raise PhotoError(
            f"There is no folder {shown(folder)} in {root.name}/ that can be read ({error.strerror}); put the photos "
            "there or correct the name."
        ) from None
    if not paths:
        raise PhotoError(
            f"The folder {folder or '.'!r} in {root.name}/ holds no photos; add JPEG, PNG, WebP or TIFF files."
        )
    return sorted(paths, key=lambda path: natural_key(path.name))


def inside(root: Path, name: str) -> Path:
    """Return the path of `name` under `root`; names with spaces and of any script are fine.

    Raises PhotoError when `name` is absolute (in POSIX or Windows spelling), or leads outside `root` by `..` or a link.
    """
    name = name.strip()
    absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or PureWindowsPath(name).root
    if absolute or ".." in PureWindowsPath(name).parts or "\0" in name:
        raise PhotoError(f"{shown(name)} leads outside {root.name}/; name a file or folder inside it.")
    path = root / name
    try:
        outside = not path.resolve().is_relative_to(root.resolve())
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.lstat()
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise PhotoError(f"{shown(name)} is not a usable file name ({why}); rename it.") from error
    if outside:
        raise PhotoError(f"{shown(name)} is a link that leads outside {root.name}/; copy the photos inside instead.")
    return path


def read_all(paths: Iterable[Path]) -> list[np.ndarray]:
    """Return every photograph, or raise one PhotoError that names each file that cannot be read."""
    return every(paths, read)


def open_all(paths: Iterable[Path]) -> list[Photo]:
    """Return every photograph reduced, its whole pixels left in its file. Raises PhotoError as `read_all` does."""
    return every(paths, open_photo)


def every(paths: Iterable[Path], reader: Callable[[Path], T]) -> list[T]:
    """Return what `reader` makes of every file, or raise one PhotoError that names each file that cannot be read."""
    made, complaints = attempt(paths, reader)
    if len(complaints) > 1:
        raise PhotoError(f"{len(complaints)} photos cannot be read: {' '.join(complaints)}")
    if complaints:
        raise PhotoError(complaints[0])
    return made


def attempt(paths: Iterable[Path], reader: Callable[[Path], T]) -> tuple[list[T], list[str]]:
    """Return what `reader` makes of the files, several at once, and a sentence about each that it cannot read."""
    made, complaints = [], []
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        for task in [pool.submit(reader, path) for path in paths]:
            try:
                made.append(task.result())
            except PhotoError as error:
                complaints.append(str(error))
    return made, complaints


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that reads runs of digits as numbers and ignores case."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
