"""People: who there is, a new one with the consent, and their photos with a verdict on each."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from ..accounts.making import proper_name
from ..api.uploads import contents, files_of
from ..errors import StudioError
from ..shapes import LoginShape, NewSubject
from ..work.persons import CLASS_WORDS
from .rendering import language_of
from .visitors import Changes, Looks, ShortText, Visitor, check_csrf, door_of, login_of, secret_of, sent, wish

router = APIRouter(include_in_schema=False)


@router.get("/")
def home() -> Response:
    """Lead to the people."""
    return RedirectResponse("/people", 303)


@router.get("/people")
def people_page(visitor: Looks) -> Response:
    """Show everybody, with how many photos and portraits there are of each."""
    return visitor.page("people.html", people=visitor.studio.list_subjects())


@router.get("/people/new")
def new_person_page(visitor: Looks) -> Response:
    """Say what will happen, and ask for the consent."""
    consent = visitor.studio.show_consent(visitor.language)
    return visitor.page("new_person.html", consent=consent, class_words=CLASS_WORDS)


@router.post("/people/new")
def add_person(
    visitor: Changes,
    name: ShortText = "",
    class_word: ShortText = "person",
    version: ShortText = "",
    agreed: ShortText = "",
) -> Response:
    """Make a person, with the consent that was given on the page."""
    if not agreed:
        raise StudioError("no_consent", 409)
    given = {"version": version, "language": visitor.language}
    made = visitor.studio.add_subject(wish(NewSubject, name=proper_name(name), class_word=class_word, consent=given))
    return RedirectResponse(f"/people/{made.id}", 303)


@router.get("/people/{person}")
def person_page(person: str, visitor: Looks) -> Response:
    """Show a person's photos, and where to add some."""
    return _photos(visitor, person, "person.html", [])


@router.get("/people/{person}/photos")
def photos_part(person: str, visitor: Looks) -> Response:
    """Return the photos alone, for the page that shows them."""
    return _photos(visitor, person, "_photos.html", [])


@router.post("/people/{person}/photos")
async def add_photos(person: str, request: Request) -> Response:
    """Take photos, and return all of them with what was refused."""
    login = await run_in_threadpool(login_of, request)
    files = await files_of(request)
    check_csrf(request, str((await request.form()).get("csrf", "")), login.csrf)
    return await run_in_threadpool(_taken, request, login, person, [file for file in files if file.filename])


@router.get("/photos/{photo}/file")
def photo_file(photo: str, visitor: Looks) -> Response:
    """Return a photo; a browser may keep it while it is signed in."""
    return sent(visitor.studio.photo_file(photo), {"cache-control": "private, max-age=600"})


@router.post("/photos/{photo}/delete")
def remove_photo(photo: str, visitor: Changes) -> Response:
    """Delete one photo."""
    person = visitor.studio.show_photo(photo).subject
    visitor.studio.remove_photo(photo)
    return RedirectResponse(f"/people/{person}", 303)


def _taken(request: Request, login: LoginShape, person: str, files: list[UploadFile]) -> Response:
    door, secret, language = door_of(request), secret_of(request), language_of(request)
    with door.inside(secret, language, reading=True) as studio:
        taken = studio.add_photos(person, contents(files))
    refused = [(one.name, one.reason) for one in taken if one.photo is None]
    with door.inside(secret, language, reading=True) as studio:
        part = "hx-request" in request.headers
        return _photos(Visitor(request, studio, login), person, "_photos.html" if part else "person.html", refused)


def _photos(visitor: Visitor, person: str, template: str, refused: list[tuple[str, str]]) -> Response:
    row = visitor.studio.show_subject(person)
    return visitor.page(template, person=row, photos=visitor.studio.list_photos(person), refused=refused)
