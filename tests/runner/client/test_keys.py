"""The keys of events and errors: what the code writes, what the data files list and what the docs promise are one."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import re
from pathlib import Path

import pytest

from portrait_studio.runner.client import events
from portrait_studio.runner.client.errors import EXIT_CODES
from portrait_studio.runner.commands import console

ROOT = Path(__file__).parents[3]
ERRORS = json.loads((ROOT / "runner" / "client" / "errors.json").read_text("utf-8"))
DOCS = (ROOT / "docs" / "runner.md").read_text("utf-8")


def table(heading: str) -> dict[str, tuple[str, str]]:
    """The rows of a table of docs/runner.md by their key: the second and the third column."""
    rows = DOCS.split(f"| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {key.strip("`"): (second, third) for key, second, third in cells}


@pytest.mark.parametrize("group", ["job", "command"])
def test_docs_list_every_event_with_what_it_carries_and_no_other(group):
    listed = {
        key: (", ".join(f"`{name}`" for name in row["carries"]), row["when"])
        for key, row in events.EVENTS[group].items()
    }
    assert table(f"event of a {group}") == listed


def test_docs_list_every_error_with_its_exit_code_and_no_other():
    assert table("error") == {
        key: (str(EXIT_CODES[row["exit_code"]]["code"]), row["when"]) for key, row in ERRORS.items()
    }


def test_every_event_of_a_job_has_a_class_that_carries_what_is_listed():
    unlisted = ("prompt_id", "time", "picture")  # of every event, and bytes, which are not in the stream of JSON
    carried = {
        kind.key: [field.name for field in dataclasses.fields(kind) if field.name not in unlisted]
        for kind in events.Event.__subclasses__()
    }
    assert carried == {key: row["carries"] for key, row in events.EVENTS["job"].items()}


def test_every_event_of_a_command_is_written_somewhere():
    written = set()
    for file in (ROOT / "runner" / "commands").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "write_event":
                written.add(ast.literal_eval(node.args[0]))
    assert written == set(events.EVENTS["command"])


def test_an_event_with_other_fields_than_listed_is_not_written(capsys):
    with pytest.raises(KeyError, match="other fields"):
        console.write_event("fetched", folder="vae", file="a", size=3)
    assert capsys.readouterr().out == ""


def error_classes() -> list[tuple[str, str, str]]:
    """(file, class, key) of every error of the command line's packages that names a key of its own."""
    return [
        (file.relative_to(ROOT).as_posix(), node.name, line.value.value)
        for package in ("portrait", "runner", "service", "trainer")
        for file in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
        for line in node.body
        if isinstance(line, ast.Assign)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
        and ast.unparse(line.targets[0]) == "key"
    ]


def test_every_key_of_an_error_is_listed_and_every_listed_key_is_one():
    assert {key for _, _, key in error_classes()} == set(ERRORS)


def test_the_exit_code_of_an_error_is_the_listed_one():
    checked = 0
    for file, name, key in error_classes():
        if file.startswith("trainer/copies"):
            continue  # it can only be imported inside ComfyUI
        kind = getattr(importlib.import_module("portrait_studio." + re.sub(r"/", ".", file[:-3])), name)
        assert isinstance(kind, type)
        assert kind.exit_code == EXIT_CODES[ERRORS[key]["exit_code"]]["code"], name
        checked += 1
    assert checked > 25
