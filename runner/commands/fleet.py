"""`portrait-studio fleet`: a batch on many machines, through Celery and Redis; docs/fleet.md."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ...portrait.errors import PortraitError
from ..batch import BatchError, read_table
from ..jobs import build
from .console import reporting, say, write_json
from .options import Graph, Host, Json, Settings

fleet = typer.Typer(help="A batch on many machines, through Celery and Redis.", no_args_is_help=True)

Broker = Annotated[str, typer.Option(envvar="PORTRAIT_STUDIO_BROKER", help="Redis, as redis://HOST:6379/0.")]
LOCAL = "redis://127.0.0.1:6379/0"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class FleetError(PortraitError):
    """The fleet cannot be used."""

    key = "fleet"


@fleet.command("worker")
def worker_command(
    name: Annotated[str, typer.Option(help="The name of this worker, another one on each machine.")],
    folder: Annotated[Path, typer.Option("--out", help="The folder that all workers share, for the pictures.")],
    host: Host = "http://127.0.0.1:8188",
    broker: Broker = LOCAL,
    visibility: Annotated[
        float,
        typer.Option(help="Seconds after which Redis gives a row to another worker; 0: the shipped value.", min=0),
    ] = 0.0,
) -> None:
    """Make rows on one host, until stopped; run one beside each ComfyUI."""
    with reporting(as_json=False):
        _ready(name)
        from ..fleet import WorkerPost, work

        work(broker, WorkerPost(name, host, folder.resolve()), visibility)


@fleet.command("run")
def run_fleet(
    graph: Graph,
    table: Annotated[Path, typer.Argument(help="CSV or JSON Lines: a row is a job, as of `batch run`.")],
    name: Annotated[str, typer.Option("--batch", help="The name of the batch; the same name goes on with it.")],
    settings: Settings = None,
    first: Annotated[
        Path | None, typer.Option("--first", help="A graph that is run before, anywhere; all rows follow it.")
    ] = None,
    first_settings: Annotated[
        list[str] | None, typer.Option("--first-set", metavar="NAME=VALUE", help="A parameter of that graph.")
    ] = None,
    photos: Annotated[
        list[Path] | None, typer.Option("--photo", help="A photo for the first graph, or else for every row.")
    ] = None,
    broker: Broker = LOCAL,
    as_json: Json = False,
) -> None:
    """Send a table to the fleet and wait for it; what is over is not made again."""
    with reporting(as_json):
        _ready(name)
        from ..fleet import FIRST, Driver, FleetRow, application, connect

        common = build.parse_settings(settings or [])
        pictures = tuple(str(one.resolve()) for one in photos or [])
        raw = list(read_table(table, lambda names: None))
        if wrong := [f"{one.where}: {one.complaint}" for one in raw if one.complaint]:
            raise FleetError("; ".join(wrong[:5]))
        rows = [
            FleetRow(number, graph.name, {**common, **one.cells}, () if first else pictures)
            for number, one in enumerate(raw, 1)
        ]
        driver = Driver(application(broker), connect(broker), name)
        driver.put_graph(graph.name, graph)
        before = None
        if first is not None:
            driver.put_graph(first.name, first)
            before = FleetRow(FIRST, first.name, dict(build.parse_settings(first_settings or [])), pictures)
        over = driver.run(rows, before)
        failed = 0
        for number, what in sorted(over.items()):
            failed += "error" in what
            if as_json:
                write_json({"row": number, **what})
            elif "error" in what:
                say(f"row {number}: {escape(what['message'])}")
        if failed:
            raise BatchError(f"{failed} of {len(rows)} rows were set aside; their reasons stand above")
        say(f"[green]✓[/] {len(over)} rows")


def _ready(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise FleetError(f"{name!r} cannot be the name of a worker or a batch: use letters, digits, - and _")
    if not all(importlib.util.find_spec(one) for one in ("celery", "redis")):
        raise FleetError("The fleet needs Celery and Redis: pip install 'portrait-studio[fleet]'")
