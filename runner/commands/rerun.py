"""`portrait-studio rerun`: a picture made again from its record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ..jobs import again, judge, read_record
from .console import reporting, say, write_event
from .display import progress
from .options import Json, PhotoFolders, Photos, all_photos
from .own_host import OptionalHost, host_of


def rerun_command(
    picture: Annotated[Path, typer.Argument(help="A picture that the studio made, or its record.")],
    folder: Annotated[Path, typer.Option("--out", help="Where it is made again.")] = Path("studio-rerun"),
    photos: Photos = None,
    photo_folders: PhotoFolders = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also when a model file is another now.")] = False,
    host: OptionalHost = "",
    as_json: Json = False,
    timeout: Annotated[float, typer.Option(help="Seconds the job may take in all; 0: no limit.", min=0)] = 0.0,
) -> None:
    """Make a picture again from the record beside it, and say whether every pixel is the same."""
    with reporting(as_json):
        recorded = read_record(picture)
        given = all_photos(photos, photo_folders)
        if not as_json and recorded.unchanged is None:
            say(f"[yellow]! {escape(recorded.picture.name)} itself is not here; compared with its record alone[/]")
        if not as_json and recorded.unchanged is False:
            say(f"[yellow]! {escape(recorded.picture.name)} was changed after it was made; compared with its record[/]")
        with host_of(host) as (client, _), client.within(timeout), progress(as_json) as listener:
            made = again(client, recorded, folder, given, anyway=anyway, listener=listener, timeout=timeout)
        if as_json:
            write_event(
                "rerun",
                picture=recorded.picture.name,
                again=made.picture.name,
                identical=made.identical,
                how=made.how,
                differences=list(made.differences),
                unknown=list(made.unknown),
            )
        else:
            for text in (*made.differences, *made.unknown):
                say(f"[yellow]! {escape(text)}[/]")
        judge(recorded, made)
        name = escape(made.picture.name)
        if made.identical:
            say(f"[green]identical[/]: {name} has {made.how} as {escape(recorded.picture.name)}")
        else:
            say(f"[yellow]made again[/]: {name}; there is nothing to compare it with")
