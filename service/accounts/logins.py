"""Browsers that are signed in: the row is the truth, the cookie a random key to it.

A cookie out of somebody's log is worth nothing in a day (`idle_hours`), nothing at all after signing out, and the row
holds only its hash. The token against forged requests (CSRF) is bound to the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ..people.audit import note
from ..settings import limit
from ..storage import AccountRow, LoginRow, StudioDatabase
from .secrets import digest, fits, new_secret
from .tries import Tries


@dataclass(frozen=True)
class Login:
    """A browser that has just signed in: the secret of its cookie, and whose it is."""

    secret: str
    account: AccountRow


def begin(session: Session, account: AccountRow, now: datetime) -> Login:
    """Sign an account in; the cookie is new each time, so one that was planted before is not used."""
    secret = new_secret()
    session.add(LoginRow(id=digest(secret), owner_id=account.id, csrf=new_secret(), created=now, seen=now))
    note(session, now, account.id, "signed in")
    return Login(secret, account)


def sign_in(database: StudioDatabase, name: str, password: str, address: str, now: datetime) -> Login | None:
    """Return a new sign-in, or None when name and password do not belong together; failures are counted.

    Raises StudioError 429 after too many. Nobody waits for the database while the password is looked at.
    """
    tries = Tries(name, address)
    with database.session(reading=True) as session:
        tries.check(session, now)
        account = session.scalar(select(AccountRow).where(AccountRow.name == name.strip()))
    right = fits(password, account.password if account else "")
    with database.session() as session:
        tries.check(session, now)  # many at once were all let in by the first look
        account = session.get(AccountRow, account.id) if account and right else None
        if account is None:
            tries.failed(session, now)
            return None
        tries.forget(session)
        return begin(session, account, now)


def signed_in(session: Session, secret: str, now: datetime) -> tuple[AccountRow, LoginRow] | None:
    """Return whose cookie this is, or None when it is nobody's any more; the purge removes what is past its time."""
    row = session.get(LoginRow, digest(secret)) if secret else None
    if row is None:
        return None
    idle, whole = timedelta(hours=limit("idle_hours")), timedelta(hours=limit("login_hours"))
    if now - row.seen > idle or now - row.created > whole:
        return None
    return session.get_one(AccountRow, row.owner_id), row


def seen(database: StudioDatabase, row: LoginRow, now: datetime) -> None:
    """Note that a browser is still there; not at every picture of a gallery."""
    if now - row.seen > timedelta(minutes=5):
        with database.session() as session:
            session.execute(update(LoginRow).where(LoginRow.id == row.id).values(seen=now))


def sign_out(session: Session, secret: str, now: datetime) -> None:
    """End one browser's sign-in."""
    row = session.get(LoginRow, digest(secret))
    if row is not None:
        note(session, now, row.owner_id, "signed out")
        session.execute(delete(LoginRow).where(LoginRow.id == row.id))
