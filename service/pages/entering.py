"""Signing in and out, and the link that makes an account."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from ..accounts import accept, begin, sign_in, sign_out
from ..errors import StudioError
from ..words import LANGUAGES, sentence
from ..work import Studio
from .rendering import LANGUAGE, language_of, pages_of
from .visitors import Changes, ShortText, cookie_name, from_here, set_cookie, signed_out

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
def sign_in_page(request: Request) -> Response:
    """Show where to sign in."""
    return pages_of(request).page(request, "sign_in.html", name="", problem="")


@router.post("/sign-in")
def enter(request: Request, name: ShortText = "", password: ShortText = "") -> Response:
    """Sign in; a wrong name and a wrong password are one answer."""
    from_here(request)
    studio: Studio = request.app.state.studio
    address = request.client.host if request.client else ""
    try:
        login = sign_in(studio.database, name, password, address, studio.settings.clock())
        problem = "" if login else sentence("wrong_password", language_of(request))
        status = 403
    except StudioError as error:
        login, status = None, error.status
        problem = sentence(error.kind, language_of(request), **error.facts)
    if login is None:
        return pages_of(request).page(request, "sign_in.html", status, name=name[:60], problem=problem)
    response = RedirectResponse("/people", 303)
    set_cookie(response, studio, login.secret)
    return response


@router.post("/sign-out")
def leave(visitor: Changes) -> Response:
    """End this browser's sign-in."""
    secret = visitor.request.cookies.get(cookie_name(visitor.studio), "")
    sign_out(visitor.session, secret, visitor.now)
    return signed_out(visitor)


@router.get("/welcome/{secret}")
def welcome_page(secret: str, request: Request) -> Response:
    """Show the form that makes an account; looking at it uses nothing up."""
    return pages_of(request).page(request, "welcome.html", secret=secret, name="", problem="")


@router.post("/welcome/{secret}")
def welcome(secret: str, request: Request, name: ShortText = "", password: ShortText = "") -> Response:
    """Make the account of a link, and sign it in."""
    from_here(request)
    studio: Studio = request.app.state.studio
    now = studio.settings.clock()
    try:
        with studio.database.session() as session:
            account = accept(session, secret, name, password, language_of(request), now)
            login = begin(session, account, now)
    except StudioError as error:
        problem = sentence(error.kind, language_of(request), **error.facts)
        return pages_of(request).page(
            request, "welcome.html", error.status, secret=secret, name=name[:60], problem=problem
        )
    response = RedirectResponse("/people", 303)
    set_cookie(response, studio, login.secret)
    return response


@router.post("/language")
def set_language(request: Request, language: ShortText = "en") -> Response:
    """Remember the language for a year."""
    from_here(request)
    response = RedirectResponse(_back(request), 303)
    chosen = language if language in LANGUAGES else "en"
    secure = request.app.state.studio.settings.secure
    response.set_cookie(LANGUAGE, chosen, max_age=31_536_000, httponly=True, samesite="lax", secure=secure)
    return response


def _back(request: Request) -> str:
    """Return the page that a form was on: a path of ours, whatever a Referer says."""
    site, _, path = request.headers.get("referer", "").partition("://")[2].partition("/")
    ours = site == request.headers.get("host") and not path.startswith(("/", "\\"))
    return f"/{path}" if ours else "/"
