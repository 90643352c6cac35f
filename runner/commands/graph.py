"""`portrait-studio graph`: look into a graph, convert it, and bring an older one up to date."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from ..client import Client, OutputError
from ..graph import Migration, in_lines, migrate, read
from ..jobs import build, output
from .console import out, reporting, say, write_json, write_text
from .options import DEFAULT_HOST, Graph, Host, Json
from .printable import harmless_json

graphs = typer.Typer(help="Look into a graph and convert it.", no_args_is_help=True)


@graphs.command("to-api")
def to_api(
    graph: Graph,
    target: Annotated[Path | None, typer.Option("--out", help="The file to write; stdout when left out.")] = None,
    host: Host = DEFAULT_HOST,
) -> None:
    """Convert a UI graph to API format, as the host's own nodes declare themselves."""
    with reporting(False), Client(host) as client:
        text = harmless_json(in_lines(build.to_api(client, graph)))
        if target is None:
            write_text(text)
        else:
            output.replace(output.prepare(target.parent) / target.name, text.encode())


@graphs.command()
def parameters(graph: Graph, as_json: Json = False) -> None:
    """List what can be set on a graph."""
    with reporting(as_json):
        found = build.parameter_rows(graph)
        if as_json:
            for row in found:
                write_json(row)
            return
        table = Table(Column("parameter", no_wrap=True), "type", "default", "range", "what it does")
        for row in found:
            table.add_row(*(escape(str(row[key])) for key in ("name", "type", "default", "range", "help")))
        out.print(table)


@graphs.command("migrate")
def migrate_command(
    graph: Graph,
    target: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write; beside the graph when left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Move an older graph of ours to its newest version; your values stay, and so does the old file."""
    with reporting(as_json):
        made = migrate(read(graph))
        file = None if made.old == made.new else _place(graph, target, made)
        if file is not None:
            output.replace(file, in_lines(made.data).encode())
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
