"""The application: the API under /api/v1, with its description in OpenAPI 3.1."""

from __future__ import annotations

from fastapi import FastAPI

from ..work import Studio
from . import account, logins, sessions, subjects
from .guarding import Guard, Pace
from .problems import MEDIA_TYPE, ProblemShape, add_problems

API = "/api/v1"
ROUTERS = (subjects.router, sessions.router, account.router, logins.router)
_ANSWERS = {
    code: {"model": ProblemShape, "description": what, "content": {MEDIA_TYPE: {}}}
    for code, what in (
        (400, "The request cannot be read."),
        (401, "Nobody is signed in."),
        (403, "The token lacks a scope."),
        (404, "It is not there, or somebody else's."),
        (409, "It does not fit how things are now."),
        (410, "The link was used, or is too old."),
        (413, "The request is too large."),
        (422, "The request cannot be done as it is."),
        (429, "Too many requests."),
        (503, "Something the studio needs is away for the moment."),
        (507, "The disk is full."),
    )
}


def make_bare_app(secure: bool, description: str | None = None) -> FastAPI:
    """Return an application that answers errors as problems and guards every request, without any route."""
    app = FastAPI(
        title="Portrait Studio",
        version="1",
        docs_url=None,  # Swagger's page comes from elsewhere
        redoc_url=None,
        openapi_url=description,
        redirect_slashes=False,
    )
    app.state.secure = secure
    add_problems(app)
    app.add_middleware(Guard, secure=secure)  # type: ignore[arg-type]
    return app


def make_app(studio: Studio) -> FastAPI:
    """Return the application of a studio, the API alone; pages are added by pages.add_pages."""
    app = make_bare_app(studio.settings.secure, f"{API}/openapi.json")
    app.state.studio = studio
    app.state.pace = Pace()
    for router in ROUTERS:
        app.include_router(router, prefix=API, responses=_ANSWERS)  # type: ignore[arg-type]
    return app
