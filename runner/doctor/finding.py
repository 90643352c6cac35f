"""One thing that the doctor looked at, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Severity(str, Enum):
    """How bad it is: an error has to be mended, a warning is worth a look, a note says what could not be looked at."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """What was looked at (`section`, `subject`), how it stands (`state`, one or two words), and what to do about it.

    `detail` is what somebody else wrote of it, such as a traceback; `data` is for programs.
    """

    section: str
    level: Severity
    subject: str
    state: str
    message: str = ""
    detail: str = ""
    data: dict[str, Any] = field(default_factory=dict)
