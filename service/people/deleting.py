"""Deletion that reaches everything: rows, files, and what hosts hold. It can be repeated after a kill half-way.

First the hosts and the files, then the rows: as long as a row is there, somebody can press the button again. A file
whose row is gone is found by the purge.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..storage import AccountRow, Blobs, DoneRequestRow, JobRow, PersonRow, PhotoRow, PictureRow, StudioDatabase
from .audit import note


class HostStore(Protocol):
    """What hosts hold of a subject: photos uploaded, pictures made, the trained subject, caches."""

    def forget(self, subject: str, jobs: list[str], photos: list[str]) -> None:
        """Remove all of a subject's; `jobs` are ids of ours, `photos` SHA-256 of files. Raises PortraitError."""
        ...


def delete_person(session: Session, blobs: Blobs, hosts: HostStore, person: PersonRow, now: datetime) -> None:
    """Remove a subject with all that was made of it. Raises PortraitError when a place does not answer: try again."""
    photos = list(session.scalars(select(PhotoRow).where(PhotoRow.person_id == person.id)))
    pictures = session.scalars(select(PictureRow).where(PictureRow.person_id == person.id))
    jobs = list(session.scalars(select(JobRow.id).where(JobRow.person_id == person.id)))
    hosts.forget(person.subject, jobs, [one.sha256 for one in photos])
    for row in (*photos, *pictures):
        blobs.delete(row.blob)
    owner = person.owner_id
    # Answers that are kept for idempotency may speak of the subject.
    session.execute(delete(DoneRequestRow).where(DoneRequestRow.owner_id == owner))
    session.delete(person)
    note(session, now, owner, "subject deleted", person.id)


def delete_picture(session: Session, blobs: Blobs, picture: PictureRow, now: datetime) -> None:
    """Remove one portrait. Raises BlobError."""
    blobs.delete(picture.blob)
    session.delete(picture)
    note(session, now, picture.owner_id, "picture deleted", picture.id)


def delete_account(session: Session, blobs: Blobs, hosts: HostStore, account: AccountRow, now: datetime) -> None:
    """Remove an account with everybody in it. Raises PortraitError when a place does not answer: try again."""
    for person in session.scalars(select(PersonRow).where(PersonRow.owner_id == account.id)):
        delete_person(session, blobs, hosts, person, now)
    session.flush()
    session.delete(account)
    note(session, now, account.id, "account deleted")


def erase(database: StudioDatabase) -> None:
    """Empty SQLite's log of writes, where deleted rows may still be read."""
    if database.engine.dialect.name == "sqlite":
        connection = database.engine.raw_connection()  # outside any transaction, which would be in the way
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
