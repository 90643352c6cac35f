"""Consent: which text, in which language, when, by whom, for which subject. Without it no photo is taken."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..errors import StudioError
from ..storage import AccountRow, ConsentRow, PersonRow
from ..words import consent
from .audit import note


def agree(
    session: Session, account: AccountRow, person: PersonRow, version: str, language: str, now: datetime
) -> ConsentRow:
    """Write down that an account agreed for a subject. Raises StudioError when the text is another by now."""
    text = consent(language)
    if version != text["version"]:
        raise StudioError("consent_changed", 409)
    digest = hashlib.sha256(text["text"].encode()).hexdigest()
    row = ConsentRow(
        owner_id=account.id, person_id=person.id, version=version, text_sha256=digest, language=language, at=now
    )
    session.add(row)
    note(session, now, account.id, "agreed", person.id)
    return row


def consent_of(session: Session, person: PersonRow) -> ConsentRow | None:
    """Return the consent to the present text, or None: a new version must be agreed to again."""
    return session.scalar(
        select(ConsentRow)
        .where(ConsentRow.person_id == person.id, ConsentRow.version == consent("en")["version"])
        .order_by(ConsentRow.at.desc())
        .limit(1)
    )
