"""The photos of a session: found, each once, and readable, before anything else is done."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ...portrait import decoding
from ...portrait import photos as photo_files
from ...portrait.coverage import LEAST_ACCEPTED
from ...portrait.photos import PhotoError
from ...portrait.presets import shown
from .errors import PhotosUnfitError


def chosen_photos(given: Sequence[Path]) -> dict[str, Path]:
    """Return the photos of some files and folders by the sha256 of their content, equal ones once, in natural order.

    Raises PhotoError for a folder without photos or a photo that cannot be read, PhotosUnfitError for too few of them.
    """
    files: list[Path] = []
    for path in given:
        files += photo_files.list_folder(path.resolve(), "") if path.is_dir() else [path]
    if not files:
        raise PhotoError("No photos were named: give a folder of photos of the person, or the files")
    _, complaints = photo_files.attempt(files, decoding.check)
    if complaints:
        raise PhotoError(" ".join(complaints))
    found: dict[str, Path] = {}
    for file in files:
        found.setdefault(hashlib.sha256(decoding.read_bytes(file)).hexdigest(), file.resolve())
    if len(found) < LEAST_ACCEPTED:
        where = f"in {shown(given[0].resolve().name)}" if len(given) == 1 and given[0].is_dir() else "here"
        photos = "is one photo" if len(found) == 1 else f"are {len(found)} different photos"
        raise PhotosUnfitError(
            f"There {photos} {where}, and {LEAST_ACCEPTED} are the least that teach a face: add more, 10 to 20 are "
            "better, from several sides"
        )
    return found
