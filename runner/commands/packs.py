"""`portrait-studio packs install`: the node packs that a graph stands on, at their pins, when somebody asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from .. import graph as graphs
from ..assets import (
    InstalledPack,
    PackError,
    Pin,
    RequiredPack,
    install_pack,
    installed_packs,
    names_of,
    pin_of,
    required_packs,
    same_version,
)
from ..client import exit_code
from .console import agreed, err, reporting, say, write_event
from .options import ComfyUI, Configs, Graphs, Json, Yes, folders_of

packs = typer.Typer(help="The node packs that graphs stand on.", no_args_is_help=True)


@packs.callback()
def _packs() -> None:
    """Keep `install` a command of its own."""


@packs.command("install")
def install_command(
    files: Graphs,
    comfyui: ComfyUI = None,
    configs: Configs = None,
    yes: Yes = False,
    manager: Annotated[
        bool, typer.Option("--manager", help="Only print what to look for in ComfyUI-Manager; nothing is installed.")
    ] = False,
    optional: Annotated[bool, typer.Option("--optional", help="Also those that the graphs work without.")] = False,
    as_json: Json = False,
) -> None:
    """Put the packs that graphs need and a host lacks under its custom_nodes, through git, at the versions tried.

    No code of a pack is run: the Python packages that it needs are listed, for you to install.
    """
    with reporting(as_json):
        folders = folders_of(comfyui, configs)
        here = installed_packs(folders.of("custom_nodes"))
        wanted = [one for one in required_packs(graphs.read(file) for file in files) if optional or not one.optional]
        lacking = [one for one in wanted if not _there(one, here, as_json)]
        pinned = [pin for one in lacking if (pin := pin_of(one.name))]
        failed = [_unpinned(one) for one in lacking if not pin_of(one.name)]
        if not lacking and not as_json:
            say(f"[green]✓[/] {len(wanted)} packs: none is missing.")
        elif pinned and not as_json:
            err.print(_table(pinned))
        if manager:
            for pin in pinned:
                say(f"In ComfyUI-Manager, look for {escape(pin.title)} ({pin.name}) and choose version {pin.version}.")
        else:
            if pinned and not (yes or as_json) and not _agreed(pinned):
                raise PackError("Nothing was installed, since nobody said yes: answer y, or give --yes")
            for pin in pinned:
                failed += _install(pin, folders.of("custom_nodes")[0], as_json)
        for sentence in failed:
            say(f"[red]✗[/] {escape(sentence)}")
        if failed:
            raise typer.Exit(exit_code("download"))


def _there(wanted: RequiredPack, here: list[InstalledPack], as_json: bool) -> bool:
    """Say whether a pack is there, and in words when it is there and not as the graph wants it."""
    found = next((one for one in here if one.is_called(names_of(wanted.name))), None)
    if as_json:
        version, disabled = (found.version, found.disabled) if found else (None, False)
        write_event("pack", name=wanted.name, wanted=wanted.version, found=version, disabled=disabled)
    elif found and found.disabled:
        say(f"[yellow]![/] {escape(wanted.name)} is there and switched off: switch it on in ComfyUI-Manager.")
    elif found and wanted.version and not same_version(found.version, wanted.version):
        say(
            f"[yellow]![/] {escape(wanted.name)} is there as {escape(found.version or 'an unknown version')}, and the "
            f"graph was tried with {escape(wanted.version)}: it is left as it is."
        )
    return found is not None


def _unpinned(wanted: RequiredPack) -> str:
    where = f" from {wanted.repository}, if you trust it" if wanted.repository else ""
    return f"{wanted.name} is not among the packs that this version pins: install it yourself{where}"


def _table(pinned: list[Pin]) -> Table:
    table = Table(Column("pack", overflow="fold"), "version", "licence", "commit", Column("from", overflow="fold"))
    for pin in pinned:
        table.add_row(pin.name, pin.version, pin.license, pin.commit[:10], pin.repository.removeprefix("https://"))
    return table


def _agreed(pinned: list[Pin]) -> bool:
    words = f"Install {len(pinned)} pack{'s' * (len(pinned) != 1)} into custom_nodes? They run as part of ComfyUI"
    return agreed(words)


def _install(pin: Pin, custom_nodes: Path, as_json: bool) -> list[str]:
    try:
        folder = install_pack(pin, custom_nodes, lambda line: None if as_json else say(f"  [dim]{escape(line)}[/]"))
    except PackError as error:
        return [str(error)]
    needs = [name for name in ("requirements.txt", "install.py") if (folder / name).is_file()]
    if as_json:
        write_event("installed", name=pin.name, version=pin.version, commit=pin.commit, runs=needs)
        return []
    say(f"[green]✓[/] {pin.name} {pin.version}")
    place = f"custom_nodes/{folder.name}"
    if "requirements.txt" in needs:
        say(f"  with ComfyUI's own Python: pip install -r {escape(place)}/requirements.txt")
    if "install.py" in needs and not pin.contains:  # it would bring today's version of what the pin holds back
        say(f"  and: python {escape(place)}/install.py")
    say("  then start ComfyUI again")
    return []
