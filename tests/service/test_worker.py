"""The worker: photos judged for real, and jobs that no kill loses or doubles."""

from __future__ import annotations

import json
import sys
import uuid

import psutil
import pytest
from sqlalchemy import select, update

from portrait_studio.portrait import provenance
from portrait_studio.portrait.places import ROOT
from portrait_studio.runner.client import Client
from portrait_studio.runner.jobs import Job, Result, SavedImage, StageResult
from portrait_studio.runner.jobs.record import Stage
from portrait_studio.service.storage import AccountRow, JobRow, NewsRow, PersonRow, PhotoRow, PictureRow, new_id
from portrait_studio.service.words import consent
from portrait_studio.service.work import (
    ChosenLooks,
    OwnHosts,
    cancel,
    new_person,
    order,
    poses,
    take,
    tones,
    upright,
)
from portrait_studio.service.work.hosts import prompt_of
from portrait_studio.service.work.judging import JudgeProcess, judge_files, judge_waiting
from portrait_studio.service.work.running import claim, keep, recover, work

from .conftest import photo

EXAMPLES = sorted((ROOT / "pocket" / "subjects" / "nora").glob("*.jpg"))


def new(studio, account, photos, name="Nora") -> str:
    with studio.database.session() as session:
        owner = session.get_one(AccountRow, account.id)
        person = new_person(session, owner, name, "woman", consent("en")["version"], "en", studio.settings.clock())
        for number, content in enumerate(photos):
            take(session, studio.blobs, person, f"{number}.jpg", upright(content, ""), studio.settings.clock())
        return person.id


def ordered(studio, account, count=1) -> list[str]:
    """Order portraits of somebody with six good photos; return the ids of the jobs, the training first."""
    person = new(studio, account, [photo(number) for number in range(6)])
    with studio.database.session() as session:
        for row in session.scalars(select(PhotoRow)):
            row.state = "accepted"
        wanted = ChosenLooks([poses()[0]], [tones()[0]], count)
        order(session, session.get_one(PersonRow, person), wanted, studio.settings.clock())
        session.flush()
        return list(session.scalars(select(JobRow.id).where(JobRow.person_id == person).order_by(JobRow.number)))


def job_of(studio, id) -> JobRow:
    with studio.database.session(reading=True) as session:
        return session.get_one(JobRow, id)


def made(tmp_path, name="a.png") -> tuple[Result, Job]:
    """What the runner gives for a job of two stages: real pictures with a graph in them, and their records."""
    from PIL import Image, PngImagePlugin

    images = []
    for node in ("1", "2"):
        file, texts = tmp_path / f"{node}-{name}", PngImagePlugin.PngInfo()
        texts.add_text("prompt", "of somebody called Nora")
        Image.new("RGB", (64, 64), (int(node), 9, 9)).save(file, pnginfo=texts)
        record = file.with_name(f"{file.name}.json")
        record.write_text(
            json.dumps({"graph": {"name": "portrait-starter", "version": "1.0.0"}, "parameters": {"subject": "Nora"}})
        )
        images.append(SavedImage(file, record, node, False))
    stages = [StageResult("draft", "Draft", 1.0, 1, 0.4, None), StageResult("upscale", "Upscale", 1.0, 1, 0.7, None)]
    result = Result("id", "success", images, [], stages, [], 2.0, False, {})
    return result, Job({}, stages=(Stage("draft", image="1"), Stage("upscale", image="2")))


def test_photos_of_a_person_are_judged_for_real_and_the_report_says_what_is_missing(studio, anna):
    person = new(studio, anna, [*(file.read_bytes() for file in EXAMPLES[:6]), photo()])
    assert judge_waiting(studio, judge_files)
    assert not judge_waiting(studio, judge_files)
    with studio.database.session(reading=True) as session:
        rows = session.scalars(select(PhotoRow).order_by(PhotoRow.created, PhotoRow.name)).all()
        states = {row.name: row.state for row in rows}
        assert sum(state == "accepted" for state in states.values()) >= 4
        assert states["6.jpg"] == "refused"
        assert next(row for row in rows if row.name == "6.jpg").reason == "no face found"
        assert session.get_one(PersonRow, person).report["rejected"] >= 1


def judging() -> list[psutil.Process]:
    """The processes of ours that look at photos; a host may run beside them."""
    return [one for one in psutil.Process().children() if "serve_judging" in " ".join(one.cmdline())]


def test_photos_are_judged_in_a_process_that_is_started_again_after_its_end(studio, anna):
    new(studio, anna, [EXAMPLES[0].read_bytes(), photo()])
    judge = JudgeProcess()
    loaded = "torch" in sys.modules
    try:
        assert judge_waiting(studio, judge)
        assert ("torch" in sys.modules) == loaded
        (first,) = judging()
        first.kill()
        first.wait()
        with studio.database.session() as session:
            states = {row.name: row.state for row in session.scalars(select(PhotoRow))}
            assert states == {"0.jpg": "accepted", "1.jpg": "refused"}
            session.execute(update(PhotoRow).values(state="waiting"))
        assert judge_waiting(studio, judge)
        with studio.database.session(reading=True) as session:
            assert {row.name: row.state for row in session.scalars(select(PhotoRow))} == states
        (second,) = judging()
        assert second.pid != first.pid
    finally:
        judge.close()
    assert not judging()


def test_a_photo_that_comes_while_others_are_judged_is_judged_with_them(studio, anna):
    person = new(studio, anna, [photo(1), photo(2)])

    def judge(files, names):
        with studio.database.session() as session:
            row = session.get_one(PersonRow, person)
            if len(files) == 2:
                take(session, studio.blobs, row, "late.jpg", upright(photo(3), ""), studio.settings.clock())
        verdicts = [{"accepted": True, "reason": ""} for _ in files]
        return {"photos": verdicts, "accepted": len(files), "rejected": 0, "missing": [], "doubts": []}

    judge_waiting(studio, judge)
    with studio.database.session(reading=True) as session:
        assert set(session.scalars(select(PhotoRow.state))) == {"waiting"}
    judge_waiting(studio, judge)
    with studio.database.session(reading=True) as session:
        assert list(session.scalars(select(PhotoRow.state))) == ["accepted"] * 3


def test_portraits_wait_until_the_face_is_learned(studio, anna, tmp_path):
    training, first, second = ordered(studio, anna, count=2)
    assert claim(studio) == training
    assert claim(studio) == ""
    keep(studio, training, *made(tmp_path))
    assert claim(studio) == first
    assert claim(studio) == second


def test_a_job_is_kept_once_marked_and_bare_however_often_it_arrives(studio, anna, tmp_path):
    training, draw = ordered(studio, anna)
    claim(studio)
    keep(studio, training, *made(tmp_path))
    claim(studio)
    for _ in range(2):
        keep(studio, draw, *made(tmp_path))
    with studio.database.session(reading=True) as session:
        rows = session.scalars(select(PictureRow).order_by(PictureRow.stage)).all()
        assert [(row.stage, row.place, row.likeness) for row in rows] == [("draft", 1, 0.4), ("upscale", 2, 0.7)]
        assert {row.owner_id for row in rows} == {anna.id}
        for row in rows:
            file = tmp_path / "kept.png"
            file.write_bytes(studio.blobs.get(row.blob))
            said = provenance.show(file)
            assert said.by_a_model
            assert said.private == []
            assert b"Nora" not in file.read_bytes()
        assert job_of(studio, draw).state == "done"
    assert len([name for name in studio.blobs.names() if name.startswith("pictures/")]) == 2


def test_after_a_kill_a_running_job_goes_on_under_the_same_name(studio, anna):
    training, _ = ordered(studio, anna)
    claim(studio)
    assert recover(studio) == 1
    assert claim(studio) == training


def test_what_was_cancelled_or_deleted_meanwhile_is_not_kept(studio, anna, tmp_path):
    training, draw = ordered(studio, anna)
    claim(studio)
    keep(studio, training, *made(tmp_path))
    claim(studio)
    with studio.database.session() as session:
        cancel(session, session.get_one(JobRow, draw), studio.settings.clock())
    keep(studio, draw, *made(tmp_path))
    assert job_of(studio, draw).state == "cancelled"
    keep(studio, "0" * 32, *made(tmp_path))
    with studio.database.session(reading=True) as session:
        assert session.scalar(select(PictureRow)) is None


def test_while_the_host_is_away_the_job_waits_and_nothing_is_lost(studio, anna, tmp_path):
    training, _ = ordered(studio, anna)
    assert claim(studio) == training
    assert work(studio, "http://127.0.0.1:9", training, tmp_path / "scratch") is False
    row = job_of(studio, training)
    assert (row.state, row.reason) == ("waiting", "")
    assert not list((tmp_path / "scratch").iterdir())


def test_watchers_hear_of_every_change_of_a_job(studio, anna, tmp_path):
    training, _ = ordered(studio, anna)
    claim(studio)
    keep(studio, training, *made(tmp_path))
    with studio.database.session(reading=True) as session:
        states = [row.facts["state"] for row in session.scalars(select(NewsRow).order_by(NewsRow.id))]
    assert states == ["running", "done"]


@pytest.mark.host
def test_a_training_that_fails_says_why_and_what_waited_for_it_fails_too(studio, anna, host, tmp_path):
    """The photos show nobody, so the real trainer refuses them."""
    training, draw = ordered(studio, anna)
    claim(studio)
    assert work(studio, host.url, training, tmp_path / "scratch")
    assert (job_of(studio, training).state, job_of(studio, draw).state) == ("failed", "failed")
    assert job_of(studio, training).reason
    assert "Traceback" not in job_of(studio, training).reason


@pytest.mark.host
def test_a_host_that_is_told_to_forget_a_person_has_no_history_of_their_jobs_and_keeps_the_others(host):
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 7}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "forgotten"}},
    }
    job, somebody_elses = new_id(), str(uuid.uuid4())  # newer hosts take no other names
    with Client(host.url) as client:
        for name in (prompt_of(job), somebody_elses):
            client.follow(client.submit(prompt, name))
        OwnHosts([host.url]).forget("", [job], [])
        assert client.history(prompt_of(job)) is None
        assert client.history(somebody_elses)
