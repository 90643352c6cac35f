"""The operations of the API for somebody of this process: the same functions as behind its routes, without HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any, TypeVar

from fastapi import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from ..client import Content, Operations
from ..shapes import PhotoTaken
from .answers import ZipFile
from .app import ROUTERS
from .callers import Caller
from .subjects import photo_taken
from .uploads import take_all

T = TypeVar("T")
PIECE = 65_536


class Here(Operations):
    """What a caller of this process may ask; each operation asks for its scope as its route does."""

    def __init__(self, caller: Caller, language: str = "en") -> None:
        self.caller, self.language = caller, language

    def add_photos(self, subject: str, files: Iterable[tuple[str, bytes]]) -> list[PhotoTaken]:
        """Take photos; the caller's session ends with it, so that nothing is held while photos are read."""
        self.caller.holder.require("photos")
        owner = self.caller.id
        self.caller.session.close()
        taken = take_all(self.caller.studio, owner, subject, files)
        return [photo_taken(name, one, self.language) for name, one in taken]

    def _ask(
        self, method: str, path: str, gives: type[T], body: BaseModel | None = None, key: str = "", **where: Any
    ) -> T:
        answer = self._answer(method, path, where | ({} if body is None else {"body": body}))
        return None if isinstance(answer, Response) else answer  # type: ignore[return-value]

    def _fetch(self, method: str, path: str, **where: Any) -> Content:
        answer = self._answer(method, path, where)
        media_type = answer.media_type or "application/octet-stream"
        if isinstance(answer, ZipFile):
            return Content(media_type, iter(partial(answer.packed.read, PIECE), b""))
        return Content(media_type, [bytes(answer.body)])

    def _answer(self, method: str, path: str, facts: dict[str, Any]) -> Any:
        endpoint, scope = _routes()[method, path]
        self.caller.holder.require(scope)
        return endpoint(caller=self.caller, **facts)


@cache
def _routes() -> dict[tuple[str, str], tuple[Callable[..., Any], str]]:
    """Return function and scope of every route."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return {(method, route.path): (route.endpoint, _scope(route)) for route in routes for method in route.methods or ()}


def _scope(route: APIRoute) -> str:
    (scope,) = [one.call.scope for one in route.dependant.dependencies if hasattr(one.call, "scope")]  # type: ignore[union-attr]
    return scope
