"""The state of a session: one SQLite file, as a batch has one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..batch import Database

NAME = "session.sqlite3"


class SessionState(Database):
    """What was asked for, and the steps that are done, each as plain data."""

    WHAT, FILE, SCHEMA = "session", NAME, Path(__file__).with_name("schema.sql")
    APPLICATION, VERSION = 0x50535353, 1  # "PSSS"

    @classmethod
    def create(cls, folder: Path, facts: Mapping[str, Any]) -> SessionState:
        """Make the state of a new session in a folder. Raises BatchStateError."""
        rows = [(key, json.dumps(value, ensure_ascii=False)) for key, value in facts.items()]
        return cls.made(
            folder / NAME, lambda state: state.database.executemany("INSERT INTO facts VALUES (?, ?)", rows) and None
        )

    def fact(self, key: str) -> Any:
        """Return what was noted, or None."""
        text = self.value("SELECT value FROM facts WHERE key = ?", key)
        return None if text is None else json.loads(text)

    def done(self, key: str, value: Any) -> None:
        """Note what a step came to. Raises BatchStateError or DiskFullError."""
        self.note({key: json.dumps(value, ensure_ascii=False)})
