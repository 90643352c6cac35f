"""`portrait-studio serve`: the web studio, with a host of its own or the hosts it is given."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ...portrait import provenance
from ...portrait.errors import PortraitError
from ..demo import HostInstallation
from .console import out, reporting, say
from .options import STUDIO, SUBJECTS

NEEDED = ("fastapi", "uvicorn", "sqlalchemy", "alembic", "argon2", "jinja2", "python_multipart", "fsspec")
LOCAL = ("127.0.0.1", "::1", "localhost")


class ServeError(PortraitError):
    """The web studio cannot be served as asked."""

    key = "serve"


def serve_command(
    folder: Annotated[Path, typer.Option(help="Where everything is kept: database, photos, portraits.")] = STUDIO
    / "web",
    port: Annotated[int, typer.Option(help="The port.", min=1, max=65535)] = 8300,
    listen: Annotated[
        str, typer.Option(help="The address to listen at; others than this machine's want --address.")
    ] = "127.0.0.1",
    address: Annotated[str, typer.Option(help="Where browsers reach it, such as https://studio.example.org.")] = "",
    hosts: Annotated[
        list[str] | None, typer.Option("--host", help="A ComfyUI to draw with; can be given several times.")
    ] = None,
    comfyui: Annotated[Path, typer.Option(help="Without --host: the folder of ComfyUI's main.py.")] = STUDIO
    / "ComfyUI",
    host_python: Annotated[
        Path | None, typer.Option("--host-python", help="The interpreter that it runs with.")
    ] = None,
    models: Annotated[Path, typer.Option("--models", help="Models that it shall see beside its own.")] = STUDIO
    / "models",
    checkpoint: Annotated[str, typer.Option(help="The checkpoint to draw with, where there are several.")] = "",
    database: Annotated[str, typer.Option(help="SQLAlchemy's URL; SQLite in the folder when left out.")] = "",
    blobs: Annotated[str, typer.Option(help="fsspec's URL for photos and portraits.")] = "",
    certificate: Annotated[Path | None, typer.Option(help="A PEM chain to sign portraits with.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its PEM key.")] = None,
    label: Annotated[bool, typer.Option("--label", help="Draw a visible line into every portrait.")] = False,
    api: Annotated[bool, typer.Option("--api", help="The HTTP API alone, without pages.")] = False,
) -> None:
    """Serve the web studio until Ctrl-C: photos in, portraits out, in a browser."""
    with reporting(False):
        _insist()
        if listen not in LOCAL and not address.startswith("https://"):
            raise ServeError(
                f"At {listen} others would sign in without encryption: put a proxy with https before it and name it in "
                "--address https://..., or listen at 127.0.0.1."
            )
        if bool(certificate) != bool(key):
            raise ServeError("A signature takes a certificate and its key: give both or neither.")
        from ...service.serving import scratch_of, serve
        from ...service.settings import StudioSettings
        from ...service.work import OwnHosts

        signer = provenance.Certificate(certificate, key) if certificate and key else None
        settings = StudioSettings(
            folder.resolve(),
            database=database,
            blobs=blobs,
            address=(address or f"http://127.0.0.1:{port}").rstrip("/"),
            marking=provenance.Marking(label=label, certificate=signer),
            checkpoint=checkpoint,
        )
        folder.mkdir(parents=True, exist_ok=True)
        with _own_host(hosts, comfyui, host_python, models, settings.folder / "host") as url:
            own = url and settings.folder / "host"
            served = OwnHosts(
                [url] if url else hosts or [],
                own or None,
                comfyui / SUBJECTS if own else None,
                scratch_of(settings),
            )
            serve(settings, served, listen, port, lambda text: say(escape(text)), pages=not api)


@contextlib.contextmanager
def _own_host(hosts: list[str] | None, comfyui: Path, python: Path | None, models: Path, work: Path) -> Iterator[str]:
    """Start a host of our own unless some were named; yield its address."""
    if hosts:
        yield ""
        return
    installation = HostInstallation(comfyui, python or Path(sys.executable), models)
    with out.status("Starting ComfyUI (about 20 s)"):
        host = installation.open(work)
    with host:
        yield host.url


def _insist() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ServeError(f"The web studio needs {', '.join(missing)}; install portrait-studio[service].")
