"""Whose turn it is: of the accounts that wait, the one that was served least lately, then in the order of ordering.

Somebody who orders one portrait does not wait for forty of somebody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..storage import JobRow, PersonRow


def waiting(session: Session) -> list[JobRow]:
    """Return the jobs that could begin, in the order in which they will: fair between accounts."""
    rows = list(session.scalars(select(JobRow).where(JobRow.state == "waiting").order_by(JobRow.number)))
    untrained = {one.person_id for one in rows if one.kind == "train"}
    untrained |= set(session.scalars(select(JobRow.person_id).where(JobRow.kind == "train", JobRow.state == "running")))
    served: dict[str, int] = {}
    keys = []
    for row in rows:
        turn = served.get(row.owner_id, 0)
        served[row.owner_id] = turn + 1
        keys.append((turn, row.number, row))
    return [
        row
        for _, _, row in sorted(keys, key=lambda key: key[:2])
        if row.kind == "train" or row.person_id not in untrained
    ]


@dataclass(frozen=True)
class Outlook:
    """Of jobs that are not over, by their ids: the place in the queue, 1 is next, and the seconds until they are done.

    Seconds are missing where no earlier job of the kind tells how long one takes.
    """

    places: dict[str, int]
    left: dict[str, float]


def outlook(session: Session, now: datetime) -> Outlook:
    """Return when which job is likely to be done. Those that wait for their own training come after it."""
    able = waiting(session)
    ready = {row.id for row in able}
    rows = session.scalars(select(JobRow).where(JobRow.state == "waiting").order_by(JobRow.number))
    order = [*able, *(row for row in rows if row.id not in ready)]
    running = list(session.scalars(select(JobRow).where(JobRow.state == "running")))
    usual = {kind: _usual(session, kind) for kind in {row.kind for row in (*order, *running)}}
    left: dict[str, float] = {}
    ahead: float | None = 0.0  # seconds of work before the next one; not known behind one that is not known
    for row in running:
        seconds = _rest(row, usual[row.kind], now)
        ahead = None if seconds is None or ahead is None else ahead + seconds
        if seconds is not None:
            left[row.id] = seconds
    lanes = max(1, len(running))
    for row in order:
        one = usual[row.kind]
        if ahead is not None and one is not None:
            left[row.id] = ahead / lanes + one
        ahead = None if ahead is None or one is None else ahead + one
    return Outlook({row.id: place for place, row in enumerate(order, 1)}, left)


def _usual(session: Session, kind: str) -> float | None:
    """Return how many seconds the last jobs of a kind took, the middle one of them."""
    done = select(JobRow.seconds).where(JobRow.kind == kind, JobRow.state == "done", JobRow.seconds.is_not(None))
    times = list(session.scalars(done.order_by(JobRow.ended.desc()).limit(9)))
    return median(times) if times else None  # type: ignore[type-var]


def _rest(row: JobRow, usual: float | None, now: datetime) -> float | None:
    """Return the seconds that a running job takes still: as its host counts, or as others took."""
    told = row.told.get("left")
    if told is not None:
        return float(told)
    if usual is None or row.started is None:
        return None
    return max(usual - (now - row.started).total_seconds(), usual / 20)


def next_job(session: Session) -> JobRow | None:
    """Return the job whose turn it is, or None; draws wait until the face is known."""
    for row in waiting(session):
        if row.kind == "train" or session.scalar(select(PersonRow.trained).where(PersonRow.id == row.person_id)):
            return row
    return None
