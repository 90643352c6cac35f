"""Tokens of programs: what a program may do is said by scopes, and its owner is an account like any other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..errors import StudioError
from ..people.audit import note
from ..storage import AccountRow, TokenRow
from .making import OPERATOR, proper_name
from .secrets import digest, new_secret

SCOPES = ("photos", "read", "work", "delete", "operate")
"""`read` everything of one's own; `photos` to upload; `work` to start and cancel; `delete`; `operate` the studio."""
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
    """Return the holder that a signed-in browser is."""
    return Holder(account, frozenset(SCOPES))


def make_token(session: Session, account: AccountRow, name: str, scopes: list[str], now: datetime) -> tuple[str, str]:
    """Return the (id, secret) of a new token; the secret is shown this once. Raises StudioError."""
    if not scopes or set(scopes) - set(SCOPES):
        raise StudioError("unknown_scope", 422, scopes=", ".join(SCOPES))
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
