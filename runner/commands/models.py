"""`portrait-studio models get`: what a graph needs, into a host's own folders, after showing size and licence."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Column, Table

from .. import graph as graphs
from ..assets import (
    DIFFERENT,
    PRESENT,
    Allowed,
    Download,
    DownloadError,
    ModelFolders,
    ModelState,
    fetch,
    licence_words,
    required_models,
    size_words,
    state_of,
    target_of,
)
from ..client import exit_code
from .console import agreed, err, reporting, say, write_event
from .options import ComfyUI, Configs, Graphs, Json, Yes, folders_of

models = typer.Typer(help="The model files that graphs need.", no_args_is_help=True)


@models.command("get")
def get(
    files: Graphs,
    comfyui: ComfyUI = None,
    configs: Configs = None,
    yes: Yes = False,
    accept: Annotated[
        bool, typer.Option("--accept-non-commercial", help="Also fetch models that must not be used commercially.")
    ] = False,
    optional: Annotated[bool, typer.Option("--optional", help="Also those that the graphs work without.")] = False,
    private: Annotated[
        bool, typer.Option("--allow-private", help="Also from addresses of this machine and of its own network.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fetch the models that graphs need and a host lacks: size and licence are shown before, the sha256 is checked."""
    with reporting(as_json):
        folders = folders_of(comfyui, configs)
        wanted = [one for one in required_models(graphs.read(file) for file in files) if optional or not one.optional]
        states = [state_of(one, folders) for one in wanted]
        lacking = [one for one in states if one.state != PRESENT]
        if as_json:
            for one in states:
                write_event("model", **_row(one))
        elif lacking:
            err.print(_table(lacking))
        else:
            say(f"[green]✓[/] {len(states)} models: none is missing.")
        takes = [one for one in lacking if one.fetchable and (accept or not one.model.non_commercial)]
        failed = [_why_not(one) for one in lacking if one not in takes]
        if takes and not (yes or as_json) and not _agreed(takes):
            raise DownloadError("Nothing was fetched, since nobody said yes: answer y, or give --yes")
        failed += [sentence for one in takes if (sentence := _take(one, folders, as_json, private))]
        for sentence in failed:
            if as_json:
                write_event("not_fetched", message=sentence)
            say(f"[red]✗[/] {escape(sentence)}")
        if failed:
            raise typer.Exit(exit_code("download"))


def _row(one: ModelState) -> dict[str, object]:
    model = one.model
    keys = ("folder", "file", "role", "size", "license", "non_commercial", "source", "optional")
    return {**{key: getattr(model, key) for key in keys}, "state": one.state, "fetchable": one.fetchable}


def _table(lacking: list[ModelState]) -> Table:
    table = Table(Column("file", overflow="fold"), "folder", "size", "licence", "from")
    for one in lacking:
        licence = escape(licence_words(one.model))
        table.add_row(
            escape(one.model.file),
            escape(one.model.folder),
            size_words(one.model.size),
            f"[yellow]{licence}[/]" if one.model.non_commercial else licence,
            escape(_host_of(one.model.url)) if one.fetchable else "[dim]see below[/]",
        )
    return table


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return "a broken address"


def _why_not(one: ModelState) -> str:
    name = f"{one.model.folder}/{one.model.file}"
    if one.state == DIFFERENT:
        return (
            f"{name} has other content than the file that the graph was made with: move it away, and it will be fetched"
        )
    if one.fetchable:
        return f"{name} must not be used commercially ({one.model.license}): give --accept-non-commercial to fetch it"
    if one.model.url:
        return f"{name} cannot be checked, since the graph gives no sha256: get it by hand from {one.model.url}"
    return f"{name} is not fetched from here: {one.model.source or 'the graph does not say where it is from'}"


def _agreed(takes: list[ModelState]) -> bool:
    known = sum(one.model.size for one in takes)
    code = ", some of them pickles, which can carry code" if any(one.pickled for one in takes) else ""
    words = f"Fetch {len(takes)} file{'s' * (len(takes) != 1)} ({size_words(known)}{code})?"
    return agreed(words)


def _take(one: ModelState, folders: ModelFolders, as_json: bool, private: bool) -> str:
    """Fetch one model with its progress shown; return why not, or an empty string."""
    model = one.model
    try:
        wanted = Download(model.url, target_of(model, folders), model.sha256, model.size)
        _fetch(wanted, as_json, private)
    except DownloadError as error:
        return str(error)
    if as_json:
        write_event("fetched", folder=model.folder, file=model.file)
    else:
        say(f"[green]✓[/] {escape(model.folder)}/{escape(model.file)}")
    return ""


def _fetch(wanted: Download, as_json: bool, private: bool) -> None:
    """Fetch one file with its progress shown; on Ctrl-C say whether the next call goes on with what is there."""
    size = wanted.size or None
    try:
        with Progress(
            TextColumn(escape(wanted.target.name)),
            *(BarColumn(bar_width=28), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()),
            console=err,
            transient=True,
            disable=as_json or not err.is_terminal,
        ) as shown:
            task = shown.add_task(wanted.target.name, total=size)
            fetch(
                wanted,
                lambda done, total: shown.update(task, completed=done, total=total or size),
                allowed=Allowed(private=private),
            )
    except KeyboardInterrupt:
        if wanted.part.exists():
            say(f"What there is of {escape(wanted.target.name)} is kept, and the next call goes on with it.")
        raise
