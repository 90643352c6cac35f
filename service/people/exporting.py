"""All that is known of an account's people, as a zip: photos, portraits, and every row in JSON."""

from __future__ import annotations

import json
import tempfile
import zipfile
from datetime import datetime
from typing import IO, Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from ..storage import (
    SAMPLE,
    AccountRow,
    AuditRow,
    Blobs,
    ConsentRow,
    JobRow,
    LoginRow,
    NewsRow,
    PersonRow,
    PhotoRow,
    PictureRow,
    SittingRow,
    TokenRow,
)
from .audit import note

SECRET = ("password", "hash", "csrf", "blob")
"""Columns that are the studio's own: they open doors, or say where files lie."""
_IN_MEMORY = 16_000_000  # bytes; a larger zip goes through a file without a name


def export(session: Session, blobs: Blobs, account: AccountRow, now: datetime) -> IO[bytes]:
    """Return a zip, open at its beginning, with all that is kept of an account. Raises BlobError."""
    out = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - the caller sends it and closes it
    tables = (ConsentRow, PersonRow, PhotoRow, SittingRow, JobRow, PictureRow, NewsRow, TokenRow, LoginRow)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
        told: dict[str, Any] = {"account": _fields(account), "exported": now.isoformat(timespec="seconds")}
        for table in tables:
            rows = session.scalars(select(table).where(table.owner_id == account.id)).all()
            told[table.__tablename__] = [_fields(row, *(["id"] if table is LoginRow else [])) for row in rows]
        log = session.scalars(select(AuditRow).where(AuditRow.account == account.id).order_by(AuditRow.id))
        told["audit"] = [_fields(row) for row in log]
        packed.writestr("everything.json", json.dumps(told, ensure_ascii=False, indent=2, default=str))
        for photo in session.scalars(select(PhotoRow).where(PhotoRow.owner_id == account.id)):
            packed.writestr(f"photos/{photo.person_id}/{photo.id}.jpg", blobs.get(photo.blob))
        for picture in session.scalars(select(PictureRow).where(PictureRow.owner_id == account.id)):
            ending = ending_of(picture.media_type)
            packed.writestr(f"pictures/{picture.person_id}/{picture.id}.{ending}", blobs.get(picture.blob))
    note(session, now, account.id, "exported")
    out.seek(0)
    return out


def packed_portraits(session: Session, blobs: Blobs, person: PersonRow) -> IO[bytes]:
    """Return a zip, open at its beginning, of the last stage of every portrait. Raises BlobError."""
    rows = select(PictureRow).where(PictureRow.person_id == person.id, PictureRow.stage != SAMPLE)
    last = {row.job_id: row for row in session.scalars(rows.order_by(PictureRow.place))}
    ranked = sorted(last.values(), key=lambda row: -2.0 if row.likeness is None else row.likeness, reverse=True)
    out = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - the caller sends it and closes it
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
        for number, row in enumerate(ranked, 1):
            packed.writestr(f"portrait-{number:02}.{ending_of(row.media_type)}", blobs.get(row.blob))
    out.seek(0)
    return out


def ending_of(media_type: str) -> str:
    """Return how the names of files of a kind of picture end."""
    return media_type.rpartition("/")[2].replace("jpeg", "jpg")


def _fields(row: Any, *hidden: str) -> dict[str, Any]:
    names = [column.key for column in inspect(type(row)).mapper.column_attrs]
    return {name: getattr(row, name) for name in names if name not in SECRET and name not in hidden}
