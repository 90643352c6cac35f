"""Subjects and their photos."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from ..errors import StudioError
from ..people import delete_person, erase, mine
from ..shapes import ConsentText, Language, NewSubject, PhotoShape, PhotoTaken, SubjectShape
from ..storage import PersonRow, PhotoRow
from ..words import choose, consent
from ..work import drop, new_person, photos_of
from ..work.photos import short_name
from .callers import Deletes, Reads, Sends, Uploads
from .idempotency import IdempotencyKey, once
from .shaping import photo_shape, subject_shape
from .uploads import contents, files_of, take_all

router = APIRouter(tags=["subjects"])


class JpegFile(Response):
    """A photo."""

    media_type = "image/jpeg"


@router.get("/consent")
def show_consent(caller: Reads, language: Language = "en") -> ConsentText:
    """Return the text that is agreed to when a subject is made."""
    return ConsentText(**consent(language))


@router.post("/subjects", status_code=201)
def add_subject(body: NewSubject, caller: Sends, key: IdempotencyKey = "") -> SubjectShape:
    """Make a subject, with the consent that its photos may be used."""

    def work() -> SubjectShape:
        consent = body.consent
        made = new_person(
            caller.session, caller.account, body.name, body.class_word, consent.version, consent.language, caller.now
        )
        return subject_shape(caller.session, made)

    return once(caller, key, "subjects", body, work)


@router.get("/subjects")
def list_subjects(caller: Reads) -> list[SubjectShape]:
    """Return all subjects, in the order in which they were made."""
    rows = select(PersonRow).where(PersonRow.owner_id == caller.id).order_by(PersonRow.created, PersonRow.id)
    return [subject_shape(caller.session, row) for row in caller.session.scalars(rows)]


@router.get("/subjects/{subject}")
def show_subject(subject: str, caller: Reads) -> SubjectShape:
    """Return a subject; its `report` says what its photos lack."""
    return subject_shape(caller.session, mine(caller.session, PersonRow, subject, caller.id))


@router.delete("/subjects/{subject}", status_code=204)
def remove_subject(subject: str, caller: Deletes) -> Response:
    """Delete a subject with its photos, its trained model and its pictures, here and on the hosts."""
    row = mine(caller.session, PersonRow, subject, caller.id)
    delete_person(caller.session, caller.studio.blobs, caller.studio.hosts, row, caller.now)
    caller.session.commit()
    erase(caller.studio.database)
    return Response(status_code=204)


@router.get("/subjects/{subject}/report")
def show_report(subject: str, caller: Reads) -> dict[str, Any]:
    """Return the report on a subject's photos: empty while they are looked at."""
    return mine(caller.session, PersonRow, subject, caller.id).report


@router.post(
    "/subjects/{subject}/photos",
    response_model=list[PhotoTaken],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                    }
                }
            },
        }
    },
)
async def add_photos(subject: str, request: Request, caller: Uploads) -> list[PhotoTaken]:
    """Take photos; each is answered for itself, and one that is here already is not taken twice."""
    mine(caller.session, PersonRow, subject, caller.id)
    owner = caller.id
    caller.session.close()
    files = contents(await files_of(request))
    taken = await run_in_threadpool(take_all, caller.studio, owner, subject, files)
    language = choose(request.headers.get("accept-language", ""))
    return [photo_taken(name, one, language) for name, one in taken]


def photo_taken(name: str, one: PhotoRow | StudioError, language: str) -> PhotoTaken:
    """Return what became of a file, as the API gives it."""
    if isinstance(one, StudioError):
        return PhotoTaken(name=short_name(name), reason=one.said(language))
    return PhotoTaken(name=short_name(name), photo=photo_shape(one))


@router.get("/subjects/{subject}/photos")
def list_photos(subject: str, caller: Reads) -> list[PhotoShape]:
    """Return a subject's photos with the verdict on each."""
    person = mine(caller.session, PersonRow, subject, caller.id)
    return [photo_shape(row) for row in photos_of(caller.session, person.id)]


@router.get("/photos/{photo}")
def show_photo(photo: str, caller: Reads) -> PhotoShape:
    """Return a photo's verdict."""
    return photo_shape(mine(caller.session, PhotoRow, photo, caller.id))


@router.get("/photos/{photo}/file", response_class=JpegFile)
def photo_file(photo: str, caller: Reads) -> JpegFile:
    """Return a photo as it is kept: upright, and without EXIF."""
    row = mine(caller.session, PhotoRow, photo, caller.id)
    return JpegFile(caller.studio.blobs.get(row.blob))


@router.delete("/photos/{photo}", status_code=204)
def remove_photo(photo: str, caller: Deletes) -> Response:
    """Delete one photo, here and on the hosts."""
    row = mine(caller.session, PhotoRow, photo, caller.id)
    drop(caller.session, caller.studio.blobs, caller.studio.hosts, row, caller.now)
    return Response(status_code=204)
