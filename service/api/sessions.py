"""Presets, sessions, jobs, pictures, and news of them as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from ..people import delete_picture, mine, packed_portraits
from ..shapes import AnotherLook, JobShape, NewSession, PictureShape, Presets, SessionShape
from ..storage import SAMPLE, JobRow, NewsRow, PersonRow, PictureRow, SittingRow
from ..work import ChosenLooks, Studio, again, cancel, cancel_all, order, outlook, poses, samples, tones
from ..work.ordering import OPEN
from .answers import ZipFile
from .callers import Deletes, Reads, Works
from .idempotency import IdempotencyKey, once
from .shaping import job_shape, picture_shape, session_shape

router = APIRouter(tags=["sessions"])
LastEvent = Annotated[str, Header(alias="Last-Event-ID")]
_TEXT = {"type": "string"}
_EVENT_SHAPE = {
    "type": "object",
    "properties": {"id": _TEXT, "event": _TEXT, "data": _TEXT},
    "required": ["event", "data"],
}
_AN_EVENT = {"responses": {"200": {"content": {"text/event-stream": {"schema": _EVENT_SHAPE}}}}}
THE_SAME = AnotherLook()
LOOK = 1.0
"""Seconds between two looks for news."""
LONGEST = 3600.0
"""Seconds after which a stream ends; its reader comes back and goes on where it was."""


class Events(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


class WebpFile(Response):
    """A small picture."""

    media_type = "image/webp"


class PictureFile(Response):
    """A portrait; some are JPEG."""

    media_type = "image/png"


@router.get("/presets")
def list_presets(caller: Reads) -> Presets:
    """Return the names of the poses and tones to choose from."""
    return Presets(poses=list(poses()), tones=list(tones()))


@router.get("/presets/poses/{pose}/picture", response_class=WebpFile)
def pose_picture(pose: str, caller: Reads) -> WebpFile:
    """Return a portrait in a pose."""
    return WebpFile(samples.pose(pose))


@router.get("/presets/tones/{tone}/picture", response_class=WebpFile)
def tone_picture(tone: str, caller: Reads) -> WebpFile:
    """Return a portrait in a tone."""
    return WebpFile(samples.tone(tone))


@router.post("/subjects/{subject}/sessions", status_code=201)
def add_session(subject: str, body: NewSession, caller: Works, key: IdempotencyKey = "") -> SessionShape:
    """Order a session: the face is learned if it is not known, and a portrait is made for every look."""
    person = mine(caller.session, PersonRow, subject, caller.id)

    def work() -> SessionShape:
        wanted = ChosenLooks(body.poses, body.tones, body.count, body.seed)
        sitting = order(caller.session, person, wanted, caller.now)
        caller.session.flush()
        return session_shape(caller.session, sitting, outlook(caller.session, caller.now))

    return once(caller, key, f"sessions of {subject}", body, work)


@router.get("/sessions")
def list_sessions(caller: Reads) -> list[SessionShape]:
    """Return all sessions with their jobs, the newest first."""
    rows = select(SittingRow).where(SittingRow.owner_id == caller.id).order_by(SittingRow.created.desc()).limit(100)
    ahead = outlook(caller.session, caller.now)
    return [session_shape(caller.session, row, ahead) for row in caller.session.scalars(rows)]


@router.get("/sessions/{session}")
def show_session(session: str, caller: Reads) -> SessionShape:
    """Return a session with its jobs, their places in the queue and their progress."""
    return session_shape(
        caller.session, mine(caller.session, SittingRow, session, caller.id), outlook(caller.session, caller.now)
    )


@router.get("/sessions/{session}/events", response_class=Events, openapi_extra=_AN_EVENT)
def session_events(session: str, caller: Reads, last: LastEvent = "") -> Events:
    """Send news of a session as server-sent events; a reader that was cut off goes on by Last-Event-ID."""
    row = mine(caller.session, SittingRow, session, caller.id)
    after = int(last) if last.isascii() and last.isdigit() and len(last) < 18 else 0
    return Events(news(caller.studio, row.id, after))


@router.post("/sessions/{session}/cancel")
def cancel_session(session: str, caller: Works) -> SessionShape:
    """Cancel every job of a session that has not ended."""
    row = mine(caller.session, SittingRow, session, caller.id)
    cancel_all(caller.session, row, caller.now)
    return session_shape(caller.session, row, outlook(caller.session, caller.now))


@router.get("/jobs/{job}")
def show_job(job: str, caller: Reads) -> JobShape:
    """Return a job."""
    row = mine(caller.session, JobRow, job, caller.id)
    return job_shape(caller.session, row, outlook(caller.session, caller.now))


@router.post("/jobs/{job}/cancel")
def cancel_job(job: str, caller: Works) -> JobShape:
    """Cancel a job that waits or runs."""
    row = mine(caller.session, JobRow, job, caller.id)
    cancel(caller.session, row, caller.now)
    return job_shape(caller.session, row, outlook(caller.session, caller.now))


@router.get("/subjects/{subject}/pictures")
def list_pictures(subject: str, caller: Reads) -> list[PictureShape]:
    """Return a subject's portraits after every stage, the most alike first."""
    person = mine(caller.session, PersonRow, subject, caller.id)
    rows = select(PictureRow, JobRow.settings).join(JobRow, JobRow.id == PictureRow.job_id)
    portraits = rows.where(PictureRow.person_id == person.id, PictureRow.stage != SAMPLE)
    ranked = portraits.order_by(PictureRow.likeness.desc().nulls_last(), PictureRow.created, PictureRow.id)
    return [picture_shape(row, look) for row, look in caller.session.execute(ranked)]


@router.get("/subjects/{subject}/pictures/archive", response_class=ZipFile)
def pictures_archive(subject: str, caller: Reads) -> ZipFile:
    """Return a subject's portraits after their last stage as a zip, the most alike first."""
    person = mine(caller.session, PersonRow, subject, caller.id)
    return ZipFile(packed_portraits(caller.session, caller.studio.blobs, person), "portraits.zip")


@router.get("/pictures/{picture}")
def show_picture(picture: str, caller: Reads) -> PictureShape:
    """Return what is known of a portrait."""
    row = mine(caller.session, PictureRow, picture, caller.id)
    return picture_shape(row, caller.session.get_one(JobRow, row.job_id).settings)


@router.get("/pictures/{picture}/file", response_class=PictureFile)
def picture_file(picture: str, caller: Reads) -> Response:
    """Return a portrait: marked as made by a model, and signed where the studio has a certificate."""
    row = mine(caller.session, PictureRow, picture, caller.id)
    return Response(caller.studio.blobs.get(row.blob), media_type=row.media_type)


@router.post("/pictures/{picture}/again", status_code=201)
def add_again(picture: str, caller: Works, body: AnotherLook = THE_SAME, key: IdempotencyKey = "") -> SessionShape:
    """Order a portrait once more: with another pose or tone, or with a seed that the look has not had."""
    row = mine(caller.session, PictureRow, picture, caller.id)

    def work() -> SessionShape:
        person = mine(caller.session, PersonRow, row.person_id, caller.id)
        job = mine(caller.session, JobRow, row.job_id, caller.id)
        sitting = again(caller.session, person, job, body.pose, body.tone, caller.now)
        caller.session.flush()
        return session_shape(caller.session, sitting, outlook(caller.session, caller.now))

    return once(caller, key, f"again {picture}", body, work)


@router.delete("/pictures/{picture}", status_code=204)
def remove_picture(picture: str, caller: Deletes) -> Response:
    """Delete a portrait."""
    row = mine(caller.session, PictureRow, picture, caller.id)
    delete_picture(caller.session, caller.studio.blobs, row, caller.now)
    return Response(status_code=204)


async def news(studio: Studio, sitting: str, after: int) -> AsyncIterator[str]:
    """Yield server-sent events of a session until all its jobs have ended, or it is deleted."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST
    while loop.time() < end:
        rows, over = await run_in_threadpool(_news_since, studio, sitting, after)
        for row in rows:
            after = row.id
            yield f"id: {row.id}\nevent: {row.kind}\ndata: {json.dumps(row.facts)}\n\n"
        if over:
            yield "event: end\ndata: {}\n\n"
            return
        if not rows:
            yield ": still here\n\n"
        await asyncio.sleep(LOOK)


def _news_since(studio: Studio, sitting: str, after: int) -> tuple[list[NewsRow], bool]:
    with studio.database.session(reading=True) as session:
        still = select(JobRow.id).where(JobRow.sitting_id == sitting, JobRow.state.in_(OPEN)).limit(1)
        over = session.scalar(still) is None
        rows = select(NewsRow).where(NewsRow.sitting_id == sitting, NewsRow.id > after).order_by(NewsRow.id).limit(200)
        found = list(session.scalars(rows))
        return found, over and len(found) < 200
