"""Looks, progress and the gallery."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import select

from ..api.sessions import with_jobs
from ..people import delete_picture, mine
from ..storage import JobRow, PersonRow, PictureRow, SittingRow
from ..work import ChosenLooks, again, cancel_all, order, poses, tones
from ..work.looks import FRAMINGS, USUAL
from ..work.ordering import MOST_COUNT, OPEN
from .visitors import Changes, Looks, Visitor

router = APIRouter(include_in_schema=False)
Chosen = Annotated[list[str], Form()]


@router.get("/people/{person}/looks")
def looks_page(person: str, visitor: Looks) -> Response:
    """Show the looks to choose from."""
    row = mine(visitor.session, PersonRow, person, visitor.id)
    framings = {key: [name for name in poses() if name.startswith(key)] for key in FRAMINGS}
    return visitor.page("looks.html", person=row, framings=framings, tones=tones(), usual=USUAL, most=MOST_COUNT)


@router.post("/people/{person}/looks")
def order_looks(
    person: str,
    visitor: Changes,
    pose: Chosen = [],  # noqa: B006 - FastAPI copies it
    tone: Chosen = [],  # noqa: B006
    count: Annotated[int, Form()] = 1,
) -> Response:
    """Order portraits, and lead to their progress."""
    row = mine(visitor.session, PersonRow, person, visitor.id)
    sitting = order(visitor.session, row, ChosenLooks(pose, tone, count), visitor.now)
    return RedirectResponse(f"/sessions/{sitting.id}", 303)


@router.get("/sessions/{session}")
def session_page(session: str, visitor: Looks) -> Response:
    """Show the progress of a session."""
    return _progress(visitor, session, "session.html")


@router.get("/sessions/{session}/jobs")
def jobs_part(session: str, visitor: Looks) -> Response:
    """Return the jobs alone, for the page that shows them."""
    return _progress(visitor, session, "_jobs.html")


@router.post("/sessions/{session}/cancel")
def cancel_session(session: str, visitor: Changes) -> Response:
    """Cancel what has not ended."""
    row = mine(visitor.session, SittingRow, session, visitor.id)
    cancel_all(visitor.session, row, visitor.now)
    return RedirectResponse(f"/sessions/{session}", 303)


@router.get("/people/{person}/gallery")
def gallery_page(person: str, visitor: Looks) -> Response:
    """Show the portraits, the most alike first, each with its stages."""
    row = mine(visitor.session, PersonRow, person, visitor.id)
    pictures = visitor.session.scalars(
        select(PictureRow)
        .where(PictureRow.person_id == row.id)
        .order_by(PictureRow.created, PictureRow.place, PictureRow.id)
    )
    by_job: dict[str, list[PictureRow]] = {}
    for picture in pictures:
        by_job.setdefault(picture.job_id, []).append(picture)
    ranked = sorted(by_job.values(), key=lambda stages: -1.0 if stages[-1].likeness is None else stages[-1].likeness)
    return visitor.page("gallery.html", person=row, portraits=ranked[::-1])


@router.get("/pictures/{picture}/file")
def picture_file(picture: str, visitor: Looks, download: bool = False) -> Response:
    """Return a portrait, marked as made by a model."""
    row = mine(visitor.session, PictureRow, picture, visitor.id)
    headers = {"cache-control": "private, max-age=600"}
    if download:
        ending = row.media_type.rpartition("/")[2].replace("jpeg", "jpg")
        headers["content-disposition"] = f'attachment; filename="portrait-{row.id[:8]}.{ending}"'
    return Response(visitor.studio.blobs.get(row.blob), media_type=row.media_type, headers=headers)


@router.post("/pictures/{picture}/delete")
def remove_picture(picture: str, visitor: Changes) -> Response:
    """Delete a portrait with its stages."""
    row = mine(visitor.session, PictureRow, picture, visitor.id)
    for one in visitor.session.scalars(select(PictureRow).where(PictureRow.job_id == row.job_id)):
        delete_picture(visitor.session, visitor.studio.blobs, one, visitor.now)
    return RedirectResponse(f"/people/{row.person_id}/gallery", 303)


@router.post("/pictures/{picture}/again")
def once_more(picture: str, visitor: Changes) -> Response:
    """Order the same look once more, with a seed that it has not had."""
    row = mine(visitor.session, PictureRow, picture, visitor.id)
    person = mine(visitor.session, PersonRow, row.person_id, visitor.id)
    sitting = again(visitor.session, person, mine(visitor.session, JobRow, row.job_id, visitor.id), visitor.now)
    return RedirectResponse(f"/sessions/{sitting.id}", 303)


def _progress(visitor: Visitor, session: str, template: str) -> Response:
    row = mine(visitor.session, SittingRow, session, visitor.id)
    person = mine(visitor.session, PersonRow, row.person_id, visitor.id)
    shape = with_jobs(visitor.session, row)
    going = any(job.state in OPEN for job in shape.jobs)
    return visitor.page(template, sitting=shape, person=person, going=going)
