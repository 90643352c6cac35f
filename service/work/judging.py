"""Photos judged in this process, so that a verdict takes seconds while a host trains for an hour."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ..storage import PersonRow, PhotoRow
from .photos import photos_of
from .studio import Studio

PhotoJudge = Callable[[Sequence[Path], Sequence[str]], dict[str, Any]]
"""Returns the report on photo files of the given names, as PhotoReport.as_dict does."""


def judge_files(files: Sequence[Path], names: Sequence[str]) -> dict[str, Any]:
    """Return the photo report; needs torch, which is loaded at the first call. Raises PortraitError."""
    from ...portrait import report
    from ...portrait.originals import open_photo

    return report.judge([open_photo(file) for file in files], names).as_dict()


def judge_waiting(studio: Studio, judge: PhotoJudge) -> bool:
    """Judge the photos of one subject that waits for it; return whether there was one. Raises PortraitError."""
    with studio.database.session(reading=True) as session:
        person = session.scalar(
            select(PhotoRow.person_id).where(PhotoRow.state == "waiting").order_by(PhotoRow.created).limit(1)
        )
        photos = photos_of(session, person) if person else []
    if not photos or person is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for photo in photos:
            files.append(Path(folder) / f"{photo.id}.jpg")
            files[-1].write_bytes(studio.blobs.get(photo.blob))
        report = judge(files, [photo.name for photo in photos])
    with studio.database.session() as session:
        present = photos_of(session, person)
        if [one.id for one in present] != [one.id for one in photos]:
            return True  # some came or went meanwhile, and the report depends on all of them
        for photo, verdict in zip(present, report["photos"], strict=True):
            photo.state = "accepted" if verdict["accepted"] else "refused"
            photo.reason = verdict["reason"]
        row = session.get(PersonRow, person)
        if row is not None:
            row.report = {key: report[key] for key in ("accepted", "rejected", "missing", "doubts")}
    return True
