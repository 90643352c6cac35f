"""The terminal that the commands share, and how an error is shown there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from rich.markup import escape

from ...portrait.errors import PortraitError
from ..client import events
from .printable import PrintableConsole, json_text, printable

out, err = PrintableConsole(), PrintableConsole(stderr=True)


def say(text: str) -> None:
    """Write a line for a person, on stderr; the text may carry rich's markup."""
    err.print(text, highlight=False, soft_wrap=True)


def write_json(row: Mapping[str, Any]) -> None:
    """Write one JSON object as one line of stdout."""
    write_text(json_text(row) + "\n")


def write_text(text: str) -> None:
    """Write what a program reads to stdout; see json_text for what others wrote."""
    sys.stdout.write(text)
    sys.stdout.flush()


def write_event(key: str, **fields: Any) -> None:
    """Write an event of a command as one line of stdout. Raises KeyError for a key or fields that events.json lacks."""
    if set(fields) != set(events.EVENTS["command"][key]["carries"]):
        raise KeyError(f"the event {key!r} carries other fields than events.json says: {sorted(fields)}")
    write_json({"event": key, **fields})


def print_event(event: events.Event) -> None:
    """Write an event as one line of stdout."""
    write_json(json.loads(event.to_json()))


def agreed(question: str) -> bool:
    """Ask a person on stderr; no answer means no."""
    try:
        return typer.confirm(printable(question), err=True)
    except typer.Abort:
        return False


LONGEST = 300  # letters of one word in an error


@contextmanager
def reporting(as_json: bool) -> Iterator[None]:
    """Turn an error into its one sentence and its exit code."""
    try:
        yield
    except PortraitError as error:
        if as_json:
            print_event(events.Failed(error=error.key, message=str(error), exit_code=error.exit_code))
        # In one line, whatever a name or a server put into it, and no word of it longer than a line or three.
        words = (one if len(one) <= LONGEST else f"{one[: LONGEST - 20]}...{one[-10:]}" for one in str(error).split())
        say(f"[red]{escape(' '.join(words))}[/]")
        raise typer.Exit(error.exit_code) from error
