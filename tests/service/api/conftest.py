"""The API of a studio, and a program of Anna's."""

from __future__ import annotations

import pytest

from portrait_studio.service.api import make_app

from .asking import program


@pytest.fixture
def app(studio):
    return make_app(studio)


@pytest.fixture
def client(app, studio, anna):
    """A program of Anna's with every right."""
    return program(app, studio, anna)
