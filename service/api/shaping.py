"""Rows as the API gives them."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..people import consent_of
from ..shapes import AccountShape, JobShape, PhotoShape, PictureShape, SessionShape, SubjectShape
from ..storage import AccountRow, JobRow, PersonRow, PhotoRow, PictureRow, SittingRow
from ..work import jobs_of, place_in_queue


def account_shape(row: AccountRow) -> AccountShape:
    """Return an account as the API gives it."""
    return AccountShape(id=row.id, name=row.name, role=row.role, created=row.created)


def subject_shape(session: Session, row: PersonRow) -> SubjectShape:
    """Return a subject as the API gives it."""
    names = ("id", "name", "class_word", "created", "trained", "report")
    agreed = consent_of(session, row)
    photos, pictures = (
        session.scalar(select(func.count()).select_from(table).where(table.person_id == row.id)) or 0
        for table in (PhotoRow, PictureRow)
    )
    facts = {name: getattr(row, name) for name in names}
    return SubjectShape(**facts, agreed=agreed.at if agreed else None, photos=photos, pictures=pictures)


def photo_shape(row: PhotoRow) -> PhotoShape:
    """Return a photo as the API gives it."""
    names = ("id", "name", "state", "reason", "width", "height", "created")
    return PhotoShape(subject=row.person_id, **{name: getattr(row, name) for name in names})


def picture_shape(row: PictureRow) -> PictureShape:
    """Return a portrait as the API gives it."""
    names = ("id", "stage", "place", "likeness", "media_type", "size", "created")
    return PictureShape(subject=row.person_id, job=row.job_id, **{name: getattr(row, name) for name in names})


def job_shape(row: JobRow, place: int) -> JobShape:
    """Return a job as the API gives it."""
    names = ("id", "kind", "state", "reason", "progress", "settings", "created", "seconds")
    return JobShape(session=row.sitting_id, place=place, **{name: getattr(row, name) for name in names})


def session_shape(session: Session, row: SittingRow) -> SessionShape:
    """Return a session with its jobs."""
    jobs = [job_shape(job, place_in_queue(session, job)) for job in jobs_of(session, row)]
    return SessionShape(id=row.id, subject=row.person_id, looks=row.looks, created=row.created, jobs=jobs)
