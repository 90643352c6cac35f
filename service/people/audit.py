"""The audit log: ids and verbs. No name, no address, no file name; so it may outlive what it speaks of."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from ..storage import AuditRow


def note(session: Session, now: datetime, account: str, action: str, what: str = "") -> None:
    """Write down that an account did something; `what` is an id or a word of ours, never a person's."""
    session.add(AuditRow(at=now, account=account, action=action, what=what))
