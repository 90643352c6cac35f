"""`portrait-studio hosts`: what is at an address."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from ..client import AddressError, Client, HostInfo
from .console import err, out, reporting, write_json
from .options import DEFAULT_HOST, Json


def hosts_command(
    urls: Annotated[list[str] | None, typer.Argument(help="Addresses; the usual local one when left out.")] = None,
    as_json: Json = False,
) -> None:
    """Say what is at an address: a ComfyUI and what it has, something else, or nothing."""
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
                found = {"url": url, "error": error.key, "message": str(error)}
            if as_json:
                write_json(found)
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
    return [escape(info.url), escape(info.version), escape(info.device), memory, queue, "yes" if info.pack else "no"]
