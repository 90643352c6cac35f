"""A likeness report as it is on the disk, read without what it takes to make one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import reading
from ..subjects import SubjectError

REPORT = "report.json"
PICTURE, PHOTO = "picture-{}.jpg", "photo-{}.jpg"


def read(folder: Path) -> dict[str, Any]:
    """Return the facts of report.json. Raises SubjectError when there is none or it cannot be read."""
    try:
        facts = reading.read_json(folder / REPORT, "likeness report", links=False)
    except reading.ReadError as error:
        raise SubjectError(
            f"There is no likeness report of this subject ({error}); train it again, and a report is made."
        ) from None
    if not isinstance(facts, dict) or not isinstance(facts.get("pictures"), list):
        raise SubjectError("The likeness report of this subject is not what training writes; train it again.")
    return facts
