"""One job on one host, from its photos to its pictures; whatever ends this process, the next one finds it again."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...portrait import provenance, reading
from ...portrait.coverage import LEAST_ACCEPTED
from ...portrait.errors import PortraitError
from ...runner.client import AddressError, Client, HostError, events
from ...runner.graph import located
from ...runner.jobs import Job, Result, build, run, upload_photos
from ...runner.session import choose_checkpoint, defaults_for, graph_settings
from ..errors import StudioError
from ..storage import SAMPLE, JobRow, PersonRow, PictureRow
from ..words import sentence
from . import ordering
from .following import JobTrack
from .hosts import prompt_of
from .photos import photos_of
from .queue import next_job
from .studio import Studio

PAUSE = 1.0
"""Seconds between two looks at whether a running job was cancelled, and between two notes of its progress."""
TRAINER, TRIGGER = "train-subject", "ohwx"
AWAY = (AddressError, HostError)


def claim(studio: Studio) -> str:
    """Return the id of the job whose turn it is, its row now running; empty when none waits."""
    with studio.database.session() as session:
        job = next_job(session)
        if job is None:
            return ""
        now = studio.settings.clock()
        job.started = job.started or now
        job.state = "running"
        ordering.tell(session, job, now)
        return job.id


def recover(studio: Studio) -> int:
    """Have the jobs that an earlier process was at go on; return how many. They are found again on the host by name."""
    with studio.database.session() as session:
        left = list(session.scalars(select(JobRow).where(JobRow.state == "running")))
        for job in left:
            job.state = "waiting"
        return len(left)


def work(studio: Studio, url: str, job: str, scratch: Path) -> bool:
    """Do a claimed job; return False when the host is away, and the job waits again. Raises StudioError, BlobError."""
    folder = scratch / job
    try:
        made = JobFollowing(studio, url, job, folder)
        try:
            result, built = made.run()
        except AWAY:
            _wait_again(studio, job)
            return False
        except PortraitError as error:
            _end(studio, job, "failed", str(error))
        else:
            # A report that stops its graph leaves a job that ended well and made nothing.
            if any(image.node == built.stages[-1].image for image in result.images):
                made.finish()
                keep(studio, job, result, built)
            else:
                _end(studio, job, "failed", " ".join(result.warnings) or sentence("nothing_made", "en"))
        return True
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class JobFollowing:
    """A job on its way; a listener that passes progress on, and cancels on the host what was cancelled here."""

    def __init__(self, studio: Studio, url: str, job: str, folder: Path) -> None:
        self.studio, self.url, self.job, self.folder = studio, url, job, folder
        self.looked = time.monotonic()
        self.prompt_id = prompt_of(job)
        self.track = JobTrack({})

    def run(self) -> tuple[Result, Job]:
        """Run it to its end. Raises PortraitError."""
        with self.studio.database.session(reading=True) as session:
            job = session.get_one(JobRow, self.job)
            person = session.get_one(PersonRow, job.person_id)
            photos = [photo for photo in photos_of(session, person.id) if photo.state == "accepted"]
        if job.kind == "train" and len(photos) < LEAST_ACCEPTED:
            # Without photos the graph would train on the example that it was saved with.
            more = LEAST_ACCEPTED - len(photos)
            raise StudioError("too_few_photos", 409, accepted=len(photos), least=LEAST_ACCEPTED, more=more)
        self.folder.mkdir(parents=True, exist_ok=True)
        files = []
        for photo in photos:
            files.append(self.folder / f"{photo.id}.jpg")
            files[-1].write_bytes(self.studio.blobs.get(photo.blob))
        with Client(self.url) as client:
            checkpoint = choose_checkpoint(self.studio.settings.checkpoint, client.models("checkpoints"))
            defaults = defaults_for(checkpoint)
            graph = located(Path(TRAINER if job.kind == "train" else defaults.graph))
            usual = graph_settings(graph, defaults.training if job.kind == "train" else defaults.portraits)
            settings = {**usual, "checkpoint": checkpoint, **self._settings(job, person)}
            uploads = (lambda: upload_photos(client, files)) if files else None
            built = build.job(client, graph, settings, uploads, self.prompt_id)
            self.track = JobTrack(built.prompt)
            return run(built, client, self.folder / "out", listener=self), built

    def _settings(self, job: JobRow, person: PersonRow) -> dict[str, str]:
        if job.kind == "train":
            words = {"trigger": TRIGGER, "class_word": person.class_word}
            return {"name": subject_of(person), "replace": "true", **words}
        return {"subject": person.subject, **{key: str(value) for key, value in job.settings.items()}}

    def __call__(self, event: events.Event) -> None:
        """Take in an event of the host; what is written down of it is written once a second at most."""
        self.track.take(event)
        if time.monotonic() - self.looked < PAUSE:
            return
        self.looked = time.monotonic()
        with self.studio.database.session() as session:
            job = session.get(JobRow, self.job)
            if job is not None and job.state == "running":
                self._note(session, job)
                return
        with Client(self.url, timeout=5.0) as client:
            client.cancel(self.prompt_id, 5.0)

    def finish(self) -> None:
        """Write down what came since the last note."""
        with self.studio.database.session() as session:
            job = session.get(JobRow, self.job)
            if job is not None and job.state == "running":
                self._note(session, job)

    def _sample(self) -> tuple[str, bytes]:
        """Return the newest sample, once, marked, with its media type; a host may send what is no picture."""
        media_type, picture = self.track.sample or ("", b"")
        self.track.sample = None
        if not picture:
            return "", b""
        name = f"sample.{media_type.rpartition('/')[2]}"
        try:
            bare = provenance.without_private_parts(picture, name)
            return media_type, provenance.mark(bare, name, None, self.studio.settings.marking)
        except PortraitError:
            return "", b""

    def _note(self, session: Session, job: JobRow) -> None:
        """Write down how far the job is, and the newest sample of a training."""
        now, track = self.studio.settings.clock(), self.track
        told = {"curve": track.curve, "left": track.left and round(track.left)}
        if track.progress > job.progress or told != job.told:
            job.progress, job.told = max(job.progress, track.progress), told
            ordering.tell(session, job, now)
        media_type, picture = self._sample()
        if picture:
            for earlier in session.scalars(select(PictureRow).where(PictureRow.job_id == job.id)):
                self.studio.blobs.delete(earlier.blob)
                session.delete(earlier)
            session.flush()
            likeness = track.curve[-1][1] if track.curve else None
            session.add(_picture(self.studio, job, picture, media_type, SAMPLE, 0, likeness))


def subject_of(person: PersonRow) -> str:
    """Return what a subject is called on hosts: nothing that speaks of the person."""
    return f"studio-{person.id}"


def keep(studio: Studio, id: str, result: Result, built: Job) -> None:
    """Keep the pictures of a job, marked, and note that it is done, in one transaction: once, however often called."""
    now = studio.settings.clock()
    stages = {stage.image: (place, stage.name) for place, stage in enumerate(built.stages, 1)}
    likeness = {stage.name: stage.likeness for stage in result.stages}
    with studio.database.session() as session:
        job = session.get(JobRow, id)
        if job is None or job.state != "running":
            return  # deleted or cancelled meanwhile: nothing of it is kept
        person = session.get_one(PersonRow, job.person_id)
        if job.kind == "train":
            person.subject, person.trained = subject_of(person), now
        for image in result.images if job.kind == "draw" else ():
            marked, media_type = _marked(studio, image.file, image.record)
            place, stage = stages.get(image.node, (0, ""))
            session.add(_picture(studio, job, marked, media_type, stage, place, likeness.get(stage)))
        job.progress = 1.0
        ordering.end(session, job, "done", now)


def _picture(
    studio: Studio, job: JobRow, content: bytes, media_type: str, stage: str, place: int, likeness: float | None
) -> PictureRow:
    return PictureRow(
        owner_id=job.owner_id,
        person_id=job.person_id,
        job_id=job.id,
        blob=studio.blobs.put("pictures", content),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        media_type=media_type,
        stage=stage,
        place=place,
        likeness=likeness,
        created=studio.settings.clock(),
    )


def _marked(studio: Studio, file: Path, record: Path) -> tuple[bytes, str]:
    content = provenance.without_private_parts(reading.read(file, "picture"), file.name)
    marked = provenance.mark(content, file.name, json.loads(record.read_text("utf-8")), studio.settings.marking)
    return marked, "image/png" if marked.startswith(b"\x89PNG") else "image/jpeg"


def _wait_again(studio: Studio, job_id: str) -> None:
    with studio.database.session() as session:
        job = session.get(JobRow, job_id)
        if job is not None and job.state == "running":
            job.state = "waiting"


def _end(studio: Studio, job_id: str, state: str, reason: str) -> None:
    with studio.database.session() as session:
        job = session.get(JobRow, job_id)
        if job is not None and job.state == "running":
            ordering.end(session, job, state, studio.settings.clock(), reason)
