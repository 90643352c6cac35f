"""Consent, retention, export and deletion: what the law asks for, on a real database and a real disk."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file
from sqlalchemy import select

from portrait_studio.portrait import subject_store, subjects
from portrait_studio.portrait.subjects import Subject
from portrait_studio.service.errors import StudioError
from portrait_studio.service.people import delete_account, delete_person, erase, export, mine, purge
from portrait_studio.service.storage import (
    AccountRow,
    AuditRow,
    ConsentRow,
    JobRow,
    PersonRow,
    PhotoRow,
    PictureRow,
    new_id,
)
from portrait_studio.service.words import LANGUAGES, consent
from portrait_studio.service.work import ChosenLooks, new_person, order, poses, take, tones, upright

from .conftest import everything_below, photo

MARK = b"a mark that somebody planted"
NAME = "Mina of the planted name"


@pytest.fixture
def mina(studio, anna) -> PersonRow:
    """A person with six photos, a trained subject on the host, and a portrait, all of them marked."""
    return with_everything(studio, anna)


def with_everything(studio, account) -> PersonRow:
    clock, store = studio.settings.clock, studio.hosts.store
    with studio.database.session() as session:
        owner = session.get_one(AccountRow, account.id)
        person = new_person(session, owner, NAME, "woman", consent("en")["version"], "en", clock())
        for number in range(6):
            take(
                session, studio.blobs, person, f"planted-{number}.jpg", upright(photo(number), ""), clock()
            ).state = "accepted"
        person.report = {"missing": [NAME]}
        person.subject, person.trained = f"studio-{person.id}", clock()
        job = ordered(session, person, clock())
        session.add(
            PictureRow(
                owner_id=owner.id, person_id=person.id, job_id=job.id, blob=studio.blobs.put("pictures", MARK),
                sha256=new_id(), size=len(MARK), media_type="image/png", created=clock(),
                stage="upscale", place=5, likeness=0.7,
            )
        )  # fmt: skip
        photos = list(session.scalars(select(PhotoRow).where(PhotoRow.person_id == person.id)))
    lora = studio.hosts.work.parent / "lora.safetensors"
    up, down = np.ones((4, 2), np.float32), np.ones((2, 4), np.float32)
    save_file({"lora_unet_x.lora_up.weight": up, "lora_unet_x.lora_down.weight": down}, lora)
    card = {"base": {"checkpoint": "pocket.safetensors"}, "note": MARK.decode()}
    subjects.save(Subject(person.subject, "ohwx", "woman", lora, np.ones((1, 128), np.float32), "sface", card), store)
    lora.unlink()
    uploads = studio.hosts.work / "input" / "portrait-studio"
    uploads.mkdir(parents=True, exist_ok=True)
    for one in photos:
        (uploads / f"{one.sha256[:32]}.jpg").write_bytes(MARK)
    (studio.hosts.scratch / job.id).mkdir(parents=True)
    (studio.hosts.scratch / job.id / "photo.jpg").write_bytes(MARK)
    return person


def ordered(session, person, now) -> JobRow:
    sitting = order(session, person, ChosenLooks([poses()[0]], [tones()[0]], 1), now)
    session.flush()
    return session.scalars(select(JobRow).where(JobRow.sitting_id == sitting.id)).one()


def test_after_deletion_no_byte_of_the_person_is_found_anywhere(studio, mina, tmp_path):
    def found():
        kept = everything_below(tmp_path)
        with studio.database.session(reading=True) as session:
            assert session.scalar(select(AuditRow.id).limit(1))
        return [word for word in (MARK, NAME.encode(), b"planted-3", mina.subject.encode()) if word in kept]

    assert len(found()) == 4
    with studio.database.session() as session:
        delete_person(session, studio.blobs, studio.hosts, session.get_one(PersonRow, mina.id), studio.settings.clock())
    erase(studio.database)
    assert found() == []
    assert list(studio.blobs.names()) == []


def test_deleting_one_person_leaves_the_other_whole(studio, mina, anna, bert):
    other = with_everything(studio, bert)
    with studio.database.session() as session:
        delete_person(session, studio.blobs, studio.hosts, session.get_one(PersonRow, mina.id), studio.settings.clock())
    with studio.database.session() as session:
        kept = session.scalars(select(PhotoRow).where(PhotoRow.person_id == other.id)).all()
        assert len(kept) == 6
        assert all(studio.blobs.get(one.blob) for one in kept)
        assert session.scalar(select(PersonRow.id)) == other.id
    assert subject_store.names(studio.hosts.store) == [other.subject]


def test_deleting_an_account_takes_everybody_in_it_and_the_log_keeps_ids_alone(studio, mina, anna, tmp_path):
    with studio.database.session() as session:
        delete_account(
            session, studio.blobs, studio.hosts, session.get_one(AccountRow, anna.id), studio.settings.clock()
        )
    erase(studio.database)
    with studio.database.session() as session:
        for table in (PersonRow, PhotoRow, PictureRow, JobRow, ConsentRow):
            assert session.scalar(select(table)) is None
        actions = list(session.scalars(select(AuditRow.action).where(AuditRow.account == anna.id)))
        assert {"agreed", "photo added", "subject deleted", "account deleted"} <= set(actions)
    assert b"anna" not in everything_below(tmp_path / "studio")


def test_a_deletion_that_fails_half_way_can_be_done_again(studio, mina, monkeypatch):
    def gone(name):
        raise StudioError("files_away", 503)

    monkeypatch.setattr(studio.blobs, "delete", gone)
    with pytest.raises(StudioError), studio.database.session() as session:
        delete_person(session, studio.blobs, studio.hosts, session.get_one(PersonRow, mina.id), studio.settings.clock())
    monkeypatch.undo()
    with studio.database.session() as session:
        assert session.scalar(select(PersonRow.id)) == mina.id
        delete_person(session, studio.blobs, studio.hosts, session.get_one(PersonRow, mina.id), studio.settings.clock())
    assert list(studio.blobs.names()) == []


def purged(studio):
    with studio.database.session() as session:
        return purge(session, studio.blobs, studio.hosts, studio.settings.days, studio.settings.clock())


def test_what_is_past_its_time_is_purged_and_nothing_before(studio, mina, clock):
    clock.move(days=29)
    assert set(purged(studio).values()) == {0}
    clock.move(days=2)
    assert purged(studio) == {"photos": 6, "models": 0, "pictures": 0, "files": 0}
    assert not list((studio.hosts.work / "input" / "portrait-studio").iterdir())
    clock.move(days=60)
    assert purged(studio) == {"photos": 0, "models": 1, "pictures": 1, "files": 0}
    assert subject_store.names(studio.hosts.store) == []
    with studio.database.session() as session:
        person = session.get_one(PersonRow, mina.id)
        assert (person.subject, person.trained, person.report) == ("", None, {})
    assert list(studio.blobs.names()) == []


def test_a_file_that_no_row_names_is_purged(studio, mina):
    lost = studio.blobs.put("photos", b"of an upload that was killed")
    assert purged(studio)["files"] == 1
    assert lost not in list(studio.blobs.names())
    assert len(list(studio.blobs.names())) == 7


def test_the_export_holds_everything_of_the_person_and_no_key_to_the_house(studio, mina, anna):
    with (
        studio.database.session() as session,
        export(session, studio.blobs, session.get_one(AccountRow, anna.id), studio.settings.clock()) as out,
        zipfile.ZipFile(out) as packed,
    ):
        names = packed.namelist()
        told = json.loads(packed.read("everything.json"))
        assert MARK in [packed.read(name) for name in names]
    assert sum(name.startswith("photos/") for name in names) == 6
    assert sum(name.startswith("pictures/") for name in names) == 1
    assert told["persons"][0]["name"] == NAME
    assert told["consents"][0]["version"] == consent("en")["version"]
    assert "password" not in told["account"]
    assert "argon2" not in json.dumps(told)


def test_a_consent_says_which_text_when_by_whom_for_whom(studio, mina, anna):
    with studio.database.session() as session:
        row = session.scalars(select(ConsentRow)).one()
        assert (row.owner_id, row.person_id, row.language) == (anna.id, mina.id, "en")
        assert row.at == studio.settings.clock()
        assert len(row.text_sha256) == 64


def test_without_the_present_consent_no_photo_is_taken(studio, anna):
    now = studio.settings.clock()
    with pytest.raises(StudioError, match="changed since you read it"), studio.database.session() as session:
        new_person(session, session.get_one(AccountRow, anna.id), "Mina", "woman", "1999-01", "en", now)
    with studio.database.session() as session:
        assert session.scalar(select(PersonRow)) is None
        person = PersonRow(owner_id=anna.id, name="Mina", created=now)
        session.add(person)
        session.flush()
        with pytest.raises(StudioError, match="Agree first"):
            take(session, studio.blobs, person, "a.jpg", upright(photo(), ""), now)


def test_the_consent_is_one_version_in_every_language():
    assert len({consent(language)["version"] for language in LANGUAGES}) == 1


@pytest.mark.parametrize("table", [PersonRow, PhotoRow, PictureRow, JobRow])
def test_what_is_somebody_elses_is_not_there(studio, mina, bert, table):
    with studio.database.session() as session:
        row = session.scalars(select(table)).first()
        assert mine(session, table, row.id, mina.owner_id) is row
        for id, owner in ((row.id, bert.id), (new_id(), mina.owner_id)):
            with pytest.raises(StudioError) as caught:
                mine(session, table, id, owner)
            assert (caught.value.status, caught.value.kind) == (404, "not_found")
