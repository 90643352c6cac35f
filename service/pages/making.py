"""Looks, progress and the gallery."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from ..people import ending_of
from ..shapes import MOST_COUNT, AnotherLook, NewSession, PictureShape
from ..work.looks import FRAMINGS, USUAL
from .visitors import Changes, Looks, ShortText, Visitor, sent, wish

router = APIRouter(include_in_schema=False)
Chosen = Annotated[list[str], Form()]
FOR_A_DAY = {"cache-control": "private, max-age=86400"}


@router.get("/people/{person}/looks")
def looks_page(person: str, visitor: Looks) -> Response:
    """Show the looks to choose from."""
    row, offered = visitor.studio.show_subject(person), visitor.studio.list_presets()
    framings = {key: [name for name in offered.poses if name.startswith(key)] for key in FRAMINGS}
    choice = {"framings": framings, "tones": offered.tones, "usual": USUAL, "most": MOST_COUNT}
    return visitor.page("looks.html", person=row, **choice)


@router.get("/looks/poses/{pose}")
def pose_sample(pose: str, visitor: Looks) -> Response:
    """Return a portrait in a pose that is offered."""
    return sent(visitor.studio.pose_picture(pose), FOR_A_DAY)


@router.get("/looks/tones/{tone}")
def tone_sample(tone: str, visitor: Looks) -> Response:
    """Return a portrait in a tone that is offered."""
    return sent(visitor.studio.tone_picture(tone), FOR_A_DAY)


@router.post("/people/{person}/looks")
def order_looks(
    person: str,
    visitor: Changes,
    pose: Chosen = [],  # noqa: B006 - FastAPI copies it
    tone: Chosen = [],  # noqa: B006
    count: Annotated[int, Form()] = 1,
) -> Response:
    """Order portraits, and lead to their progress."""
    made = visitor.studio.add_session(person, wish(NewSession, poses=pose, tones=tone, count=count))
    return RedirectResponse(f"/sessions/{made.id}", 303)


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
    visitor.studio.cancel_session(session)
    return RedirectResponse(f"/sessions/{session}", 303)


@router.get("/people/{person}/gallery")
def gallery_page(person: str, visitor: Looks) -> Response:
    """Show the portraits, the most alike first, each with its stages."""
    row = visitor.studio.show_subject(person)
    by_job: dict[str, list[PictureShape]] = {}
    for picture in sorted(visitor.studio.list_pictures(person), key=lambda one: (one.created, one.place, one.id)):
        by_job.setdefault(picture.job, []).append(picture)
    ranked = sorted(by_job.values(), key=lambda stages: -1.0 if stages[-1].likeness is None else stages[-1].likeness)
    offered = visitor.studio.list_presets()
    return visitor.page("gallery.html", person=row, portraits=ranked[::-1], offered=offered)


@router.get("/people/{person}/gallery/archive")
def all_portraits(person: str, visitor: Looks) -> Response:
    """Return the last stage of every portrait as a zip."""
    named = {"content-disposition": 'attachment; filename="portraits.zip"'}
    return sent(visitor.studio.pictures_archive(person), named)


@router.get("/pictures/{picture}/file")
def picture_file(picture: str, visitor: Looks, download: bool = False) -> Response:
    """Return a portrait, marked as made by a model."""
    content = visitor.studio.picture_file(picture)
    headers = {"cache-control": "private, max-age=600"}
    if download:
        named = f"portrait-{picture[:8]}.{ending_of(content.media_type)}"
        headers["content-disposition"] = f'attachment; filename="{named}"'
    return sent(content, headers)


@router.post("/pictures/{picture}/delete")
def remove_picture(picture: str, visitor: Changes) -> Response:
    """Delete a portrait with its stages."""
    row = visitor.studio.show_picture(picture)
    for one in visitor.studio.list_pictures(row.subject):
        if one.job == row.job:
            visitor.studio.remove_picture(one.id)
    return RedirectResponse(f"/people/{row.subject}/gallery", 303)


@router.post("/pictures/{picture}/again")
def once_more(picture: str, visitor: Changes, pose: ShortText = "", tone: ShortText = "") -> Response:
    """Order a portrait once more: with another pose or tone, or with a seed that it has not had."""
    made = visitor.studio.add_again(picture, wish(AnotherLook, pose=pose, tone=tone))
    return RedirectResponse(f"/sessions/{made.id}", 303)


def _progress(visitor: Visitor, session: str, template: str) -> Response:
    sitting = visitor.studio.show_session(session)
    person = visitor.studio.show_subject(sitting.subject)
    return visitor.page(template, sitting=sitting, person=person)
