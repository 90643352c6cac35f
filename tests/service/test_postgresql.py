"""The tests of accounts, people, rows and the worker once more, over PostgreSQL: a real one, started here."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, text

from portrait_studio.service.errors import StudioError
from portrait_studio.service.people import mine
from portrait_studio.service.settings import StudioSettings
from portrait_studio.service.storage import JobRow, PersonRow
from portrait_studio.service.work import Studio
from portrait_studio.service.work.running import claim

from ..ports import held_port
from . import test_accounts, test_people, test_storage, test_worker

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
OF_SQLITE = (
    "test_a_locked_database", "test_the_database_writes_ahead", "test_after_deletion_no_byte",
    "test_passwords_are_argon2",
)  # fmt: skip
"""Tests that look into SQLite's own file, or are about it."""

pytestmark = pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL on this machine (apt install postgresql)")

for module in (test_accounts, test_people, test_storage, test_worker):
    for name, one in vars(module).items():
        fixture = type(one).__name__ == "FixtureFunctionDefinition"
        if fixture or (name.startswith("test_") and callable(one) and not name.startswith(OF_SQLITE)):
            globals()[name] = one


@pytest.fixture(scope="module")
def cluster():
    """A PostgreSQL of this test's own; yields the URL of its first database.

    Its folder is not pytest's: that one is closed to other users again whenever another pytest starts.
    """
    with tempfile.TemporaryDirectory(prefix="studio-postgresql-") as name, held_port() as port:
        folder = Path(name)
        shutil.chown(folder, "postgres", "postgres")

        def do(program: str, *arguments: str) -> None:
            command = ["runuser", "-u", "postgres", "--", str(BINARIES / program), "-D", str(folder / "data")]
            subprocess.run([*command, *arguments], check=True, capture_output=True, cwd=folder, timeout=120)

        do("initdb", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        do("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        yield f"postgresql://postgres@127.0.0.1:{port}/"
        do("pg_ctl", "-w", "-m", "immediate", "stop")


@pytest.fixture
def url(cluster, request):
    """A database that is empty."""
    engine = create_engine(cluster.replace(":", "+psycopg:", 1) + "postgres", isolation_level="AUTOCOMMIT")
    name = f"studio_{abs(hash(request.node.nodeid))}"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield cluster + name
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def settings(tmp_path, clock, url) -> StudioSettings:
    return StudioSettings(tmp_path / "studio", database=url, clock=clock)


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
