"""`portrait-studio graph migrate`: an older graph of ours, written anew as its newest version."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from . import graph as graphs
from . import output
from .console import Graph, Json, reporting, say, write_json
from .errors import OutputError
from .graph.migration import Migration, migrate


def migrate_command(
    graph: Graph,
    target: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write; beside the graph when left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Move an older graph of ours to its newest version; your values stay, and so does the old file."""
    with reporting(as_json):
        made = migrate(graphs.read(graph))
        file = None if made.old == made.new else _place(graph, target, made)
        if file is not None:
            output.replace(file, json.dumps(made.data, ensure_ascii=False, indent=1).encode() + b"\n")
        if as_json:
            row = {"graph": made.name, "from": made.old, "to": made.new, "notes": made.notes}
            write_json({**row, "file": file.name if file else None})
        elif file is None:
            say(f"{escape(graph.name)} is {made.name} {made.new}, the newest version: nothing to do.")
        else:
            say(f"[green]✓[/] {escape(graph.name)} ({made.name} {made.old}) is now {escape(file.name)} ({made.new}).")
            for note in made.notes:
                say(f"  {escape(note)}")


def _place(graph: Path, target: Path | None, made: Migration) -> Path:
    """Return the file to write. Raises OutputError where a file would be written over."""
    name = f"{re.sub(r'[.]v[0-9]+$', '', graph.stem)}.v{made.new.partition('.')[0]}.json"
    file = target or graph.with_name(name if name != graph.name else f"{graph.stem}.{made.new}.json")
    if file.exists():
        raise OutputError(f"{file.name!r} is there already, and nothing is written over it: give another name with -o")
    return output.prepare(file.parent) / file.name
