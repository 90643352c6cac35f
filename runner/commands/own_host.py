"""The host of a command that may bring its own: one at an address, or the studio's, started and stopped by itself."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ..client import Client
from ..demo import HostInstallation
from .console import say
from .options import DEFAULT_HOST, STUDIO

OWN_PATIENCE = 60.0  # seconds: a host that we started does not come back
OptionalHost = Annotated[
    str,
    typer.Option(
        "--host",
        envvar="PORTRAIT_STUDIO_HOST",
        help="The address of a ComfyUI. Left out: the studio's own, started and stopped by itself.",
    ),
]


@contextlib.contextmanager
def host_of(url: str) -> Iterator[tuple[Client, float]]:
    """Yield a client of the host at `url`, and how many seconds it may be away (0: as the policy has it).

    Without an address, the ComfyUI that install.py has set up is started, and ended with the block; where there is
    none, the usual local address is tried. Raises HostError, AddressError.
    """
    own = STUDIO / "ComfyUI"
    if url or not (own / "main.py").is_file():
        with Client(url or DEFAULT_HOST) as client:
            client.about()
            yield client, 0.0
        return
    python = STUDIO / "env" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    installation = HostInstallation(own, python if python.exists() else Path(sys.executable), STUDIO / "models")
    say("Starting the studio's own ComfyUI (about 20 s)")
    with installation.open(STUDIO / "sessions") as running, Client(running.url, local=running) as client:
        yield client, OWN_PATIENCE
