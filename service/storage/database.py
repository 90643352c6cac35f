"""The database: opened, brought to this version, and never held longer than a request or a step of work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from ..errors import StudioError

BUSY_MS = 10_000
"""How long a writer waits for another."""
WRITING = 0x706F7274
"""The number of PostgreSQL's lock that writers hold: without it two workers could claim one job."""


class StudioDatabase:
    """An engine with its sessions; one for the process."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        self._writers = sessionmaker(self.engine, expire_on_commit=False)
        self._readers = sessionmaker(self.engine.execution_options(reading=True), expire_on_commit=False)

    def migrate(self) -> None:
        """Bring the tables to this version; the rows stay."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
        with self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextlib.contextmanager
    def session(self, reading: bool = False) -> Iterator[Session]:
        """Yield a session; what was changed is written when the block ends well, and nothing of it otherwise.

        With `reading` nothing is to be changed, and nobody is waited for. Raises StudioError when the database is
        locked, away, or its disk is full.
        """
        try:
            with (self._readers if reading else self._writers).begin() as session:
                yield session
        except DataError as error:  # PostgreSQL keeps no NUL in a text
            raise StudioError("bad_request", 422, why="a sign in it cannot be kept") from error
        except OperationalError as error:
            full = "full" in str(error.orig)
            raise StudioError("disk_full" if full else "database_away", 507 if full else 503) from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return _server(url)
    engine = create_engine(url, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection, _record) -> None:
        connection.isolation_level = None  # so that BEGIN below is ours
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",  # what was deleted is overwritten, not left in free pages
            f"busy_timeout = {BUSY_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection) -> None:
        # A transaction that reads first and writes later would fail at once when another has written meanwhile.
        reading = connection.get_execution_options().get("reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _server(url: str) -> Engine:
    """Return the engine of PostgreSQL, which behaves as SQLite does: one writer at a time, readers see one moment."""
    known = make_url(url)
    if known.drivername == "postgresql":
        known = known.set(drivername="postgresql+psycopg")
    engine = create_engine(known, pool_pre_ping=True)

    @event.listens_for(engine, "begin")
    def begin(connection) -> None:
        if connection.get_execution_options().get("reading"):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        else:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {BUSY_MS}")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITING})")

    return engine
