"""How one studio is set up: where things are kept, how long, and what it may cost. The numbers are data files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from ..portrait.provenance import Marking

StudioClock = Callable[[], datetime]


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(timezone.utc)


@cache
def data(name: str) -> Any:
    """Return a data file of this folder: limits, retention."""
    return json.loads(Path(__file__).with_name(f"{name}.json").read_text("utf-8"))


def limit(name: str) -> Any:
    """Return a limit of limits.json."""
    return data("limits")[name]


def _days() -> dict[str, int]:
    return {kind: rule["days"] for kind, rule in data("retention").items()}


@dataclass(frozen=True)
class StudioSettings:
    """`folder` holds everything unless `database` (SQLAlchemy's URL) or `blobs` (fsspec's) say otherwise.

    `address` is where browsers reach the studio; with https, cookies are sent over nothing else. `days` are how long
    each kind of retention.json is kept. `checkpoint` is the one to draw with, where hosts have several.
    """

    folder: Path
    database: str = ""
    blobs: str = ""
    address: str = "http://127.0.0.1:8300"
    days: dict[str, int] = field(default_factory=_days)
    marking: Marking = field(default_factory=Marking)
    checkpoint: str = ""
    clock: StudioClock = now

    @property
    def secure(self) -> bool:
        """Whether browsers come over https."""
        return self.address.startswith("https://")

    @property
    def database_url(self) -> str:
        """Return SQLAlchemy's URL of the database."""
        return self.database or f"sqlite:///{self.folder / 'studio.sqlite3'}"

    @property
    def blobs_url(self) -> str:
        """Return fsspec's URL of the folder of files."""
        return self.blobs or (self.folder / "files").resolve().as_uri()
