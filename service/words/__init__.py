"""All that the studio says to people, in English and Korean; en.json and ko.json have the same keys."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "ko")


@cache
def _words(language: str) -> dict[str, Any]:
    return json.loads(Path(__file__).with_name(f"{language}.json").read_text("utf-8"))


def say(key: str, language: str, **facts: Any) -> str:
    """Return a text of a page by its key. Raises KeyError for a key that en.json lacks."""
    return _words(language if language in LANGUAGES else "en")["pages"][key].format(**facts)


def said(text: str, language: str) -> str:
    """Return what the photo report says, in a language; a sentence that nobody has put into it stays as it is."""
    for pattern, translation in _reports() if language == "ko" else ():
        if found := re.fullmatch(pattern.replace("#", r"([-.\d]+)"), text):
            return found.expand(translation)
    return text


@cache
def _reports() -> list[tuple[str, str]]:
    """Return what photo reports say in Korean, as web/js/korean.js has it: patterns, in which # is a number."""
    return json.loads(Path(__file__).with_name("reports_ko.json").read_text("utf-8"))


def sentence(kind: str, language: str, **facts: Any) -> str:
    """Return the sentence of a problem. Raises KeyError for a kind that en.json lacks."""
    return _words(language if language in LANGUAGES else "en")["problems"][kind].format(**facts)


def consent(language: str) -> dict[str, str]:
    """Return the text of the consent: its `version` and its `text`."""
    return _words(language if language in LANGUAGES else "en")["consent"]


def choose(accepted: str, wanted: str = "") -> str:
    """Return the language of a reader: the one they chose, else the first known of Accept-Language, else English."""
    if wanted in LANGUAGES:
        return wanted
    for part in accepted[:200].split(","):
        tag = part.split(";")[0].strip().lower()[:2]
        if tag in LANGUAGES:
            return tag
    return "en"
