"""Who visits: a browser with a cookie. Whatever changes something must come from a page of ours."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from ..accounts import OPERATOR, seen, signed_in
from ..errors import StudioError
from ..storage import AccountRow
from ..work import Studio
from .rendering import pages_of

COOKIE = "login"
ShortText = Annotated[str, Form(max_length=400)]
"""A field of a form."""


@dataclass(frozen=True)
class Visitor:
    """A request of a signed-in browser, with an open session."""

    request: Request
    studio: Studio
    session: Session
    account: AccountRow
    csrf: str
    now: datetime

    @property
    def id(self) -> str:
        """Return the owner's id, which every row is reached through."""
        return self.account.id

    def page(self, template: str, status: int = 200, **facts: Any) -> HTMLResponse:
        """Return a page for whoever is signed in."""
        return pages_of(self.request).page(self.request, template, status, signed=self.account, csrf=self.csrf, **facts)


def cookie_name(studio: Studio) -> str:
    """Return the name of the cookie: over https one that no other host can set."""
    return f"__Host-{COOKIE}" if studio.settings.secure else COOKIE


def set_cookie(response: Response, studio: Studio, secret: str) -> None:
    """Have a browser keep the secret of its sign-in, for this site alone and out of reach of scripts."""
    response.set_cookie(
        cookie_name(studio), secret, httponly=True, secure=studio.settings.secure, samesite="strict", path="/"
    )


def signed_out(visitor: Visitor) -> Response:
    """Lead to where one signs in, and have the browser drop its cookie."""
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(cookie_name(visitor.studio), path="/")
    return response


def from_here(request: Request) -> None:
    """Refuse what another site has a browser send. Raises StudioError 403."""
    origin, fetched = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
    strange = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if strange or fetched not in ("same-origin", "none"):
        raise StudioError("forged", 403)


def _visitor(reading: bool, checked: bool) -> Callable[..., Iterator[Visitor]]:
    def visitor(request: Request, csrf: Annotated[str, Form()] = "") -> Iterator[Visitor]:
        yield from _visit(request, reading, csrf if checked else None)

    def looker(request: Request) -> Iterator[Visitor]:
        yield from _visit(request, reading, None)

    return visitor if checked else looker


def _visit(request: Request, reading: bool, csrf: str | None) -> Iterator[Visitor]:
    studio: Studio = request.app.state.studio
    now = studio.settings.clock()
    secret = request.cookies.get(cookie_name(studio), "")
    with studio.database.session(reading=True) as session:
        found = signed_in(session, secret, now)
    if found is None:
        raise StudioError("sign_in", 401)
    if not request.app.state.pace.allows(found[0].id):
        raise StudioError("too_many_requests", 429)
    seen(studio.database, found[1], now)
    if csrf is not None:
        check_csrf(request, csrf, found[1].csrf)
    with studio.database.session(reading=reading) as session:
        account = session.get_one(AccountRow, found[0].id)
        yield Visitor(request, studio, session, account, found[1].csrf, now)


def check_csrf(request: Request, given: str, wanted: str) -> None:
    """Refuse a form that is not one of ours. Raises StudioError 403."""
    from_here(request)
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        raise StudioError("forged", 403)


Looks = Annotated[Visitor, Depends(_visitor(reading=True, checked=False), scope="function")]
"""For pages that show."""
Changes = Annotated[Visitor, Depends(_visitor(reading=False, checked=True), scope="function")]
"""For forms that change something; they carry the field `csrf`."""


def only_operators(visitor: Visitor) -> None:
    """Raise StudioError 404 for anybody else: the page is not there for them."""
    if visitor.account.role != OPERATOR:
        raise StudioError("not_found", 404)
