"""The studio as one process: web, worker, and the hosts that it is given."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import uvicorn

from .accounts import first_link
from .api import make_app
from .pages import add_pages
from .settings import StudioSettings
from .work import OwnHosts, Studio, Worker

MOST_AT_ONCE = 200
"""Connections; what comes beyond is answered 503 at once instead of waiting for ever."""


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
