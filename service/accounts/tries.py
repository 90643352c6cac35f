"""Failed sign-ins, counted by name and by address; too many, and the next ones are not even looked at."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ..errors import StudioError
from ..settings import limit
from ..storage import TryRow


class Tries:
    """The tries at one name from one address. Neither is stored, only a hash of each."""

    def __init__(self, name: str, address: str) -> None:
        self.kinds = {_hash("name", name.casefold()): "tries_a_name", _hash("address", address): "tries_an_address"}

    def check(self, session: Session, now: datetime) -> None:
        """Raise StudioError 429 when there were too many lately."""
        for what, kind in self.kinds.items():
            rule = limit(kind)
            since = now - timedelta(minutes=rule["minutes"])
            count = session.scalar(select(func.count()).where(TryRow.what == what, TryRow.at > since)) or 0
            if count >= rule["count"]:
                raise StudioError("too_many_tries", 429, minutes=rule["minutes"])

    def failed(self, session: Session, now: datetime) -> None:
        """Count one more."""
        session.add_all(TryRow(what=what, at=now) for what in self.kinds)

    def forget(self, session: Session) -> None:
        """Count this name from zero: its owner has signed in."""
        session.execute(delete(TryRow).where(TryRow.what == next(iter(self.kinds))))


def _hash(kind: str, text: str) -> str:
    return hashlib.sha256(f"{kind}\0{text}".encode("utf-8", "replace")).hexdigest()
