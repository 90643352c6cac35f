"""`portrait-studio serve`: the web studio, in one process or as two servers, and the tokens of those who ask it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from ...portrait import provenance
from ...portrait.errors import PortraitError
from ..demo import HostInstallation
from .console import out, reporting, say, write_text
from .options import STUDIO, SUBJECTS

NEEDED = ("fastapi", "uvicorn", "sqlalchemy", "alembic", "argon2", "jinja2", "python_multipart", "fsspec")
LOCAL = ("127.0.0.1", "::1", "localhost")
TOKEN = "PORTRAIT_STUDIO_TOKEN"  # noqa: S105 - the variable's name

StudioFolder = Annotated[Path, typer.Option(help="Where everything is kept: database, photos, portraits.")]
DatabaseUrl = Annotated[str, typer.Option(help="SQLAlchemy's URL; SQLite in the folder when left out.")]


class ServeError(PortraitError):
    """The web studio cannot be served as asked."""

    key = "serve"


def serve_command(
    url: Annotated[str, typer.Argument(help="With --front: the address of the API.", show_default=False)] = "",
    folder: StudioFolder = STUDIO / "web",
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
    database: DatabaseUrl = "",
    blobs: Annotated[str, typer.Option(help="fsspec's URL for photos and portraits.")] = "",
    certificate: Annotated[Path | None, typer.Option(help="A PEM chain to sign portraits with.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its PEM key.")] = None,
    label: Annotated[bool, typer.Option("--label", help="Draw a visible line into every portrait.")] = False,
    api: Annotated[bool, typer.Option("--api", help="The HTTP API alone, without pages.")] = False,
    front: Annotated[
        bool, typer.Option("--front", help="The pages alone, before the API elsewhere: --front --api URL.")
    ] = False,
    token: Annotated[
        Path | None, typer.Option(help=f"With --front: a file with its token; or it is in {TOKEN}.")
    ] = None,
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
        if front != bool(url):
            raise ServeError(
                "A server with pages alone is started with --front --api URL, and only that one has a URL."
            )
        from ...service.serving import scratch_of, serve, serve_front
        from ...service.settings import StudioSettings
        from ...service.work import OwnHosts

        reached = (address or f"http://127.0.0.1:{port}").rstrip("/")
        if front:
            serve_front(_api(url), _token(token), reached, listen, port, lambda text: say(escape(text)))
            return
        signer = provenance.Certificate(certificate, key) if certificate and key else None
        settings = StudioSettings(
            folder.resolve(),
            database=database,
            blobs=blobs,
            address=reached,
            marking=provenance.Marking(label=label, certificate=signer),
            checkpoint=checkpoint,
        )
        folder.mkdir(parents=True, exist_ok=True)
        with _own_host(hosts, comfyui, host_python, models, settings.folder / "host") as own_url:
            own = own_url and settings.folder / "host"
            served = OwnHosts(
                [own_url] if own_url else hosts or [],
                own or None,
                comfyui / SUBJECTS if own else None,
                scratch_of(settings),
            )
            serve(settings, served, listen, port, lambda text: say(escape(text)), pages=not api)


def token_command(
    name: Annotated[str, typer.Argument(help="What it is for; for --front, what the server is called.")],
    account: Annotated[str, typer.Option(help="Whose token it is.")] = "",
    scopes: Annotated[
        list[str] | None, typer.Option("--scope", help="What it may do; can be given several times.")
    ] = None,
    front: Annotated[bool, typer.Option("--front", help="For a server with pages (serve --front).")] = False,
    end: Annotated[bool, typer.Option("--end", help="With --front: end the token of that server.")] = False,
    folder: StudioFolder = STUDIO / "web",
    database: DatabaseUrl = "",
) -> None:
    """Make a token for the web studio's API and print it, this once; run it where the studio's folder is."""
    with reporting(False):
        _insist()
        if front == bool(account) or bool(scopes) != bool(account) or (end and not front):
            raise ServeError("Give either --account NAME with --scope, or --front, which can be ended with --end.")
        from ...service.serving import end_front, new_token
        from ...service.settings import StudioSettings

        settings = StudioSettings(folder.resolve(), database=database)
        if not database and not folder.is_dir():
            raise ServeError(f"There is no studio in {folder}; start it once with `serve`, or name its --folder.")
        if end:
            end_front(settings, name)
            return
        write_text(new_token(settings, name, account, scopes or []) + "\n")


def _api(url: str) -> str:
    """Return the address of an API. Raises ServeError when photos would travel to it in the open."""
    try:
        parts = urlsplit(url)
        name, well = parts.hostname, not (parts.username or parts.query or parts.fragment) and parts.port != 0
    except ValueError:
        name, well, parts = None, False, urlsplit("")
    if not name or not well or not (parts.scheme == "https" or (parts.scheme == "http" and name in LOCAL)):
        raise ServeError(f"{url} is no address of an API: it starts with https://, or is on this machine.")
    return url.rstrip("/")


def _token(file: Path | None) -> str:
    """Return the token of a server with pages. Raises ServeError."""
    try:
        found = file.read_text("ascii")[:1000].strip() if file else os.environ.get(TOKEN, "").strip()
    except (OSError, UnicodeError) as error:
        raise ServeError(f"The token's file {file} cannot be read.") from error
    if not found.isascii() or len(found.split()) != 1:
        raise ServeError(
            f"A server with pages needs its token: make one beside the API with `token NAME --front`, and "
            f"give it in --token FILE or {TOKEN}."
        )
    return found


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
