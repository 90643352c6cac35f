"""The studio as one process: web, worker, and the hosts that it is given."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from sqlalchemy import select
from sqlalchemy.orm import Session

from .accounts import FRONT, first_link, make_token
from .accounts import make_front as new_front
from .api import make_app
from .client import StudioClient
from .errors import StudioError
from .pages import add_pages, make_front
from .people import note
from .settings import StudioSettings
from .storage import AccountRow
from .work import OwnHosts, Studio, Worker

MOST_AT_ONCE = 2000
"""Connections, of which a browser keeps up to six; what comes beyond is answered 503 at once instead of waiting."""


def serve(
    settings: StudioSettings,
    hosts: OwnHosts,
    listen: str,
    port: int,
    say: Callable[[str], None],
    pages: bool = True,
) -> None:
    """Serve until a signal ends it; jobs that run go on on their hosts, and the next start finds them again.

    `say` hears the address and, before there is an account, the link that makes the first one. Raises StudioError.
    """
    studio = Studio.opened(settings, hosts)
    try:
        app = make_app(studio)
        if pages:
            add_pages(app)
        with studio.database.session() as session:
            secret = first_link(session, settings.clock())
        if settings.marking.warning:
            say(settings.marking.warning)
        say(f"The studio is at {settings.address}")
        if secret:
            say(f"Make the first account, an operator's; the link works once: {settings.address}/welcome/{secret}")
        worker = Worker(studio, hosts, scratch_of(settings), say=say)
        worker.start()
        try:
            _web(app, listen, port)
        finally:
            worker.stop()
    finally:
        studio.close()


def serve_front(url: str, token: str, address: str, listen: str, port: int, say: Callable[[str], None]) -> None:
    """Serve the pages before the API at `url` until a signal ends it; nothing is kept here.

    Raises StudioError when the API does not take the token for one of a server with pages.
    """
    with StudioClient(url, token) as client:
        # A front's own token reads nothing, and may ask who is signed in: nobody is. An account's does neither.
        told = [_refused(client.show_account), _refused(client.show_login)]
    if "api_away" in told:
        say(f"{url} does not answer yet; the pages say so until it does.")
    elif told != ["not_allowed", "sign_in"]:
        raise StudioError("no_front", 403)
    say(f"The studio is at {address}")
    _web(make_front(url, token, address.startswith("https://")), listen, port)


def _refused(ask: Callable[[], object]) -> str:
    try:
        ask()
    except StudioError as error:
        return error.kind
    return ""


def new_token(settings: StudioSettings, name: str, account: str, scopes: list[str]) -> str:
    """Return the secret of a new token of an account, or without one, of a server with pages. Raises StudioError."""
    with _session(settings) as session:
        if not account:
            return new_front(session, name, settings.clock())
        row = session.scalar(select(AccountRow).where(AccountRow.name == account, AccountRow.role != FRONT))
        if row is None:
            raise StudioError("no_account", 404)
        return make_token(session, row, name, scopes, settings.clock())[1]


def end_front(settings: StudioSettings, name: str) -> None:
    """End the token of a server with pages. Raises StudioError."""
    with _session(settings) as session:
        row = session.scalar(select(AccountRow).where(AccountRow.name == name, AccountRow.role == FRONT))
        if row is None:
            raise StudioError("no_account", 404)
        note(session, settings.clock(), row.id, "front ended")
        session.delete(row)


@contextlib.contextmanager
def _session(settings: StudioSettings) -> Iterator[Session]:
    studio = Studio.opened(settings, OwnHosts())
    try:
        with studio.database.session() as session:
            yield session
    finally:
        studio.close()


def scratch_of(settings: StudioSettings) -> Path:
    """Return where jobs keep their files while they run."""
    return settings.folder / "work"


def _web(app: object, listen: str, port: int) -> None:
    # No access log: links and tokens would be in it. Errors go to Python's own log.
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    uvicorn.run(
        app,  # type: ignore[arg-type]
        host=listen,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_AT_ONCE,
        timeout_graceful_shutdown=5,
    )
