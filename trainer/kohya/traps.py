"""Why a run of sd-scripts ended: known failures with advice, read from traps.toml."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable

from ..settings import TrainSettings
from .data import table
from .errors import KohyaError


def explain(code: int, tail: Iterable[str], settings: TrainSettings, shown: int = 12) -> KohyaError:
    """Return the error for a run that ended with `code`; its last lines follow the sentence."""
    lines = list(tail)
    # The cause of a chain of errors stands last, so the last lines are asked first.
    trap = next((trap for line in reversed(lines) for trap in table("traps")["trap"] if _fits(trap, line)), None)
    if trap is None and code in (-signal.SIGTERM, -9, 137):
        trap = next(trap for trap in table("traps")["trap"] if trap["name"] == "killed")
    if trap is None:
        return KohyaError(f"sd-scripts ended with {code}; its last lines may say why.", lines[-shown:])
    advice = trap["advice"].format_map(settings.as_dict())
    return KohyaError(f"{trap['means']}; {advice}.", lines[-shown:])


def _fits(trap: dict[str, str], line: str) -> bool:
    return "says" in trap and re.search(trap["says"], line) is not None
