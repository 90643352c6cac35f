"""What can go wrong with sd-scripts."""

from __future__ import annotations

from collections.abc import Sequence

from ...portrait.errors import PortraitError


class KohyaError(PortraitError):
    """sd-scripts cannot be installed, cannot be used, or failed; `tail` holds its own last lines."""

    key = "kohya"

    def __init__(self, message: str, tail: Sequence[str] = ()) -> None:
        self.sentence = message
        self.tail = tuple(tail)
        super().__init__("\n".join([message, *(f"  {line}" for line in self.tail)]))
