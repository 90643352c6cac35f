"""The studio with its pages, and Anna before them."""

from __future__ import annotations

import pytest

from portrait_studio.service.api import make_app
from portrait_studio.service.pages import add_pages

from .visiting import signed


@pytest.fixture
def app(studio):
    made = make_app(studio)
    add_pages(made)
    return made


@pytest.fixture
def visitor(app, anna):
    return signed(app, "anna")
