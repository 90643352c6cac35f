"""Nothing that a card, a server or a file's name holds reaches the terminal as a command to it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress, TextColumn
from rich.table import Table

from portrait_studio.runner.client import events
from portrait_studio.runner.commands import console
from portrait_studio.runner.commands.display import Display
from portrait_studio.runner.commands.printable import PrintableConsole, json_text, printable

from ..command import invoke

COMMANDS = Path(__file__).parents[3] / "runner"
HARMFUL = "\x1b[2J\x1b]0;title\x07\x9b31m\r\x7f\u202egnp\u2028\ud800\x00\x08"
BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")


@pytest.fixture
def store(tmp_path) -> Path:
    """Two subjects whose cards are full of control characters, one of them broken."""
    card = {"trigger": HARMFUL, "class_word": "woman", "trained": HARMFUL, "base": {"checkpoint": HARMFUL}}
    text = json.dumps(card | {HARMFUL: [HARMFUL]}).replace("\\ud800", "")
    for name, content in (("Anna \x1b[31m\u202e", text), ("Bert \x9b2J", '{"lora": "\\u001b[2J"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text(content, "utf-8")
    return tmp_path


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "command", ["list", "show Anna \x1b[31m\u202e", "show Bert \x9b2J", "show \x1b[2J", "delete Bert \x9b2J"]
)
def test_cards_and_names_of_subjects_command_nothing(store, command, as_json):
    verb, _, name = command.partition(" ")
    told = invoke("subjects", verb, *([name] if name else []), "--store", store, *(["--json"] if as_json else []))
    assert told.stdout + told.stderr
    assert not BAD.search(told.stdout + told.stderr)
    if as_json and verb == "list":
        rows = [json.loads(line) for line in told.stdout.splitlines()]
        assert rows[0]["base"] == HARMFUL.replace("\ud800", ""), "JSON says the same in other letters"


def test_every_text_of_an_event_is_cleaned_on_its_way_to_the_terminal():
    written = io.StringIO()
    screen = PrintableConsole(file=written, force_terminal=False, width=200)
    with Display(screen) as display:
        for event in (
            events.PhotoUploaded(photo=HARMFUL, uploaded=HARMFUL),
            events.HostAway(reason=HARMFUL),
            events.Warned(message=HARMFUL),
            events.ImageSaved(file=HARMFUL, record=HARMFUL, reused=False),
        ):
            display(event)
    shown = written.getvalue()
    assert "title" in shown
    assert not BAD.search(shown)


def test_the_studios_own_colours_and_bars_still_work():
    file = io.StringIO()
    screen = PrintableConsole(file=file, force_terminal=True, color_system="standard", width=80)
    screen.print(f"[red]{HARMFUL}[/]")
    with Progress(TextColumn("{task.description}"), console=screen) as progress:
        progress.add_task(HARMFUL)
    written = file.getvalue()
    assert "\x1b[31m" in written, "red is ours"
    assert "\x1b[2J" not in written
    assert "\x1b]" not in written
    assert "\x9b" not in written


@given(st.text())
def test_any_text_is_shown_whole_and_harmless(text):
    cleaned = printable(text)
    assert len(cleaned) == len(text)
    assert not BAD.search(cleaned)
    assert printable(cleaned) == cleaned
    table = Table("column")
    table.add_row(cleaned.replace("[", ""))
    written = io.StringIO()
    PrintableConsole(file=written, force_terminal=False).print(table)
    assert not BAD.search(written.getvalue())


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text())))
def test_json_means_the_same_and_is_harmless(row):
    text = json_text(row)
    assert json.loads(text) == row
    assert not BAD.search(text)


def test_an_error_stays_one_line_whatever_is_in_it(capsys):
    with pytest.raises(console.typer.Exit), console.reporting(False):
        raise console.PortraitError("one\ntwo\r\n\x1b[2Jthree")
    assert len(capsys.readouterr().err.splitlines()) <= 1


def test_nothing_in_the_runner_writes_to_the_terminal_past_the_console():
    """Every print goes through commands/console.py, where texts are cleaned; a fixed text needs no cleaning."""
    direct = re.compile(
        r"sys\.(stdout|stderr)\.write(?!\(\"[^\"]*\"\))|typer\.(echo|confirm|prompt|secho)|(?<![\w.])print\(|rich\.print|(?<!\w)Console\("
    )
    found = [
        f"{file.relative_to(COMMANDS)}:{number}"
        for file in COMMANDS.rglob("*.py")
        if file.name not in ("console.py", "printable.py")
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if direct.search(line) and "import torch; print(" not in line
    ]
    assert found == []
