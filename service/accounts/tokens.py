"""Tokens of programs: what a program may do is said by scopes, and its owner is an account like any other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..errors import StudioError
from ..people.audit import note
from ..storage import AccountRow, TokenRow
from .making import FRONT, OPERATOR, proper_name
from .secrets import digest, new_secret

SCOPES = ("photos", "read", "work", "delete", "operate")
"""`read` everything of one's own; `photos` to upload; `work` to start and cancel; `delete`; `operate` the studio."""
AT_THE_DOOR = "front"
"""The scope of a server with pages: to sign people in, and to ask for them with what their browser holds."""
PREFIX = "pst_"


@dataclass(frozen=True)
class Holder:
    """Whoever makes a request: an account, and what it may do with it."""

    account: AccountRow
    scopes: frozenset[str]

    def require(self, scope: str) -> None:
        """Raise StudioError 403 unless the holder may do what the scope is about."""
        if scope not in self.scopes or (scope == "operate" and self.account.role != OPERATOR):
            raise StudioError("not_allowed", 403, scope=scope)


def everything(account: AccountRow) -> Holder:
    """Return the holder that a signed-in browser is, behind the pages."""
    return Holder(account, frozenset((*SCOPES, AT_THE_DOOR)))


def make_front(session: Session, name: str, now: datetime) -> str:
    """Return the secret of a server with pages, an account of its own without a password. Raises StudioError."""
    account = AccountRow(name=proper_name(name), password="", role=FRONT, created=now)
    session.add(account)
    try:
        session.flush()
    except IntegrityError as error:
        raise StudioError("name_taken", 409) from error
    note(session, now, account.id, "front made")
    return _token(session, account, name, [AT_THE_DOOR], now)[1]


def make_token(session: Session, account: AccountRow, name: str, scopes: list[str], now: datetime) -> tuple[str, str]:
    """Return the (id, secret) of a new token; the secret is shown this once. Raises StudioError."""
    if not scopes or set(scopes) - set(SCOPES):
        raise StudioError("unknown_scope", 422, scopes=", ".join(SCOPES))
    return _token(session, account, name, scopes, now)


def _token(session: Session, account: AccountRow, name: str, scopes: list[str], now: datetime) -> tuple[str, str]:
    secret = PREFIX + new_secret()
    row = TokenRow(
        owner_id=account.id, hash=digest(secret), name=proper_name(name), scopes=" ".join(sorted(scopes)), created=now
    )
    session.add(row)
    session.flush()
    note(session, now, account.id, "token made", row.id)
    return row.id, secret


def holder_of(session: Session, secret: str) -> Holder | None:
    """Return who holds a token, or None when it is nobody's."""
    row = session.scalar(select(TokenRow).where(TokenRow.hash == digest(secret)))
    account = session.get(AccountRow, row.owner_id) if row else None
    return Holder(account, frozenset(row.scopes.split())) if row and account else None
