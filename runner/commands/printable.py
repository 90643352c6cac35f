"""What others wrote, made safe for a terminal: cards, servers, graphs and file names may hold control characters.

An escape sequence can recolour or erase what was printed, set the window's title, or answer for the person; a mark that
turns the direction of writing shows a name as another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# C0 but for tab and line feed, DEL and C1; line separators; direction marks; halves of surrogate pairs; annotations.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb]"
)


def printable(text: str) -> str:
    """Return the text with a visible sign in the place of each character that a terminal would obey, not show."""
    return _HARMFUL.sub(lambda found: chr(0x2400 + ord(found[0])) if found[0] < " " else _REPLACEMENT, text)


def json_text(value: Any) -> str:
    """Return the value as JSON that means the same and holds no character that a terminal would obey."""
    return harmless_json(json.dumps(value, ensure_ascii=False, default=str))


def harmless_json(text: str) -> str:
    """Return JSON that means the same and holds no character that a terminal would obey."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class PrintableConsole(Console):
    """A rich console that prints its own escape sequences and nobody else's."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, every text cleaned."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
