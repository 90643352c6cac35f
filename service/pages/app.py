"""Pages and their static files, added to an application."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from . import entering, making, own, people, samples
from .rendering import HERE, Pages

ROUTERS = (entering.router, people.router, making.router, own.router, samples.router)


def add_pages(app: FastAPI) -> None:
    """Add the pages to an application of api.make_app."""
    app.state.pages = Pages()
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
