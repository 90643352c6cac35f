"""What may leave the machine with a picture: the one place that decides, as data in leaving.json.

`record` names the fields of a job's record and what each is called in the picture. Prompts, names of subjects and of
model files, seeds, photos and times are not there, so they stay. `png` and `jpeg` are the parts of a file that are kept
when a picture is handed out: pixels and colours, no text, no EXIF, no workflow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_LONGEST = 200


@cache
def rules() -> dict[str, Any]:
    """Return leaving.json."""
    return json.loads(Path(__file__).with_name("leaving.json").read_text("utf-8"))


def public_facts(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a job's record that may leave the machine, by the names that they have in a picture."""
    found = {}
    for path, name in rules()["record"].items():
        value: Any = record
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, bool):
            found[name] = "yes" if value else "no"
        elif isinstance(value, str | int | float) and value != "":
            found[name] = str(value)[:_LONGEST]
    return found
