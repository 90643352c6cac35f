"""What the real frontend answered, frozen by tests/canvas/freeze.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...packing import document

FROZEN = document(Path(__file__).parents[2] / "data" / "graphs" / "frontend.json.gz")


@pytest.fixture(scope="session")
def info() -> dict:
    """The /object_info entries of every class that the test graphs use."""
    return FROZEN["object_info"]


@pytest.fixture(scope="session")
def answers() -> dict:
    """The frontend's prompt of every feature graph."""
    return FROZEN["outputs"]
