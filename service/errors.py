"""What the studio refuses, as RFC 9457 tells it: a status, a name for programs, a sentence for people.

The sentence is a key of words/*.json, so that a page can say it in the reader's language.
"""

from __future__ import annotations

from typing import Any

from ..portrait.errors import PortraitError
from .words import sentence


class StudioError(PortraitError):
    """A request cannot be done; `kind` is a key of words/en.json under "problems", `facts` fill its sentence."""

    key = "service"
    status = 400

    def __init__(self, kind: str, status: int = 400, **facts: Any) -> None:
        super().__init__(sentence(kind, "en", **facts))
        self.kind, self.status, self.facts = kind, status, facts

    def said(self, language: str) -> str:
        """Return the sentence in a language."""
        return sentence(self.kind, language, **self.facts)


class ToldError(StudioError):
    """What another server of the studio refused, in the words that it used."""

    def __init__(self, kind: str, status: int, detail: str) -> None:
        PortraitError.__init__(self, detail)
        self.kind, self.status, self.facts, self.detail = kind, status, {}, detail

    def said(self, language: str) -> str:
        """Return the other server's sentence: it was asked for the reader's language."""
        return self.detail


def not_found() -> StudioError:
    """Return the one answer for what is not there and for what is somebody else's: nobody can tell them apart."""
    return StudioError("not_found", 404)
