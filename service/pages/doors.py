"""The way from the pages to a studio: of this process, or of another server over HTTP. The pages cannot tell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

from ..accounts import AT_THE_DOOR, FRONT, Holder, everything, signed_in
from ..api.callers import Caller
from ..api.guarding import Pace
from ..api.here import Here
from ..client import Operations, StudioClient
from ..client.http import pool
from ..errors import StudioError
from ..storage import AccountRow
from ..work import Studio


class Door(Protocol):
    """`secret` is what the browser's cookie holds; sentences come in `language`."""

    def outside(self, secret: str, language: str) -> contextlib.AbstractContextManager[Operations]:
        """Return what may be asked before somebody is signed in, and whose browser it is."""
        ...

    def inside(self, secret: str, language: str, reading: bool) -> contextlib.AbstractContextManager[Operations]:
        """Return what somebody who is signed in may ask; with `reading` nothing is to be changed.

        Raises StudioError 401 for whoever is not, 429 for whoever asks too often.
        """
        ...


class HereDoor:
    """To the studio of this process; what is done inside is written when the block ends well, or none of it."""

    def __init__(self, studio: Studio, pace: Pace) -> None:
        self.studio, self.pace = studio, pace

    @contextlib.contextmanager
    def outside(self, secret: str, language: str) -> Iterator[Operations]:
        """See Door."""
        nobody = Holder(AccountRow(id="", name="", role=FRONT), frozenset([AT_THE_DOOR]))
        with self.studio.database.session(reading=True) as session:
            yield Here(Caller(self.studio, session, nobody, self.studio.settings.clock(), secret), language)

    @contextlib.contextmanager
    def inside(self, secret: str, language: str, reading: bool) -> Iterator[Operations]:
        """See Door."""
        now = self.studio.settings.clock()
        with self.studio.database.session(reading=reading) as session:
            found = signed_in(session, secret, now)
            if found is None:
                raise StudioError("sign_in", 401)
            if not self.pace.allows(found[0].id):
                raise StudioError("too_many_requests", 429)
            yield Here(Caller(self.studio, session, everything(found[0]), now, secret), language)


class ThereDoor:
    """To the API of a studio elsewhere, with the token of this server; it keeps nothing of anybody."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token, self._pool = url, token, pool()

    @contextlib.contextmanager
    def outside(self, secret: str, language: str) -> Iterator[Operations]:
        """See Door."""
        yield StudioClient(self.url, self.token, language, secret, self._pool)

    @contextlib.contextmanager
    def inside(self, secret: str, language: str, reading: bool) -> Iterator[Operations]:
        """See Door; the API looks at the secret with every operation."""
        if not secret:
            raise StudioError("sign_in", 401)
        yield StudioClient(self.url, self.token, language, secret, self._pool)
