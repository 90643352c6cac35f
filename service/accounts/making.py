"""Accounts are made through links that work once: the first is printed at the first start, the others are invitations.

There is no default password, and no account before somebody has followed the first link.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..errors import StudioError
from ..people.audit import note
from ..settings import limit
from ..storage import AccountRow, InvitationRow, LoginRow
from .secrets import digest, fits, hashed, new_secret

OWNER, OPERATOR, FIRST, FRONT = "owner", "operator", "first", "front"
"""Roles of accounts; FIRST is that of the first link, FRONT that of a server with pages, which nobody signs in as."""


def first_link(session: Session, now: datetime) -> str:
    """Return the secret of the link that makes the first operator, or nothing when there is an account.

    An earlier first link ends, so the one that was printed last is the one that works.
    """
    if session.scalar(select(func.count()).where(AccountRow.role != FRONT)):
        return ""
    session.execute(delete(InvitationRow).where(InvitationRow.role == FIRST))
    return _link(session, FIRST, now)


def invite(session: Session, role: str, operator: str, now: datetime) -> str:
    """Return the secret of an invitation by an operator; `role` is OWNER or OPERATOR. Raises StudioError."""
    if role not in (OWNER, OPERATOR):
        raise StudioError("unknown_role")
    note(session, now, operator, "invited", role)
    return _link(session, role, now)


def _link(session: Session, role: str, now: datetime) -> str:
    secret = new_secret()
    session.add(InvitationRow(id=digest(secret), role=role, expires=now + timedelta(hours=limit("invitation_hours"))))
    return secret


def accept(session: Session, secret: str, name: str, password: str, language: str, now: datetime) -> AccountRow:
    """Make the account that a link is for; the link ends with it. Raises StudioError, and then the link still works."""
    # Before the first statement, so that nobody waits for the database while a hash is made.
    stored, name = hashed(proper_password(password)), proper_name(name)
    invitation = session.get(InvitationRow, digest(secret))
    if invitation is None or invitation.expires <= now:
        raise StudioError("link_used", 410)
    role = OPERATOR if invitation.role == FIRST else invitation.role
    account = AccountRow(name=name, password=stored, role=role, language=language, created=now)
    # Of two who follow one link at the same moment only one removes it.
    if not session.execute(delete(InvitationRow).where(InvitationRow.id == invitation.id)).rowcount:  # type: ignore[attr-defined]
        raise StudioError("link_used", 410)
    session.add(account)
    try:
        session.flush()
    except IntegrityError as error:
        raise StudioError("name_taken", 409) from error
    note(session, now, account.id, "account made", role)
    return account


def change_password(session: Session, account: AccountRow, old: str, new: str, now: datetime) -> None:
    """Change a password; every browser that is signed in must sign in again. Raises StudioError."""
    if not fits(old, account.password):
        raise StudioError("not_the_password", 403)
    account.password = hashed(proper_password(new))
    session.execute(delete(LoginRow).where(LoginRow.owner_id == account.id))
    note(session, now, account.id, "password changed")


def proper_name(name: str) -> str:
    """Return a name in one spelling: NFC, in one line. Raises StudioError when it is empty or too long."""
    name = " ".join("".join(sign for sign in unicodedata.normalize("NFC", name) if _visible(sign)).split())
    if not name or len(name) > limit("name_letters"):
        raise StudioError("bad_name", 422, most=limit("name_letters"))
    return name


def proper_password(password: str) -> str:
    """Return a password that is long enough. Raises StudioError."""
    least, most = limit("password_letters")
    if not least <= len(password) <= most:
        raise StudioError("bad_password", 422, least=least, most=most)
    return password


def _visible(sign: str) -> bool:
    # Joiners are what emoji and some scripts are made of; other control signs turn text around or hide it.
    return sign in "\u200d\ufe0f " or unicodedata.category(sign)[0] not in "C" or sign.isspace()
