"""A session is ordered: one job to learn the face, unless it is known, and one for every portrait."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...portrait.coverage import LEAST_ACCEPTED
from ..errors import StudioError
from ..people import consent_of, note
from ..settings import limit
from ..shapes import MOST_COUNT, MOST_SEED
from ..storage import JobRow, NewsRow, PersonRow, PhotoRow, SittingRow
from . import looks

OPEN = ("waiting", "running")


@dataclass(frozen=True)
class ChosenLooks:
    """What somebody chose: every pose with every tone, `count` pictures of each, from `seed` on."""

    poses: list[str] = field(default_factory=list)
    tones: list[str] = field(default_factory=list)
    count: int = 1
    seed: int = 1


def order(session: Session, person: PersonRow, wanted: ChosenLooks, now: datetime) -> SittingRow:
    """Order a session; its jobs wait from then on. Raises StudioError when the photos or the wishes will not do."""
    if consent_of(session, person) is None:
        raise StudioError("no_consent", 409)
    poses = looks.check("pose", wanted.poses, looks.poses())
    tones = looks.check("tone", wanted.tones, looks.tones())
    if not 1 <= wanted.count <= MOST_COUNT:
        raise StudioError("bad_picture_number", 422, most=MOST_COUNT)
    if not 0 <= wanted.seed <= MOST_SEED - MOST_COUNT:
        raise StudioError("bad_request", 422, why=f"seed is 0 to {MOST_SEED - MOST_COUNT}")
    if len(poses) * len(tones) * wanted.count > limit("pictures_a_session"):
        raise StudioError("too_many_pictures", 422, most=limit("pictures_a_session"))
    draws = [
        {"pose": pose, "tone": tone, "seed": wanted.seed + number}
        for pose in poses
        for tone in tones
        for number in range(wanted.count)
    ]
    if not person.trained:
        _refuse_photos(session, person)
    chosen = {"poses": poses, "tones": tones, "count": wanted.count, "seed": wanted.seed}
    return _ordered(session, person, chosen, draws, now)


def again(session: Session, person: PersonRow, job: JobRow, pose: str, tone: str, now: datetime) -> SittingRow:
    """Order the picture of a job once more, with another `pose` or `tone` where one is given. Raises StudioError.

    The seed stays, so that nothing else changes, unless the look has had it: then it is the next one.
    """
    if job.kind != "draw":
        raise StudioError("not_found", 404)
    look = (pose or job.settings["pose"], tone or job.settings["tone"])
    used = [
        one["seed"]
        for one in session.scalars(select(JobRow.settings).where(JobRow.person_id == person.id, JobRow.kind == "draw"))
        if (one["pose"], one["tone"]) == look
    ]
    seed = job.settings["seed"]
    if seed in used:
        seed = (max(used) + 1) % MOST_SEED
    return order(session, person, ChosenLooks([look[0]], [look[1]], 1, seed), now)


def _refuse_photos(session: Session, person: PersonRow) -> None:
    """Raise StudioError unless enough photos were found good."""
    counted = select(PhotoRow.state, func.count()).where(PhotoRow.person_id == person.id).group_by(PhotoRow.state)
    counts: dict[str, int] = dict(session.execute(counted).all())  # type: ignore[arg-type]
    if not counts:
        raise StudioError("no_photos", 409)
    if counts.get("waiting"):
        raise StudioError("still_looking", 409)
    accepted = counts.get("accepted", 0)
    if accepted < LEAST_ACCEPTED:
        more = LEAST_ACCEPTED - accepted
        raise StudioError("too_few_photos", 409, accepted=accepted, least=LEAST_ACCEPTED, more=more)


def _ordered(
    session: Session, person: PersonRow, chosen: dict[str, Any], draws: list[dict[str, Any]], now: datetime
) -> SittingRow:
    waiting = select(func.count()).where(JobRow.owner_id == person.owner_id, JobRow.state.in_(OPEN))
    if (session.scalar(waiting) or 0) + len(draws) > limit("open_jobs_an_account"):
        raise StudioError("too_many_jobs", 409, most=limit("open_jobs_an_account"))
    sitting = SittingRow(owner_id=person.owner_id, person_id=person.id, looks=chosen, created=now)
    session.add(sitting)
    session.flush()
    training = select(JobRow.id).where(JobRow.person_id == person.id, JobRow.kind == "train", JobRow.state.in_(OPEN))
    work: list[tuple[str, dict[str, Any]]] = [("draw", one) for one in draws]
    if not person.trained and not session.scalar(training):
        work.insert(0, ("train", {}))
    last = session.scalar(select(func.max(JobRow.number))) or 0
    for number, (kind, settings) in enumerate(work, last + 1):
        session.add(
            JobRow(
                owner_id=person.owner_id,
                person_id=person.id,
                sitting_id=sitting.id,
                kind=kind,
                settings=settings,
                number=number,
                created=now,
            )
        )
    note(session, now, person.owner_id, "session ordered", sitting.id)
    return sitting


def cancel(session: Session, job: JobRow, now: datetime) -> None:
    """Cancel a job that waits or runs; the worker takes it off the host. Raises StudioError when it is over."""
    if job.state not in OPEN:
        raise StudioError("job_over", 409)
    end(session, job, "cancelled", now)
    note(session, now, job.owner_id, "job cancelled", job.id)


def jobs_of(session: Session, sitting: SittingRow) -> list[JobRow]:
    """Return the jobs of a session in their order."""
    return list(session.scalars(select(JobRow).where(JobRow.sitting_id == sitting.id).order_by(JobRow.number)))


def cancel_all(session: Session, sitting: SittingRow, now: datetime) -> None:
    """Cancel what of a session has not ended."""
    for job in jobs_of(session, sitting):
        if job.state in OPEN:
            cancel(session, job, now)


def end(session: Session, job: JobRow, state: str, now: datetime, reason: str = "") -> None:
    """Give a job its last state, and tell whoever watches; without a face learned, what waited for it fails too."""
    job.state, job.reason, job.ended = state, reason, now
    if job.started:
        job.seconds = (now - job.started).total_seconds()
    tell(session, job, now)
    if job.kind == "train" and state != "done":
        waiting = select(JobRow).where(
            JobRow.person_id == job.person_id, JobRow.kind == "draw", JobRow.state == "waiting"
        )
        for one in session.scalars(waiting):
            end(session, one, state, now, reason)


def tell(session: Session, job: JobRow, now: datetime) -> None:
    """Write news of a job for whoever watches its session."""
    facts = {"job": job.id, "state": job.state, "progress": round(job.progress, 3), "reason": job.reason}
    session.add(NewsRow(owner_id=job.owner_id, sitting_id=job.sitting_id, kind="job", facts=facts, at=now))
