"""What a node says beside its outputs: the envelope that the headless runner reads from the history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def notice(kind: str, warnings: Sequence[str] = (), text: str = "", **facts: Any) -> dict[str, list]:
    """Return a node's `ui`: `portrait_studio` with one fact sheet, and `text` for the canvas, warnings first."""
    lines = [*(f"Warning: {warning}" for warning in warnings), *([text] if text else [])]
    return {"portrait_studio": [{"kind": kind, **facts, "warnings": list(warnings)}], "text": ["\n".join(lines)]}
