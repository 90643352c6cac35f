"""Who calls, and with what right: every route of the API names its scope here, or is refused before it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from ..accounts import AT_THE_DOOR, Holder, everything, holder_of, signed_in
from ..errors import StudioError
from ..storage import AccountRow
from ..work import Studio

READING = ("GET", "HEAD")
LOGIN = "Studio-Login"
"""The header in which a server with pages hands on what its visitor's browser holds; worth nothing without its token.
"""


@dataclass(frozen=True)
class Caller:
    """A request of somebody: the studio, an open session, who it is, the time, and the secret of a browser."""

    studio: Studio
    session: Session
    holder: Holder
    now: datetime
    login: str = ""

    @property
    def account(self) -> AccountRow:
        """Return whose request it is."""
        return self.holder.account

    @property
    def id(self) -> str:
        """Return the owner's id, which every row is reached through."""
        return self.holder.account.id


def needs(scope: str, reading: bool = False) -> Callable[[Request], Iterator[Caller]]:
    """Return the dependency of a route that wants a scope. What the route changes is written before it answers.

    With `reading` the session changes nothing: for routes that work long and open sessions of their own.
    """

    def caller(request: Request) -> Iterator[Caller]:
        studio: Studio = request.app.state.studio
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        with studio.database.session(reading=reading or request.method in READING) as session:
            now = studio.settings.clock()
            holder = holder_of(session, secret.strip()) if kind.lower() == "bearer" and secret else None
            login = request.headers.get(LOGIN, "")
            if holder is not None and login and AT_THE_DOOR in holder.scopes:
                found = signed_in(session, login, now)
                holder = everything(found[0]) if found else None
            if holder is None:
                raise StudioError("sign_in", 401)
            if not request.app.state.pace.allows(holder.account.id):
                raise StudioError("too_many_requests", 429)
            holder.require(scope)
            yield Caller(studio, session, holder, now, login)

    caller.scope = scope  # type: ignore[attr-defined]
    return caller


Reads = Annotated[Caller, Depends(needs("read"), scope="function")]
Sends = Annotated[Caller, Depends(needs("photos"), scope="function")]
Uploads = Annotated[Caller, Depends(needs("photos", reading=True), scope="function")]
Works = Annotated[Caller, Depends(needs("work"), scope="function")]
Deletes = Annotated[Caller, Depends(needs("delete"), scope="function")]
Operates = Annotated[Caller, Depends(needs("operate"), scope="function")]
Fronts = Annotated[Caller, Depends(needs(AT_THE_DOOR), scope="function")]
Doors = Annotated[Caller, Depends(needs(AT_THE_DOOR, reading=True), scope="function")]
