"""Photos come in: checked, turned upright, made smaller, and saved again, so that no EXIF and no place is kept."""

from __future__ import annotations

import hashlib
import io
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath

from PIL import Image
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ...portrait import decoding
from ..errors import StudioError
from ..people import HostStore, consent_of, note
from ..settings import limit
from ..storage import Blobs, PersonRow, PhotoRow

QUALITY = 95
_LONGEST_NAME = 60


@dataclass(frozen=True)
class UprightPhoto:
    """A photo as it is kept: JPEG without anything but pixels, and its size in pixels."""

    content: bytes
    width: int
    height: int


def take(session: Session, blobs: Blobs, person: PersonRow, name: str, photo: UprightPhoto, now: datetime) -> PhotoRow:
    """Keep a photo of a subject and ask for a new report. Raises StudioError when it cannot be kept, BlobError.

    The name says nothing but which letters to show.
    """
    if consent_of(session, person) is None:
        raise StudioError("no_consent", 409)
    count = session.scalar(select(func.count()).where(PhotoRow.person_id == person.id)) or 0
    if count >= limit("photos_a_subject"):
        raise StudioError("too_many_photos", 409, most=limit("photos_a_subject"))
    digest = hashlib.sha256(photo.content).hexdigest()
    same = select(PhotoRow.id).where(PhotoRow.person_id == person.id, PhotoRow.sha256 == digest)
    if session.scalar(same):
        raise StudioError("same_photo", 409)
    row = PhotoRow(
        owner_id=person.owner_id,
        person_id=person.id,
        name=short_name(name),
        blob=blobs.put("photos", photo.content),
        sha256=digest,
        size=len(photo.content),
        width=photo.width,
        height=photo.height,
        created=now,
    )
    session.add(row)
    session.flush()
    ask_for_report(session, person)
    note(session, now, person.owner_id, "photo added", row.id)
    return row


def photos_of(session: Session, person: str) -> list[PhotoRow]:
    """Return a subject's photos in the order in which they came."""
    rows = select(PhotoRow).where(PhotoRow.person_id == person).order_by(PhotoRow.created, PhotoRow.id)
    return list(session.scalars(rows))


def drop(session: Session, blobs: Blobs, hosts: HostStore, photo: PhotoRow, now: datetime) -> None:
    """Delete one photo, here and on the hosts, and ask for a new report. Raises PortraitError: try again."""
    hosts.forget("", [], [photo.sha256])
    blobs.delete(photo.blob)
    session.delete(photo)
    session.flush()
    ask_for_report(session, session.get_one(PersonRow, photo.person_id))
    note(session, now, photo.owner_id, "photo deleted", photo.id)


def ask_for_report(session: Session, person: PersonRow) -> None:
    """Have all photos of a subject judged again: which are alike, and who is on most, depends on all of them."""
    person.report = {}
    session.execute(update(PhotoRow).where(PhotoRow.person_id == person.id).values(state="waiting", reason=""))


def upright(data: bytes, name: str) -> UprightPhoto:
    """Return a photo as it is kept; takes up to a second, so it is done before anything waits for it.

    What arrives may be anything. Raises StudioError when it cannot be read as a photo.
    """
    if len(data) > limit("photo_bytes"):
        raise StudioError("too_large", 413, megabytes=limit("photo_bytes") // 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        # The ending tells HEIC; the rest of the name is not for this disk.
        ending = PurePosixPath(name).suffix.lower()
        file = Path(folder) / f"photo{ending if ending in decoding.HEIF_SUFFIXES else ''}"
        file.write_bytes(data)
        try:
            pixels, _ = decoding.read_reduced(file, limit("photo_pixels"))
        except decoding.PhotoError as error:
            raise StudioError("bad_photo", 422, why=str(error)) from error
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=QUALITY)
    return UprightPhoto(out.getvalue(), pixels.shape[1], pixels.shape[0])


def short_name(name: str) -> str:
    """Return the name to show of an uploaded file: its last part, in one line, its middle left out when it is long."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    shown = "".join(sign for sign in last if sign.isprintable() or sign == "\u200d").strip() or "photo"
    if len(shown) <= _LONGEST_NAME:
        return shown
    half = _LONGEST_NAME // 2 - 1
    return f"{shown[:half]}…{shown[-half:]}"
