"""Rows and files: tables as the code thinks they are, a log that only grows, files under names that say nothing."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from portrait_studio.service.errors import StudioError
from portrait_studio.service.people import note
from portrait_studio.service.storage import AuditRow, Base, BlobError, Blobs, StudioDatabase


def test_the_migrations_make_the_tables_that_the_code_uses(studio):
    with studio.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_migrating_again_changes_nothing(studio, anna):
    studio.database.migrate()
    with studio.database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM accounts")) == 2


def test_the_database_writes_ahead_and_overwrites_what_is_deleted(studio):
    with studio.database.session() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA secure_delete")) == 1
        assert session.scalar(text("PRAGMA foreign_keys")) == 1


@pytest.mark.parametrize("change", ["UPDATE audit SET action = 'nothing'", "DELETE FROM audit"])
def test_the_audit_log_cannot_be_changed_or_shortened(studio, change):
    with studio.database.session() as session:
        note(session, studio.settings.clock(), "a", "did something")
    with pytest.raises(DBAPIError, match="append-only"), studio.database.session() as session:
        session.execute(text(change))
    with studio.database.session() as session:
        assert session.scalar(select(AuditRow.action)) == "did something"


def test_a_locked_database_is_one_sentence_and_nothing_is_half_written(studio):
    other = StudioDatabase(studio.settings.database_url)
    with other.session() as first:
        note(first, studio.settings.clock(), "a", "first")
        first.flush()
        waiting = studio.database.engine.raw_connection()
        waiting.cursor().execute("PRAGMA busy_timeout = 10")
        waiting.close()
        with (
            pytest.raises(StudioError, match="busy with something else") as caught,
            studio.database.session() as session,
        ):
            note(session, studio.settings.clock(), "a", "second")
        assert caught.value.status == 503
    other.close()


def test_whoever_only_reads_does_not_wait_for_a_writer(studio):
    with studio.database.session() as writing:
        note(writing, studio.settings.clock(), "a", "first")
        writing.flush()
        with studio.database.session(reading=True) as session:
            assert session.scalar(select(AuditRow.id)) is None


def test_a_file_is_found_by_a_name_that_says_nothing_and_can_be_removed_twice(tmp_path):
    blobs = Blobs((tmp_path / "files").as_uri())
    one, other = blobs.put("photos", b"a face"), blobs.put("photos", b"a face")
    assert one != other
    assert blobs.get(one) == b"a face"
    assert sorted(blobs.names()) == sorted([one, other])
    blobs.delete(one)
    blobs.delete(one)
    assert list(blobs.names()) == [other]
    with pytest.raises(BlobError, match="cannot be read"):
        blobs.get(one)


@pytest.mark.parametrize("name", ["../../etc/passwd", "photos/../x", "/etc/passwd", "photos/" + "g" * 32, ""])
def test_a_name_that_none_of_ours_has_reaches_no_file(tmp_path, name):
    with pytest.raises(BlobError, match="none of ours"):
        Blobs((tmp_path / "files").as_uri()).get(name)
