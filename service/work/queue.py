"""Whose turn it is: of the accounts that wait, the one that was served least lately, then in the order of ordering.

Somebody who orders one portrait does not wait for forty of somebody else's.
"""

from __future__ import annotations

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


def place_in_queue(session: Session, job: JobRow) -> int:
    """Return how many jobs begin before this one, and it itself: 1 is next; 0 when it does not wait."""
    if job.state != "waiting":
        return 0
    order = [one.id for one in waiting(session)]
    if job.id in order:
        return order.index(job.id) + 1
    return len(order) + 1  # it waits for its own training


def next_job(session: Session) -> JobRow | None:
    """Return the job whose turn it is, or None; draws wait until the face is known."""
    for row in waiting(session):
        if row.kind == "train" or session.scalar(select(PersonRow.trained).where(PersonRow.id == row.person_id)):
            return row
    return None
