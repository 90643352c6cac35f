"""How far a job is, and when it is likely to be done: from what hosts say, and from what earlier jobs took."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portrait_studio.portrait import provenance
from portrait_studio.runner.client import events
from portrait_studio.service.storage import SAMPLE, JobRow, PictureRow
from portrait_studio.service.work import outlook
from portrait_studio.service.work.following import TRAINER, JobTrack
from portrait_studio.service.work.running import JobFollowing, claim
from portrait_studio.trainer.progress import TrainingProgress

from .conftest import photo
from .test_worker import ordered

PROMPT = {
    "a": {"class_type": "PortraitLoadPhotos", "inputs": {}},
    "t": {"class_type": TRAINER, "inputs": {"steps": 0}},
    "k": {"class_type": "KSampler", "inputs": {"steps": 12}},
}


class Watch:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def step(node: str, value: float, most: float) -> events.Event:
    return events.NodeProgress(node=node, value=value, max=most)


def done(node: str) -> events.Event:
    return events.NodeFinished(node=node, title="", seconds=1.0)


def said(text: str) -> events.Event:
    return events.NodeSaid(node="t", text=text, curve=[])


class SilentBar:
    def update_absolute(self, *_: object) -> None:
        pass


def test_progress_never_goes_back_and_a_training_is_most_of_it():
    track, seen = JobTrack(PROMPT), []
    for event in (
        step("a", 1, 2), done("a"), step("t", 9, 9), step("t", 1, 300),
        said("Training: step 150 of 300, about 2 min left"), done("t"), step("k", 1, 12), step("k", 12, 12), done("k"),
    ):  # fmt: skip
        track.take(event)
        seen.append(track.progress)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert 0.4 < seen[4] < 0.6


def test_the_time_that_a_training_takes_still_comes_from_its_steps():
    watch = Watch()
    track = JobTrack(PROMPT, watch)
    trainer = TrainingProgress(lambda text, **facts: track.take(said(text)), SilentBar(), watch)
    trainer.photo(1, 12)
    watch.now += 50.0
    for number in range(1, 4):
        watch.now += 2.0
        trainer.step(number, 100, 0.1)
    assert track.left == pytest.approx(194.0)
    assert 0.0 < track.progress < 0.2
    track.take(done("t"))
    assert track.left is None


def test_a_training_shows_its_curve_and_its_newest_sample_marked_and_the_older_one_is_gone(studio, anna, tmp_path):
    training, _ = ordered(studio, anna)
    claim(studio)
    follow = JobFollowing(studio, "http://127.0.0.1:9", training, tmp_path)
    follow.track = JobTrack(PROMPT)
    for number, likeness in enumerate((0.2, 0.5), 1):
        curve = [(0.0, 0.1), (20.0 * number, likeness)]
        follow.track.take(events.NodeSaid(node="t", text="Training", curve=curve))
        follow.track.take(events.Preview(node="t", media_type="image/jpeg", size=9, picture=photo(number, (200, 200))))
        follow.finish()
    follow.track.take(events.Preview(node="t", media_type="image/jpeg", size=9, picture=b"no picture"))
    follow.finish()
    with studio.database.session(reading=True) as session:
        assert session.get_one(JobRow, training).told["curve"] == [[0.0, 0.1], [40.0, 0.5]]
        (row,) = session.scalars(select(PictureRow))
        assert (row.stage, row.likeness, row.job_id) == (SAMPLE, 0.5, training)
        (tmp_path / "sample.jpg").write_bytes(studio.blobs.get(row.blob))
    assert provenance.show(tmp_path / "sample.jpg").by_a_model
    assert len([name for name in studio.blobs.names() if name.startswith("pictures/")]) == 1


def test_nobody_is_told_a_time_before_a_job_of_the_kind_was_done_and_then_it_counts_what_is_ahead(studio, anna, clock):
    training, first, second = ordered(studio, anna, count=2)
    claim(studio)
    with studio.database.session() as session:
        ahead = outlook(session, clock())
        assert ahead.places == {first: 1, second: 2}
        assert ahead.left == {}
        row = session.get_one(JobRow, training)
        row.told = {"left": 60}
        assert outlook(session, clock()).left == {training: 60}
        done = session.get_one(JobRow, second)
        done.state, done.seconds, done.ended = "done", 30.0, clock()
        session.flush()
        assert outlook(session, clock()).left == {training: 60, first: 90}
    clock.move(seconds=20)
    with studio.database.session() as session:
        row = session.get_one(JobRow, training)
        row.told, row.state = {}, "done"
        running = session.get_one(JobRow, first)
        running.state, running.started = "running", clock()
        session.flush()
        clock.move(seconds=10)
        assert outlook(session, clock()).left == {first: 20}
