"""Rows as the API gives them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..people import consent_of
from ..shapes import AccountShape, JobShape, PhotoShape, PictureShape, SessionShape, SubjectShape
from ..storage import SAMPLE, AccountRow, JobRow, PersonRow, PhotoRow, PictureRow, SittingRow
from ..work import Outlook, jobs_of


def account_shape(row: AccountRow) -> AccountShape:
    """Return an account as the API gives it."""
    return AccountShape(id=row.id, name=row.name, role=row.role, created=row.created)


def subject_shape(session: Session, row: PersonRow) -> SubjectShape:
    """Return a subject as the API gives it."""
    names = ("id", "name", "class_word", "created", "trained", "report")
    agreed = consent_of(session, row)
    counted = select(func.count()).select_from
    photos = session.scalar(counted(PhotoRow).where(PhotoRow.person_id == row.id)) or 0
    portraits = counted(PictureRow).where(PictureRow.person_id == row.id, PictureRow.stage != SAMPLE)
    pictures = session.scalar(portraits) or 0
    facts = {name: getattr(row, name) for name in names}
    return SubjectShape(**facts, agreed=agreed.at if agreed else None, photos=photos, pictures=pictures)


def photo_shape(row: PhotoRow) -> PhotoShape:
    """Return a photo as the API gives it."""
    names = ("id", "name", "state", "reason", "width", "height", "created")
    return PhotoShape(subject=row.person_id, **{name: getattr(row, name) for name in names})


def picture_shape(row: PictureRow, look: dict[str, Any]) -> PictureShape:
    """Return a portrait as the API gives it; `look` are the settings of its job."""
    names = ("id", "stage", "place", "likeness", "media_type", "size", "created")
    return PictureShape(
        subject=row.person_id, job=row.job_id, look=look, **{name: getattr(row, name) for name in names}
    )


def job_shape(session: Session, row: JobRow, ahead: Outlook) -> JobShape:
    """Return a job as the API gives it."""
    names = ("id", "kind", "state", "reason", "progress", "settings", "created", "seconds")
    sample = None
    if row.kind == "train":
        sample = session.scalar(select(PictureRow.id).where(PictureRow.job_id == row.id).limit(1))
    return JobShape(
        session=row.sitting_id,
        place=ahead.places.get(row.id, 0),
        left=ahead.left.get(row.id),
        curve=row.told.get("curve") or [],
        sample=sample or "",
        **{name: getattr(row, name) for name in names},
    )


def session_shape(session: Session, row: SittingRow, ahead: Outlook) -> SessionShape:
    """Return a session with its jobs."""
    jobs = [job_shape(session, job, ahead) for job in jobs_of(session, row)]
    return SessionShape(id=row.id, subject=row.person_id, looks=row.looks, created=row.created, jobs=jobs)
