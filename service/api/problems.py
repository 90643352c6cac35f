"""Errors as RFC 9457 has them: application/problem+json, or a page for a browser."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ...portrait.errors import PortraitError
from ..errors import StudioError
from ..words import choose

log = logging.getLogger("portrait_studio.service")
MEDIA_TYPE = "application/problem+json"
_KINDS = {404: "not_found", 405: "bad_request", 413: "too_large", 503: "database_away"}


class ProblemShape(BaseModel):
    """RFC 9457: `type` names the kind for programs, `detail` is the sentence for people, in the reader's language."""

    type: str
    title: str
    status: int
    detail: str


def add_problems(app: FastAPI) -> None:
    """Have every error of an app answered as a problem; none tells more of this machine than its sentence."""

    @app.exception_handler(PortraitError)
    def portrait(request: Request, error: PortraitError) -> Response:
        if isinstance(error, StudioError):
            return answer(request, error)
        log.error("%s: %s", type(error).__name__, error)
        return answer(request, StudioError("files_away", 503))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return answer(request, StudioError("bad_request", 422, why=f"{where}: {first['msg']}"[:200]))

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        kind = _KINDS.get(error.status_code, "bad_request")
        facts = {"why": str(error.detail)[:200], "megabytes": 0}
        response = answer(request, StudioError(kind, error.status_code, **facts))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    def other(request: Request, error: Exception) -> Response:
        log.exception("A request failed", exc_info=error)
        return answer(request, StudioError("failed", 500))


def answer(request: Request, error: StudioError) -> Response:
    """Return the answer for an error: a page of the studio where a browser asked for one, a problem elsewhere."""
    detail = error.said(choose(request.headers.get("accept-language", ""), request.cookies.get("language", "")))
    headers = {"Retry-After": "60"} if error.status in (429, 503) else {}
    pages = getattr(request.app.state, "pages", None)
    if pages is not None and not request.url.path.startswith("/api/"):
        return pages.problem(request, error.status, detail, headers)
    problem = ProblemShape(
        type=f"urn:portrait-studio:problem:{error.kind}",
        title=error.kind.replace("_", " "),
        status=error.status,
        detail=detail,
    )
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem.model_dump(), error.status, headers, MEDIA_TYPE)
