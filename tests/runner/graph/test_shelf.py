"""Graphs by name: the studio's own, and never in place of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from portrait_studio.runner.graph.shelf import advice, located


@pytest.fixture
def shelf(tmp_path) -> Path:
    folder = tmp_path / "workflows"
    folder.mkdir()
    for name in ("starter.v1", "starter.v2", "starter.v10", "starter-xl.v1"):
        (folder / f"{name}.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("given", "found"), [("starter", "starter.v10"), ("starter.v2", "starter.v2"), ("starter-xl", "starter-xl.v1")]
)
def test_a_name_is_the_newest_version_or_the_one_that_is_named(shelf, given, found):
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
