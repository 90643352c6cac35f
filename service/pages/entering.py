"""Signing in and out, and the link that makes an account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from ..client import Operations
from ..errors import StudioError
from ..shapes import LoginMade, NewAccount, SignIn
from ..words import LANGUAGES
from .rendering import LANGUAGE, language_of, pages_of
from .visitors import Changes, ShortText, door_of, from_here, signed_in_at, signed_out, wish

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
def sign_in_page(request: Request) -> Response:
    """Show where to sign in."""
    return pages_of(request).page(request, "sign_in.html", name="", problem="")


@router.post("/sign-in")
def enter(request: Request, name: ShortText = "", password: ShortText = "") -> Response:
    """Sign in; a wrong name and a wrong password are one answer."""
    address = request.client.host if request.client else ""
    asked = wish(SignIn, name=name, password=password, address=address)
    return _entered(request, lambda studio: studio.add_login(asked), "sign_in.html", name=name[:60])


@router.post("/sign-out")
def leave(visitor: Changes) -> Response:
    """End this browser's sign-in."""
    visitor.studio.remove_login()
    return signed_out(visitor)


@router.get("/welcome/{secret}")
def welcome_page(secret: str, request: Request) -> Response:
    """Show the form that makes an account; looking at it uses nothing up."""
    return pages_of(request).page(request, "welcome.html", secret=secret, name="", problem="")


@router.post("/welcome/{secret}")
def welcome(secret: str, request: Request, name: ShortText = "", password: ShortText = "") -> Response:
    """Make the account of a link, and sign it in."""
    asked = wish(NewAccount, invitation=secret, name=name, password=password, language=language_of(request))
    return _entered(request, lambda studio: studio.add_account(asked), "welcome.html", secret=secret, name=name[:60])


@router.post("/language")
def set_language(request: Request, language: ShortText = "en") -> Response:
    """Remember the language for a year."""
    from_here(request)
    response = RedirectResponse(_back(request), 303)
    chosen = language if language in LANGUAGES else "en"
    secure = request.app.state.secure
    response.set_cookie(LANGUAGE, chosen, max_age=31_536_000, httponly=True, samesite="lax", secure=secure)
    return response


def _entered(request: Request, ask: Callable[[Operations], LoginMade], template: str, **facts: Any) -> Response:
    """Have somebody signed in, or show the form again with what was wrong."""
    from_here(request)
    language = language_of(request)
    try:
        with door_of(request).outside("", language) as studio:
            made = ask(studio)
    except StudioError as error:
        return pages_of(request).page(request, template, error.status, problem=error.said(language), **facts)
    return signed_in_at(request, made.secret)


def _back(request: Request) -> str:
    """Return the page that a form was on: a path of ours, whatever a Referer says."""
    site, _, path = request.headers.get("referer", "").partition("://")[2].partition("/")
    ours = site == request.headers.get("host") and not path.startswith(("/", "\\"))
    return f"/{path}" if ours else "/"
