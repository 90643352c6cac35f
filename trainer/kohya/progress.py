"""What sd-scripts says while it runs, read as steps, losses and phases.

Its progress is tqdm's, on stderr, each state over the last one with a carriage return:
`steps:  50%|█████     | 1/2 [00:11<00:11, 11.20s/it, avr_loss=0.101]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .data import table

_STEPS = re.compile(r"^steps:\s+\d+%\|.*?\| (?P<step>\d+)/(?P<steps>\d+) \[(?P<rest>[^\]]*)\]?")
_LOSS = re.compile(r"avr_loss=(?P<loss>[^,\]\s]+)")
_BAR = re.compile(r"\d+%\|.*?\| \d+/\d+ \[")


@dataclass(frozen=True)
class BarState:
    """So many of `steps` are done; `loss` is sd-scripts' mean over the last epoch, None before the first."""

    step: int
    steps: int
    loss: float | None


def progress(line: str) -> BarState | None:
    """Return what a line of output says about the steps, None if nothing. A loss that is not a number counts as NaN."""
    found = _STEPS.match(line.strip())
    if not found:
        return None
    loss = _LOSS.search(found["rest"])
    return BarState(int(found["step"]), int(found["steps"]), _number(loss["loss"]) if loss else None)


def is_bar(line: str) -> bool:
    """Say whether a line is one state of a progress bar, of the steps or of anything else."""
    return bool(_BAR.search(line))


def phase(line: str) -> str | None:
    """Return what sd-scripts begins to do with this line, in a few words; None for most lines."""
    for row in table("phases")["phase"]:
        if row["says"] in line:
            return str(row["means"])
    return None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
