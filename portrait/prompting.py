"""A prompt out of its parts: who it is, how they look, and what the artist wrote."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from .disk import read_toml


def joined(words: str, look: str, prompt: str) -> str:
    """Return the parts with commas between: the subject's and the pose's words, the look, the prompt.

    `look` is what is known of hair, skin and the like, in phrases with commas between. A phrase is left out where the
    prompt speaks of the same thing itself (looks.toml), so what the artist writes counts.
    """
    kept = [phrase for phrase in _phrases(look) if not _said(phrase, prompt)]
    return ", ".join(part for part in (_trimmed(words), *kept, _trimmed(prompt)) if part)


def one_line(look: str) -> str:
    """Return a look as a card keeps it: its phrases on one line."""
    return ", ".join(_phrases(look))


def _said(phrase: str, prompt: str) -> bool:
    topics = [topic for topic in _topics() if topic.search(phrase)]
    if topics:
        return any(topic.search(prompt) for topic in topics)
    return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", prompt, re.IGNORECASE) is not None


@cache
def _topics() -> tuple[re.Pattern[str], ...]:
    """Return what finds each topic of looks.toml in a text, by whole words."""
    found = read_toml(Path(__file__).with_name("looks.toml"))["topics"].values()
    return tuple(re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE) for words in found)


def _phrases(look: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in look.split(",") if phrase.strip()]


def _trimmed(text: str) -> str:
    return text.strip().strip(",").strip()
