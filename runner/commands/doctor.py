"""`portrait-studio doctor`: what would keep graphs from running on a host, as a table or as JSON."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.markup import escape
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from ..client import Client, NothingThereError, exit_code
from ..doctor import Examination, HostFacts, Severity, examine, facts_of_folder, facts_of_host
from ..graph import located
from .console import out, reporting, write_json
from .options import DEFAULT_HOST, STUDIO, ComfyUI, Configs, Json

_MARKS = {
    Severity.OK: "[green]✓[/]",
    Severity.NOTE: "[blue]i[/]",
    Severity.WARNING: "[yellow]![/]",
    Severity.ERROR: "[red]✗[/]",
}
_TITLES = {"host": "Host", "pack": "This pack", "packs": "Node packs", "models": "Models", "graphs": "Graphs"}
_TITLES |= {"traps": "Known traps", "room": "Room"}


def doctor_command(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[GRAPH]...", help="The graphs to check: names or files.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", envvar="PORTRAIT_STUDIO_HOST", help="The address of a ComfyUI that runs.")
    ] = "",
    comfyui: ComfyUI = None,
    configs: Configs = None,
    read: Annotated[
        bool, typer.Option("--hashes", help="Read large model files, too, for their sha256; once.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Look at a host and at what graphs need of it: versions, packs, models, known traps, room.

    Without --host and --comfyui, what runs at the usual address is looked at, or else the studio's own ComfyUI.
    """
    with reporting(as_json):
        report = examine(_facts(host, comfyui, configs or []), [located(file) for file in files or ()], read)
        if as_json:
            write_json(report.data())
        else:
            _show(report)
        if not report.healthy:
            raise typer.Exit(exit_code("doctor"))


def _facts(host: str, comfyui: Path | None, configs: list[Path]) -> HostFacts:
    if comfyui is not None:
        return facts_of_folder(comfyui, configs)
    own = STUDIO / "ComfyUI"
    try:
        with Client(host or DEFAULT_HOST) as client:
            return facts_of_host(client)
    except NothingThereError:
        if host or not (own / "main.py").is_file():
            raise
    return facts_of_folder(own, configs, STUDIO / "models", STUDIO / "env", STUDIO / "work")


def _show(report: Examination) -> None:
    out.print(f"[bold]{escape(report.host)}[/]" + ("" if report.running else " (does not run)"), highlight=False)
    for section, found in groupby(report.findings, key=lambda one: one.section):
        table = Table(Column(width=1), Column(ratio=3, overflow="fold"), Column(ratio=2), Column(ratio=5), box=None)
        table.show_header, table.expand = False, True
        details = []
        for one in found:
            table.add_row(_MARKS[one.level], escape(one.subject), escape(one.state), escape(one.message))
            if one.detail:
                details.append(Padding(Text(one.detail, style="dim"), (0, 0, 1, 4)))
        out.print(f"\n[bold]{_TITLES[section]}[/]")
        out.print(Group(table, *details), highlight=False)
    errors = sum(one.level == Severity.ERROR for one in report.findings)
    warnings = sum(one.level == Severity.WARNING for one in report.findings)
    words = f"{errors} thing{'s' * (errors != 1)} to fix, {warnings} to look at."
    out.print(f"\n[red]{words}[/]" if errors else f"\n[green]Nothing has to be fixed[/], {warnings} to look at.")
