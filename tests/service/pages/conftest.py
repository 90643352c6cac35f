"""The studio with its pages, in one server and in two, and Anna before them."""

from __future__ import annotations

import pytest

from portrait_studio.service.accounts import make_front as new_front
from portrait_studio.service.api import make_app
from portrait_studio.service.pages import add_pages, make_front

from ..conftest import serving
from .visiting import signed


@pytest.fixture
def api(studio):
    return make_app(studio)


@pytest.fixture(params=["one server", "two servers"])
def app(studio, api, request):
    """The pages: with the API in one process, or over HTTP before an API elsewhere."""
    if request.param == "one server":
        add_pages(api)
        yield api
        return
    with studio.database.session() as session:
        token = new_front(session, "the pages", studio.settings.clock())
    with serving(api) as url:
        yield make_front(url, token, secure=False)


@pytest.fixture
def visitor(app, anna):
    return signed(app, "anna")
