"""A studio asked over HTTP, by a program with a token or by a server with pages for its visitors."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import urllib3
from pydantic import BaseModel, TypeAdapter, ValidationError

from ..errors import StudioError, ToldError
from ..settings import limit
from ..shapes import PhotoTaken
from .operations import Content, Operations

T = TypeVar("T")
API = "/api/v1"
LARGEST = 32_000_000
"""Bytes of an answer that is not a file."""
PIECE = 65_536
_KIND = "urn:portrait-studio:problem:"
_NO_KEY = urllib3.Retry(connect=2, read=1, redirect=0, status=0, other=0, backoff_factor=0.2, allowed_methods=("GET",))
"""A request that did not reach the studio is sent again; one that may have is not, unless it reads or has a key."""
_HAS_A_KEY = urllib3.Retry(connect=2, read=1, redirect=0, status=0, other=0, backoff_factor=0.2, allowed_methods=None)


@dataclass(frozen=True)
class SessionNews:
    """Something that happened to a session; `id` is what a reader goes on from."""

    id: int
    kind: str
    facts: dict[str, Any]


def pool() -> urllib3.PoolManager:
    """Return connections for any number of clients."""
    return urllib3.PoolManager(maxsize=32, timeout=urllib3.Timeout(connect=5.0, read=120.0))


class StudioClient(Operations):
    """A studio at an address. `language` is that of its sentences; `login` is what a visitor's browser holds."""

    def __init__(
        self, url: str, token: str, language: str = "en", login: str = "", pooled: urllib3.PoolManager | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._pool = pooled or pool()
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Language": language}
        if login:
            self._headers["Studio-Login"] = login

    def __enter__(self) -> StudioClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def add_photos(self, subject: str, files: Iterable[tuple[str, bytes]]) -> list[PhotoTaken]:
        """Send photos, one in a request: so no more than one is in memory, and a lost connection loses one."""
        taken: list[PhotoTaken] = []
        for name, content in files:
            fields = {"files": (name or "photo", content, "application/octet-stream")}
            sent, kind = urllib3.encode_multipart_formdata(fields)
            path = f"/subjects/{quote(subject, safe='')}/photos"
            taken += self._read(self._send("POST", path, sent, {"Content-Type": kind}), list[PhotoTaken])
        return taken

    def session_events(self, session: str, after: int = 0) -> Iterator[SessionNews]:
        """Yield news of a session as they come, those after the one of id `after`, until all its jobs have ended."""
        path = f"/sessions/{quote(session, safe='')}/events"
        answer = self._send("GET", path, None, {"Last-Event-ID": str(after)})
        with _away(), contextlib.closing(answer):
            for block in _blocks(answer.stream(PIECE)):
                told = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line[1:])
                if told.get("event") == "end":
                    return
                if "id" in told:
                    yield SessionNews(int(told["id"]), told["event"], json.loads(told["data"]))

    def _ask(
        self, method: str, path: str, gives: type[T], body: BaseModel | None = None, key: str = "", **where: Any
    ) -> T:
        sent = None if body is None else body.model_dump_json().encode()
        headers = {"Content-Type": "application/json"} if sent else {}
        if key:
            headers["Idempotency-Key"] = key
        return self._read(self._send(method, _filled(path, where), sent, headers), gives)

    def _fetch(self, method: str, path: str, **where: Any) -> Content:
        answer = self._send(method, _filled(path, where), None, {})

        def pieces() -> Iterator[bytes]:
            with _away(), contextlib.closing(answer):
                yield from answer.stream(PIECE)

        return Content(answer.headers.get("content-type", "application/octet-stream"), pieces())

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        retries = _HAS_A_KEY if "Idempotency-Key" in headers else _NO_KEY
        with _away():
            answer = self._pool.request(
                method,
                f"{self.url}{API}{path}",
                body=body,
                headers={**self._headers, **headers},
                retries=retries,
                redirect=False,
                preload_content=False,
            )
            if answer.status < 300:
                return answer
            with contextlib.closing(answer):
                raise _refusal(answer.status, answer.read(limit("form_bytes")))

    def _read(self, answer: urllib3.BaseHTTPResponse, gives: type[T]) -> T:
        with _away():
            content = answer.read(LARGEST + 1)  # at its end the connection is free for the next request
        if len(content) > LARGEST:
            answer.close()
            raise StudioError("api_strange", 502)
        if gives is type(None):
            return None  # type: ignore[return-value]
        try:
            return TypeAdapter(gives).validate_json(content)
        except ValidationError as error:
            raise StudioError("api_strange", 502) from error


def _filled(path: str, where: dict[str, Any]) -> str:
    """Return a path with its names filled in, and what is left as the query."""
    query = {}
    for name, value in where.items():
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
        else:
            query[name] = value
    return f"{path}?{urlencode(query)}" if query else path


def _refusal(status: int, body: bytes) -> StudioError:
    try:
        told = json.loads(body)
        kind, detail = told["type"], told["detail"]
    except (ValueError, TypeError, KeyError):
        return StudioError("api_away", 503)
    if not isinstance(kind, str) or not isinstance(detail, str) or not kind.startswith(_KIND):
        return StudioError("api_away", 503)
    return ToldError(kind.removeprefix(_KIND), status, detail)


@contextlib.contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise StudioError("api_away", 503) from error


def _blocks(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the blocks of server-sent events, which are apart by an empty line."""
    left = b""
    for piece in pieces:
        *whole, left = (left + piece).split(b"\n\n")
        yield from (block.decode("utf-8", "replace") for block in whole)
        if len(left) > limit("form_bytes"):
            raise StudioError("api_strange", 502)
