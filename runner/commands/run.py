"""`portrait-studio run` and `check`: a graph on a host."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ..client import Client, exit_code
from ..jobs import build, job_id, output, run, upload_photos
from .console import err, reporting, write_json
from .display import progress
from .options import DEFAULT_HOST, Graph, Host, Json, PhotoFolders, Photos, Settings, all_photos


def run_command(
    graph: Graph,
    settings: Settings = None,
    photos: Photos = None,
    photo_folders: PhotoFolders = None,
    folder: Annotated[Path, typer.Option("--out", help="Where images and records go.")] = Path("studio-output"),
    host: Host = DEFAULT_HOST,
    as_json: Json = False,
    timeout: Annotated[float, typer.Option(help="Seconds the job may take in all; 0: no limit.", min=0)] = 0.0,
    patience: Annotated[float, typer.Option(help="Seconds the host may be away during the job.", min=0)] = 60.0,
    stall: Annotated[float, typer.Option(help="Seconds a node may be silent; 0: no limit.", min=0)] = 1800.0,
    name: Annotated[
        str, typer.Option("--id", help="A name for this piece of work: the same name finds the job again on the host.")
    ] = "",
    previews: Annotated[bool, typer.Option("--previews", help="Also fetch the images that nodes only show.")] = False,
) -> None:
    """Run a graph on a host and fetch its images, each with a record beside it."""
    with reporting(as_json), Client(host, patience=patience, stall=stall) as client, client.within(timeout):
        values = build.parse_settings(settings or [])
        given = all_photos(photos, photo_folders)
        output.prepare(folder)
        about = client.about()
        with progress(as_json) as listener:
            job = build.job(
                client,
                graph,
                values,
                (lambda: upload_photos(client, given, listener)) if given else None,
                prompt_id=job_id(name) if name else "",
            )
            run(job, client, folder, listener=listener, timeout=timeout, previews=previews, host=about)


def check_command(graph: Graph, settings: Settings = None, host: Host = DEFAULT_HOST, as_json: Json = False) -> None:
    """Say what would keep a graph from running on a host, without queueing anything."""
    with reporting(as_json), Client(host) as client:
        client.about()
        findings = build.check(client, graph, build.parse_settings(settings or []))
        for finding in findings:
            if as_json:
                write_json(asdict(finding))
            else:
                mark = "[red]✗[/]" if finding.level == "error" else "[yellow]![/]"
                err.print(f"{mark} {escape(finding.message)}", highlight=False, soft_wrap=True)
        if any(finding.level == "error" for finding in findings):
            raise typer.Exit(exit_code("graph"))
        if not as_json:
            err.print("[green]✓[/] The graph can run on this host.")
