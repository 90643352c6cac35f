"""People: who there is, a new one with the consent, and their photos with a verdict on each."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import func, select

from ..accounts import signed_in
from ..api.uploads import files_of, take_all
from ..errors import StudioError
from ..people import consent_of, mine
from ..storage import PersonRow, PhotoRow, PictureRow
from ..words import consent, sentence
from ..work import Studio, drop, new_person, photos_of
from ..work.persons import CLASS_WORDS
from ..work.photos import short_name
from .rendering import language_of
from .visitors import Changes, Looks, ShortText, Visitor, check_csrf, cookie_name

router = APIRouter(include_in_schema=False)


@router.get("/")
def home() -> Response:
    """Lead to the people."""
    return RedirectResponse("/people", 303)


@router.get("/people")
def people_page(visitor: Looks) -> Response:
    """Show everybody, with how many photos and portraits there are of each."""
    rows = visitor.session.scalars(
        select(PersonRow).where(PersonRow.owner_id == visitor.id).order_by(PersonRow.created)
    )
    counts = [(row, _count(visitor, PhotoRow, row), _count(visitor, PictureRow, row)) for row in rows]
    return visitor.page("people.html", people=counts)


@router.get("/people/new")
def new_person_page(visitor: Looks) -> Response:
    """Say what will happen, and ask for the consent."""
    return visitor.page("new_person.html", consent=consent(language_of(visitor.request)), class_words=CLASS_WORDS)


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
    language = language_of(visitor.request)
    row = new_person(visitor.session, visitor.account, name, class_word, version, language, visitor.now)
    return RedirectResponse(f"/people/{row.id}", 303)


@router.get("/people/{person}")
def person_page(person: str, visitor: Looks) -> Response:
    """Show a person's photos, and where to add some."""
    row = mine(visitor.session, PersonRow, person, visitor.id)
    return visitor.page(
        "person.html", person=row, photos=photos_of(visitor.session, row.id), agreed=consent_of(visitor.session, row)
    )


@router.get("/people/{person}/photos")
def photos_part(person: str, visitor: Looks) -> Response:
    """Return the photos alone, for the page that shows them."""
    row = mine(visitor.session, PersonRow, person, visitor.id)
    return visitor.page("_photos.html", person=row, photos=photos_of(visitor.session, row.id), refused=[])


@router.post("/people/{person}/photos")
async def add_photos(person: str, request: Request) -> Response:
    """Take photos, and return all of them with what was refused."""
    studio: Studio = request.app.state.studio
    secret = request.cookies.get(cookie_name(studio), "")
    with studio.database.session(reading=True) as session:
        found = signed_in(session, secret, studio.settings.clock())
    if found is None:
        raise StudioError("sign_in", 401)
    files = await files_of(request)
    check_csrf(request, str((await request.form()).get("csrf", "")), found[1].csrf)
    taken = await take_all(studio, found[0].id, person, [file for file in files if file.filename])
    language = language_of(request)
    refused = [
        (short_name(name), sentence(one.kind, language, **one.facts))
        for name, one in taken
        if isinstance(one, StudioError)
    ]
    with studio.database.session(reading=True) as session:
        row = mine(session, PersonRow, person, found[0].id)
        visitor = Visitor(request, studio, session, found[0], found[1].csrf, studio.settings.clock())
        part = "hx-request" in request.headers
        agreed = consent_of(session, row)
        photos = photos_of(session, row.id)
        return visitor.page(
            "_photos.html" if part else "person.html", person=row, photos=photos, refused=refused, agreed=agreed
        )


@router.get("/photos/{photo}/file")
def photo_file(photo: str, visitor: Looks) -> Response:
    """Return a photo; a browser may keep it while it is signed in."""
    row = mine(visitor.session, PhotoRow, photo, visitor.id)
    headers = {"cache-control": "private, max-age=600"}
    return Response(visitor.studio.blobs.get(row.blob), media_type="image/jpeg", headers=headers)


@router.post("/photos/{photo}/delete")
def remove_photo(photo: str, visitor: Changes) -> Response:
    """Delete one photo."""
    row = mine(visitor.session, PhotoRow, photo, visitor.id)
    drop(visitor.session, visitor.studio.blobs, visitor.studio.hosts, row, visitor.now)
    return RedirectResponse(f"/people/{row.person_id}", 303)


def _count(visitor: Visitor, table: type[PhotoRow] | type[PictureRow], person: PersonRow) -> int:
    return visitor.session.scalar(select(func.count()).select_from(table).where(table.person_id == person.id)) or 0
