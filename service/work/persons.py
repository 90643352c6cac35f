"""A person is made together with the consent: there is no moment at which photos could come without it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..accounts.making import proper_name
from ..errors import StudioError
from ..people import agree, note
from ..settings import limit
from ..storage import AccountRow, PersonRow

CLASS_WORDS = ("person", "woman", "man", "girl", "boy")


def new_person(
    session: Session, account: AccountRow, name: str, class_word: str, consent: str, language: str, now: datetime
) -> PersonRow:
    """Make a subject, with the consent to the text of version `consent`. Raises StudioError."""
    count = session.scalar(select(func.count()).where(PersonRow.owner_id == account.id)) or 0
    if count >= limit("subjects_an_account"):
        raise StudioError("too_many_subjects", 409, most=limit("subjects_an_account"))
    if class_word not in CLASS_WORDS:
        raise StudioError("bad_request", 422, why=f"class_word is one of {', '.join(CLASS_WORDS)}")
    person = PersonRow(owner_id=account.id, name=proper_name(name), class_word=class_word, created=now)
    session.add(person)
    session.flush()
    note(session, now, account.id, "subject made", person.id)
    agree(session, account, person, consent, language, now)
    return person
