"""What stands before every route: how large a request may be, what browsers may load, how often somebody may ask."""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from time import monotonic
from typing import Any

from ..settings import limit
from ..words import sentence

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)
"""Nothing inline, nothing from elsewhere: a name that somebody chose cannot become a program."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not no-referrer: browsers would then send forms with the Origin null, as those of a stranger's page.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class _TooLargeError(Exception):
    pass


class Guard:
    """Middleware: bounds bodies while they arrive, whatever their Content-Length says, and sets HEADERS on answers."""

    def __init__(self, app: App, secure: bool) -> None:
        self.app = app
        self.headers = HEADERS | ({"strict-transport-security": "max-age=31536000"} if secure else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Only uploads may be large; a form of a page or a JSON body is small.
        large = scope["path"].endswith("/photos") and scope["method"] == "POST"
        most = limit("request_bytes" if large else "form_bytes")
        got, begun, over = 0, False, False

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal got, over
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                over = True  # whoever reads the body may turn the error into an answer of its own
                raise _TooLargeError
            return message

        async def dressed(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            if over and not begun:
                return
            if message["type"] == "http.response.start":
                begun = True
                there = {name.lower() for name, _ in message["headers"]}
                more = {**self.headers, "cache-control": "no-store"}
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in more.items() if name.encode() not in there),
                ]
            await send(message)

        told = dict(scope["headers"]).get(b"content-length", b"0")
        over = told.isdigit() and int(told) > most
        with contextlib.suppress(_TooLargeError):
            if not over:
                await self.app(scope, bounded, dressed)
        if over and not begun:
            over = False
            await _refuse(dressed, most)


async def _refuse(send: Send, most: int) -> None:
    detail = sentence("too_large", "en", megabytes=max(1, most // 1_000_000))
    kind = "urn:portrait-studio:problem:too_large"
    body = json.dumps({"type": kind, "title": "too large", "status": 413, "detail": detail}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Pace:
    """How often each account asks: in the memory of this process, since it guards this process."""

    def __init__(self) -> None:
        rule = limit("requests_an_account")
        self.count, self.seconds = rule["count"], rule["minutes"] * 60.0
        self._asked: dict[str, deque[float]] = {}

    def allows(self, account: str) -> bool:
        """Count a request; return whether it may be answered."""
        now = monotonic()
        asked = self._asked.setdefault(account, deque())
        while asked and now - asked[0] > self.seconds:
            asked.popleft()
        if len(asked) >= self.count:
            return False
        asked.append(now)
        return True
