"""Files of a request, one at a time: as many as fit the limits, each refused for itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from ...portrait.errors import PortraitError
from ..errors import StudioError
from ..people import mine
from ..settings import limit
from ..storage import PersonRow, PhotoRow
from ..work import Studio, take, upright


async def files_of(request: Request) -> list[UploadFile]:
    """Return the files of a form, in any field. Raises StudioError for too many, or when it is not a form."""
    most = limit("photos_a_request")
    try:
        form = await request.form(max_files=most, max_fields=20, max_part_size=limit("form_bytes"))
    except HTTPException as error:
        if "Too many files" in str(error.detail):
            raise StudioError("too_many_files", 413, most=most) from error
        raise StudioError("bad_request", 400, why=str(error.detail)[:200]) from error
    return [value for _, value in form.multi_items() if isinstance(value, UploadFile)]


def contents(files: list[UploadFile]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file, one at a time."""
    for file in files:
        yield file.filename or "", file.file.read()


def take_all(
    studio: Studio, owner: str, person: str, files: Iterable[tuple[str, bytes]]
) -> list[tuple[str, PhotoRow | StudioError]]:
    """Take photos of a subject, (name, content); return for each its name and its row, or what says why not.

    Raises StudioError when the subject is not the owner's.
    """
    found: list[tuple[str, PhotoRow | StudioError]] = []
    for name, data in files:
        try:
            found.append((name, _take(studio, owner, person, name, data)))
        except StudioError as error:
            if error.kind == "not_found":
                raise
            found.append((name, error))
        except PortraitError:
            found.append((name, StudioError("files_away", 503)))
    return found


def _take(studio: Studio, owner: str, person: str, name: str, data: bytes) -> PhotoRow:
    with studio.database.session(reading=True) as session:
        mine(session, PersonRow, person, owner)  # before any work is done for somebody else's
    photo = upright(data, name)
    with studio.database.session() as session:
        row = mine(session, PersonRow, person, owner)
        return take(session, studio.blobs, row, name, photo, studio.settings.clock())
