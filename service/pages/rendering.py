"""Templates to pages, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..words import LANGUAGES, choose, said, say
from ..work.looks import title

HERE = Path(__file__).parent
LANGUAGE = "language"
"""The cookie of the chosen language."""


class Pages:
    """Renders templates; what people wrote is escaped everywhere."""

    def __init__(self) -> None:
        self._jinja = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(self, request: Request, template: str, status: int = 200, **facts: Any) -> HTMLResponse:
        """Return a page.

        Templates have `t(key)` for texts, `told(sentence)` for what reports say, `look(name)` for what a look is
        called, `language`, `signed` and `csrf`.
        """
        language = language_of(request)

        def text(key: str, **more: Any) -> str:
            return say(key, language, **more)

        def look(name: str) -> str:
            return title(name, language)

        def told(sentence: str) -> str:
            return said(sentence, language)

        base = {
            "told": told,
            "signed": None,
            "csrf": "",
            "t": text,
            "look": look,
            "language": language,
            "languages": LANGUAGES,
        }
        return HTMLResponse(self._jinja.get_template(template).render({**base, **facts}), status)

    def problem(self, request: Request, status: int, detail: str, headers: Mapping[str, str]) -> Response:
        """Return a page that says what went wrong; whoever is not signed in is led to where they can."""
        if status == 401:
            there = {"HX-Redirect": "/sign-in"}
            return (
                HTMLResponse("", 204, there) if "hx-request" in request.headers else RedirectResponse("/sign-in", 303)
            )
        answer = self.page(request, "problem.html", status, detail=detail)
        answer.headers.update(headers)
        return answer


def language_of(request: Request) -> str:
    """Return the reader's language: chosen, or the browser's."""
    return choose(request.headers.get("accept-language", ""), request.cookies.get(LANGUAGE, ""))


def pages_of(request: Request) -> Pages:
    """Return the pages of the application that a request is for."""
    return request.app.state.pages
