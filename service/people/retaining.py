"""Retention: what is older than retention.json allows is removed, by a purge that runs every hour."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from ..settings import limit
from ..storage import (
    Blobs,
    DoneRequestRow,
    InvitationRow,
    JobRow,
    LoginRow,
    NewsRow,
    PersonRow,
    PhotoRow,
    PictureRow,
    TryRow,
)
from .audit import note
from .deleting import HostStore

STUDIO = "studio"
"""Whose deed a purge is, in the audit log."""


def purge(session: Session, blobs: Blobs, hosts: HostStore, days: Mapping[str, int], now: datetime) -> dict[str, int]:
    """Remove all that is past its time; return how many of each kind. May be repeated. Raises PortraitError."""
    since = {kind: now - timedelta(days=count) for kind, count in days.items()}
    counts: dict[str, int] = dict.fromkeys(("photos", "models", "pictures", "files"), 0)
    for table, kind in ((PhotoRow, "photos"), (PictureRow, "pictures")):
        for row in session.scalars(select(table).where(table.created < since[kind])):
            if isinstance(row, PhotoRow):
                hosts.forget("", [], [row.sha256])
            blobs.delete(row.blob)
            session.delete(row)
            note(session, now, STUDIO, f"{kind} expired", row.id)
            counts[kind] += 1
    for person in session.scalars(select(PersonRow).where(PersonRow.trained < since["models"])):
        jobs = list(session.scalars(select(JobRow.id).where(JobRow.person_id == person.id)))
        hosts.forget(person.subject, jobs, [])
        person.subject, person.trained, person.report = "", None, {}
        note(session, now, STUDIO, "model expired", person.id)
        counts["models"] += 1
    _forget_small_things(session, since, now)
    session.flush()
    counts["files"] = _sweep(session, blobs)
    return counts


def _forget_small_things(session: Session, since: Mapping[str, datetime], now: datetime) -> None:
    minutes = max(limit("tries_a_name")["minutes"], limit("tries_an_address")["minutes"])
    session.execute(delete(NewsRow).where(NewsRow.at < since["news"]))
    session.execute(delete(TryRow).where(TryRow.at < now - timedelta(minutes=minutes)))
    session.execute(delete(InvitationRow).where(InvitationRow.expires < now))
    session.execute(delete(LoginRow).where(LoginRow.seen < now - timedelta(hours=limit("idle_hours"))))
    session.execute(delete(DoneRequestRow).where(DoneRequestRow.at < now - timedelta(hours=limit("idempotency_hours"))))


def _sweep(session: Session, blobs: Blobs) -> int:
    """Remove files that no row names: of deletions that were killed half-way.

    The rows are locked against writers meanwhile, and a file is written within the transaction that names it, so none
    of an upload that goes on is taken for one.
    """
    count = 0
    for name in list(blobs.names()):
        wanted = select(exists().where(PhotoRow.blob == name)), select(exists().where(PictureRow.blob == name))
        if not any(session.scalar(one) for one in wanted):
            blobs.sweep(name)
            count += 1
    return count
