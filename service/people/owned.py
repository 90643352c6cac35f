"""The one way to a row that belongs to somebody."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..errors import not_found
from ..storage import JobRow, PersonRow, PhotoRow, PictureRow, SittingRow, TokenRow

Owned = TypeVar("Owned", PersonRow, PhotoRow, SittingRow, JobRow, PictureRow, TokenRow)


def mine(session: Session, table: type[Owned], id: str, owner: str) -> Owned:
    """Return a row of an owner. Raises StudioError 404 when there is none, or it is somebody else's."""
    row = session.scalar(select(table).where(table.id == id, table.owner_id == owner))
    if row is None:
        raise not_found()
    return row
