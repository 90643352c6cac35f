"""The command line: `portrait-studio`. What a person reads goes to stderr, what a program reads to stdout."""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from . import events, output, source
from .client import Client, HostInfo
from .console import DEFAULT_HOST, Graph, Host, Json, Settings, err, out, print_event, reporting
from .display import Display
from .doctor_command import doctor_command
from .errors import AddressError, exit_code
from .job import job_id, run, upload_photos
from .migrate_command import migrate_command
from .models_command import models
from .packs_command import packs
from .subjects_command import subjects
from .trainer_command import trainer

app = typer.Typer(
    help="Portraits from graphs, without a browser.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
graphs = typer.Typer(help="Look into a graph and convert it.", no_args_is_help=True)
app.add_typer(graphs, name="graph")
graphs.command("migrate")(migrate_command)
app.command("doctor")(doctor_command)
app.add_typer(models, name="models")
app.add_typer(subjects, name="subjects")
app.add_typer(packs, name="packs")
app.add_typer(trainer, name="trainer")


def main() -> None:
    """Run the command line and exit with a code of runner/exit_codes.json."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(exit_code("terminated")))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe of a C locale or of Windows cannot spell every name; an escape is still valid JSON.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    app(prog_name="portrait-studio")


@app.command("run")
def run_command(
    graph: Graph,
    settings: Settings = None,
    photos: Annotated[list[Path] | None, typer.Option("--photo", help="A photo; give it repeatedly.")] = None,
    folder: Annotated[Path, typer.Option("--out", help="Where images and records go.")] = Path("studio-output"),
    host: Host = DEFAULT_HOST,
    as_json: Json = False,
    timeout: Annotated[float, typer.Option(help="Seconds the job may take in all; 0: no limit.", min=0)] = 0.0,
    patience: Annotated[float, typer.Option(help="Seconds the host may be away in mid-job.", min=0)] = 60.0,
    stall: Annotated[float, typer.Option(help="Seconds a node may be silent; 0: no limit.", min=0)] = 1800.0,
    name: Annotated[
        str, typer.Option("--id", help="A name for this piece of work: the same name finds the job again on the host.")
    ] = "",
    previews: Annotated[bool, typer.Option("--previews", help="Also fetch the images that nodes only show.")] = False,
) -> None:
    """Run a graph on a host and fetch its images, each with a record beside it."""
    with reporting(as_json), Client(host, patience=patience, stall=stall) as client:
        values = source.parse_settings(settings or [])
        output.prepare(folder)
        about = client.about()
        with _progress(as_json) as listener:
            job = source.job(
                client,
                graph,
                values,
                (lambda: upload_photos(client, photos, listener)) if photos else None,
                prompt_id=job_id(name) if name else "",
            )
            run(job, client, folder, listener=listener, timeout=timeout, previews=previews, host=about)


@app.command()
def check(graph: Graph, settings: Settings = None, host: Host = DEFAULT_HOST, as_json: Json = False) -> None:
    """Tell what would keep a graph from running on a host, without queueing anything."""
    with reporting(as_json), Client(host) as client:
        client.about()
        findings = source.check(client, graph, source.parse_settings(settings or []))
        for finding in findings:
            if as_json:
                sys.stdout.write(json.dumps(asdict(finding), ensure_ascii=False) + "\n")
            else:
                mark = "[red]✗[/]" if finding.level == "error" else "[yellow]![/]"
                err.print(f"{mark} {escape(finding.message)}", highlight=False, soft_wrap=True)
        if any(finding.level == "error" for finding in findings):
            raise typer.Exit(exit_code("graph"))
        if not as_json:
            err.print("[green]✓[/] The graph can run on this host.")


@graphs.command("to-api")
def to_api(
    graph: Graph,
    target: Annotated[Path | None, typer.Option("--out", help="The file to write; stdout when left out.")] = None,
    host: Host = DEFAULT_HOST,
) -> None:
    """Convert a UI graph to API format, as the host's own nodes declare themselves."""
    with reporting(False), Client(host) as client:
        text = json.dumps(source.to_api(client, graph), ensure_ascii=False, indent=2) + "\n"
        if target is None:
            sys.stdout.write(text)
        else:
            output.replace(output.prepare(target.parent) / target.name, text.encode())


@graphs.command()
def parameters(graph: Graph, as_json: Json = False) -> None:
    """List what can be set on a graph."""
    with reporting(as_json):
        found = source.parameter_rows(graph)
        if as_json:
            for row in found:
                sys.stdout.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
            return
        table = Table(Column("parameter", no_wrap=True), "type", "default", "range", "what it does")
        for row in found:
            table.add_row(*(escape(str(row[key])) for key in ("name", "type", "default", "range", "help")))
        out.print(table)


@app.command()
def hosts(
    urls: Annotated[list[str] | None, typer.Argument(help="Addresses; the usual local one when left out.")] = None,
    as_json: Json = False,
) -> None:
    """Tell what is at an address: a ComfyUI and what it has, something else, or nothing."""
    with reporting(as_json):
        table = Table(Column("address", no_wrap=True), "ComfyUI", "device", "free memory", "queue", "pack")
        failures: list[AddressError] = []
        for url in urls or [DEFAULT_HOST]:
            try:
                with Client(url, timeout=10.0) as client:
                    info = client.about()
                table.add_row(*_host_row(info))
                found = asdict(info)
            except AddressError as error:
                failures.append(error)
                found = {"url": url, "error": type(error).__name__, "message": str(error)}
            if as_json:
                sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
        if not as_json:
            if table.row_count:
                out.print(table)
            for failure in failures:
                err.print(f"[red]{escape(str(failure))}[/]", highlight=False, soft_wrap=True)
        if failures:
            raise typer.Exit(failures[0].exit_code)


def _host_row(info: HostInfo) -> list[str]:
    memory = f"{info.vram_free / 2**30:.1f}/{info.vram_total / 2**30:.1f} GiB"
    queue = f"{info.running + info.pending} jobs" if info.running + info.pending else "idle"
    return [escape(info.url), info.version, escape(info.device), memory, queue, "yes" if info.pack else "no"]


@contextmanager
def _progress(as_json: bool) -> Iterator[Callable[[events.Event], None]]:
    if as_json:
        yield print_event
    else:
        with Display(err) as display:
            yield display


if __name__ == "__main__":
    main()
