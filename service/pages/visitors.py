"""Who visits: a browser with a cookie. Whatever changes something must come from a page of ours."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from fastapi import Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel, ValidationError

from ..accounts import OPERATOR
from ..client import Content, Operations
from ..errors import StudioError
from ..shapes import LoginShape
from .doors import Door
from .rendering import language_of, pages_of

Shaped = TypeVar("Shaped", bound=BaseModel)
COOKIE = "login"
ShortText = Annotated[str, Form(max_length=400)]
"""A field of a form."""


@dataclass(frozen=True)
class Visitor:
    """A request of a signed-in browser, and what its account may ask of the studio."""

    request: Request
    studio: Operations
    known: LoginShape | None = None

    @cached_property
    def login(self) -> LoginShape:
        """Return whose browser it is; asked for when it is wanted, which no picture does."""
        return self.known or login_of(self.request)

    @property
    def language(self) -> str:
        """Return the reader's language."""
        return language_of(self.request)

    def page(self, template: str, status: int = 200, **facts: Any) -> HTMLResponse:
        """Return a page for whoever is signed in."""
        signed = {"signed": self.login.account, "csrf": self.login.csrf}
        return pages_of(self.request).page(self.request, template, status, **signed, **facts)


def door_of(request: Request) -> Door:
    """Return the way from the pages to their studio."""
    return request.app.state.door


def login_of(request: Request) -> LoginShape:
    """Return whose browser a request comes from. Raises StudioError 401."""
    with door_of(request).outside(secret_of(request), language_of(request)) as studio:
        return studio.show_login()


def cookie_name(request: Request) -> str:
    """Return the name of the cookie: over https one that no other host can set."""
    return f"__Host-{COOKIE}" if request.app.state.secure else COOKIE


def secret_of(request: Request) -> str:
    """Return what the browser's cookie holds."""
    return request.cookies.get(cookie_name(request), "")


def signed_in_at(request: Request, secret: str) -> Response:
    """Lead to the people, and have the browser keep the secret, for this site alone and out of reach of scripts."""
    response = RedirectResponse("/people", 303)
    secure = request.app.state.secure
    response.set_cookie(cookie_name(request), secret, httponly=True, secure=secure, samesite="strict", path="/")
    return response


def signed_out(visitor: Visitor) -> Response:
    """Lead to where one signs in, and have the browser drop its cookie."""
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(cookie_name(visitor.request), path="/")
    return response


def from_here(request: Request) -> None:
    """Refuse what another site has a browser send. Raises StudioError 403."""
    origin, fetched = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
    strange = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if strange or fetched not in ("same-origin", "none"):
        raise StudioError("forged", 403)


def _visitor(reading: bool, checked: bool) -> Callable[..., Iterator[Visitor]]:
    def visitor(request: Request, csrf: Annotated[str, Form()] = "") -> Iterator[Visitor]:
        login = login_of(request)
        check_csrf(request, csrf, login.csrf)
        yield from _visit(request, reading, login)

    def looker(request: Request) -> Iterator[Visitor]:
        yield from _visit(request, reading)

    return visitor if checked else looker


def _visit(request: Request, reading: bool, login: LoginShape | None = None) -> Iterator[Visitor]:
    with door_of(request).inside(secret_of(request), language_of(request), reading) as studio:
        yield Visitor(request, studio, login)


def sent(content: Content, headers: dict[str, str]) -> Response:
    """Return a file as it comes."""
    if isinstance(content.pieces, list):
        return Response(content.read(), headers=headers, media_type=content.media_type)
    return StreamingResponse(content.pieces, headers=headers, media_type=content.media_type)


def wish(shape: type[Shaped], **facts: Any) -> Shaped:
    """Return what a form asks for. Raises StudioError when it cannot be asked for."""
    try:
        return shape(**facts)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StudioError("bad_request", 422, why=f"{where}: {first['msg']}"[:200]) from error


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
    if visitor.login.account.role != OPERATOR:
        raise StudioError("not_found", 404)
