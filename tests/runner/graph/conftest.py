"""What the real frontend answered, frozen by tests/canvas/freeze.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FROZEN = json.loads((Path(__file__).parents[2] / "data" / "graphs" / "frontend.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def info() -> dict:
    """The /object_info entries of every class that the test graphs use."""
    return FROZEN["object_info"]


@pytest.fixture(scope="session")
def answers() -> dict:
    """The frontend's prompt of every feature graph."""
    return FROZEN["outputs"]
