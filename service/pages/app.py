"""Pages and their static files, added to an application."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from ..api import make_bare_app
from . import entering, making, own, people
from .doors import Door, HereDoor, ThereDoor
from .rendering import HERE, Pages

ROUTERS = (entering.router, people.router, making.router, own.router)


def add_pages(app: FastAPI) -> None:
    """Add the pages to an application of api.make_app, over the studio of this process."""
    _add(app, HereDoor(app.state.studio, app.state.pace))


def make_front(url: str, token: str, secure: bool) -> FastAPI:
    """Return an application of the pages alone, over the API at `url`; `secure` when browsers come over https."""
    app = make_bare_app(secure)
    _add(app, ThereDoor(url, token))
    return app


def _add(app: FastAPI, door: Door) -> None:
    app.state.pages, app.state.door = Pages(), door
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
