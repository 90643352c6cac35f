"""Graphs by name: the studio's own, and never in place of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portrait_studio.runner.graph.shelf import advice, located

GRAPHS = [
    ("A portrait", "starter", "1.3.0"),
    ("Two of it", "starter", "2.0.0"),
    ("starter.v10", "starter", "10.1.0"),
    ("A large one", "starter-xl", "1.0.0"),
]


@pytest.fixture
def shelf(tmp_path) -> Path:
    folder = tmp_path / "workflows"
    folder.mkdir()
    for title, name, version in GRAPHS:
        studio = {"name": name, "version": version}
        (folder / f"{title}.json").write_text(json.dumps({"extra": {"portrait_studio": studio}}))
    (folder / "Two of it.app.json").write_text((folder / "Two of it.json").read_text())
    (folder / "of somebody else.json").write_text("[]")
    return folder


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("starter", "starter.v10"),
        ("starter.v2", "Two of it"),
        ("starter-xl", "A large one"),
        ("workflows/starter.v1.json", "A portrait"),
        ("/an/older/place/workflows/starter.json", "starter.v10"),
    ],
)
def test_a_name_or_the_file_of_former_days_is_the_newest_version_or_the_one_that_is_named(shelf, given, found):
    assert located(Path(given), shelf) == shelf / f"{found}.json"


@pytest.mark.parametrize("given", ["start", "starter.v3", "*", "starter*", "../starter", "starter.json", "STARTER", ""])
def test_anything_else_is_taken_as_a_path(shelf, given):
    assert located(Path(given), shelf) == Path(given)


def test_a_file_of_the_name_comes_first(shelf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("starter").write_text("{}")
    assert located(Path("starter"), shelf) == Path("starter")


def test_a_name_that_is_none_is_answered_with_the_names(shelf):
    assert "starter, starter-xl" in advice(Path("startr"), shelf)
    assert advice(Path("gone.json"), shelf) == "check its name and place"
