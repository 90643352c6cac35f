"""Writes a likeness report: report.json, and each picture beside the photo that it is most like."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .. import disk
from ..subjects import SubjectError
from .known import KnownPhotos
from .report import LikenessReport
from .stored import PHOTO, PICTURE, REPORT

SHOWN = 320  # px, the longer side of a picture in the report
MOST = 64


def write(
    folder: Path,
    told: LikenessReport,
    pictures: Sequence[np.ndarray],
    known: KnownPhotos | None,
    name: str,
) -> None:
    """Leave the report on the subject `name` in a folder, in place of an earlier one; report.json comes last.

    Raises SubjectError when the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in (*folder.glob("picture-*.jpg"), *folder.glob("photo-*.jpg")):
            old.unlink()
        for index, picture in enumerate(pictures[:MOST]):
            disk.write(folder / PICTURE.format(index), _jpeg(picture))
        if known is not None:
            for index in sorted({one.nearest.index for one in told.pictures[:MOST] if one.nearest is not None}):
                disk.write(folder / PHOTO.format(index), _jpeg(known.faces[index]))
        facts = {"subject": name, **told.as_dict()}
        disk.write(folder / REPORT, json.dumps(facts, ensure_ascii=False, indent=1).encode() + b"\n")
    except OSError as error:
        raise SubjectError(f"The likeness report of {name!r} cannot be written ({error.strerror}).") from None


def _jpeg(picture: np.ndarray) -> bytes:
    image = Image.fromarray(picture)
    image.thumbnail((SHOWN, SHOWN))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
