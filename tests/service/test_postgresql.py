"""The tests of accounts, people, rows and the worker once more, over PostgreSQL: a real one, started here."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, select, text

from portrait_studio.service.accounts import OPERATOR
from portrait_studio.service.accounts.secrets import hashed
from portrait_studio.service.errors import StudioError
from portrait_studio.service.people import mine
from portrait_studio.service.settings import StudioSettings
from portrait_studio.service.storage import AccountRow, JobRow, PersonRow, StudioDatabase
from portrait_studio.service.work import Studio
from portrait_studio.service.work.running import claim

from ..ports import held_port
from . import test_accounts, test_people, test_storage, test_worker
from .conftest import PASSWORD

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
LEFT_OUT = (
    "test_a_locked_database", "test_the_database_writes_ahead", "test_after_deletion_no_byte",
    "test_passwords_are_argon2", "test_an_address_that_tries_many", "test_photos_of_a_person_are_judged_for_real",
)  # fmt: skip
"""Tests that look into SQLite's own file, or take their time for what no database changes."""

NUMBERS = itertools.count(1)

pytestmark = pytest.mark.skipif(
    BINARIES is None, reason="NOT TESTED: PostgreSQL is missing (Debian: apt-get install postgresql)"
)


def _belongs_here(name: str, one: object) -> bool:
    if type(one).__name__ == "FixtureFunctionDefinition":
        return True
    marks = {mark.name for mark in getattr(one, "pytestmark", [])}
    return name.startswith("test_") and callable(one) and not name.startswith(LEFT_OUT) and "host" not in marks


for module in (test_accounts, test_people, test_storage, test_worker):
    globals().update({name: one for name, one in vars(module).items() if _belongs_here(name, one)})


@pytest.fixture(scope="module")
def cluster():
    """A PostgreSQL of these tests' own; yields its URL without a database. `tables` in it has the tables, empty.

    Its folder is not pytest's: that one is closed to other users again whenever another pytest starts.
    """
    with tempfile.TemporaryDirectory(prefix="studio-postgresql-") as name, held_port() as port:
        folder = Path(name)
        become: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to be root's
            shutil.chown(folder, "postgres", "postgres")
            become = ["runuser", "-u", "postgres", "--"]

        def do(program: str, *arguments: str) -> None:
            command = [*become, str(BINARIES / program), "-D", str(folder / "data")]
            subprocess.run([*command, *arguments], check=True, capture_output=True, cwd=folder, timeout=120)

        do("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        do("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        at = f"postgresql://postgres@127.0.0.1:{port}/"
        with _connected(at) as connection:
            connection.execute(text("CREATE DATABASE tables"))
        with contextlib.closing(StudioDatabase(f"{at}tables")) as database:
            database.migrate()
        yield at
        do("pg_ctl", "-w", "-m", "immediate", "stop")


@contextlib.contextmanager
def _connected(at: str) -> Iterator[Connection]:
    engine = create_engine(at.replace(":", "+psycopg:", 1) + "postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def url(cluster):
    """A database without a row."""
    name = f"studio_{next(NUMBERS)}"
    with _connected(cluster) as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE tables"))
        yield cluster + name
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def settings(tmp_path, clock, url) -> StudioSettings:
    return StudioSettings(tmp_path / "studio", database=url, clock=clock)


def _added(studio: Studio, name: str, role: str = "owner") -> AccountRow:
    row = AccountRow(name=name, password=_password(), role=role, created=studio.settings.clock())
    with studio.database.session() as session:
        session.add(row)
    return row


@functools.cache
def _password() -> str:
    return hashed(PASSWORD)  # a tenth of a second, and every test has two accounts


@pytest.fixture
def operator(studio) -> AccountRow:
    return _added(studio, "olivia", OPERATOR)


@pytest.fixture
def anna(studio, operator) -> AccountRow:
    return _added(studio, "anna")


@pytest.fixture
def bert(studio, anna) -> AccountRow:
    return _added(studio, "bert")


def test_the_rows_are_in_postgresql_and_nowhere_else(studio, anna):
    assert studio.database.engine.dialect.name == "postgresql"
    assert not (studio.settings.folder / "studio.sqlite3").exists()


def test_two_workers_that_look_at_the_same_moment_never_take_one_job(studio, anna, settings, hosts):
    jobs = test_worker.ordered(studio, anna, count=6)
    with studio.database.session() as session:
        training = session.get_one(JobRow, jobs[0])
        training.state = "done"
        session.get_one(PersonRow, training.person_id).trained = settings.clock()
    others = [Studio.opened(settings, hosts) for _ in range(2)]
    taken, begin = [], threading.Barrier(6)

    def take(number: int) -> None:
        begin.wait()
        taken.append(claim(others[number % 2]))

    threads = [threading.Thread(target=take, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(jobs[1:])
    for other in others:
        other.close()


def test_an_id_that_no_text_can_hold_is_a_sentence(studio, anna):
    with pytest.raises(StudioError, match="cannot be read"), studio.database.session(reading=True) as session:
        mine(session, PersonRow, "a\0b", anna.id)


def test_whoever_only_reads_cannot_write(studio, anna):
    with pytest.raises(Exception, match="read-only"), studio.database.session(reading=True) as session:
        session.scalars(select(PersonRow)).all()
        session.execute(text("DELETE FROM persons"))
