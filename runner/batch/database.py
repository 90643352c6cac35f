"""One SQLite file that survives whatever happens: written in whole transactions, opened with suspicion.

A batch keeps its rows in one, a session its steps.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from .errors import BatchStateError

Kind = TypeVar("Kind", bound="Database")

BUSY = 10.0  # seconds to wait for another process that reads or writes


class DiskFullError(Exception):
    """The disk has no room for the state; nothing of the transaction was written."""


class Database:
    """The file, open. One process writes; any number may read. Use it from one thread."""

    WHAT: ClassVar[str]
    """What it is the state of, in a sentence."""
    FILE: ClassVar[str]
    APPLICATION: ClassVar[int]
    VERSION: ClassVar[int]
    SCHEMA: ClassVar[Path]

    def __init__(self, database: sqlite3.Connection, name: str, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.name = name
        self.clock = clock

    @classmethod
    def made(cls: type[Kind], path: Path | str, fill: Callable[[Kind], None]) -> Kind:
        """Make a new file; `fill` writes what it begins with. Nothing is left of it when that raises.

        Raises BatchStateError when there is one already, or the disk refuses.
        """
        if path == ":memory:":
            state = cls(_connect(cls, path), str(path))
            state._begin(fill)
            return state
        path = Path(path)
        if path.exists():
            raise BatchStateError(
                f"There is a {cls.WHAT} in {path.parent.name!r} already: resume it, or choose another --out"
            )
        beside = path.with_name(f".{path.name}.part")
        beside.unlink(missing_ok=True)  # of a beginning that was killed
        try:
            # Without a write-ahead log, so that the file is whole by itself when it gets its name.
            with cls(_connect(cls, beside, log="DELETE"), str(path)) as state:
                state._begin(fill)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        return cls(_connect(cls, path), str(path))

    def _begin(self: Kind, fill: Callable[[Kind], None]) -> None:
        with self.transaction() as run:
            for statement in self.SCHEMA.read_text("utf-8").split(";"):
                run(statement)
            run(f"PRAGMA application_id = {self.APPLICATION}")
            run(f"PRAGMA user_version = {self.VERSION}")
            fill(self)

    @classmethod
    def open(cls: type[Kind], folder: Path) -> Kind:
        """Open the state in a folder. Raises BatchStateError when there is none, or it cannot be used."""
        path, what = folder / cls.FILE, cls.WHAT
        if not path.is_file():
            raise BatchStateError(
                f"There is no {what} in {folder.name!r}: {cls.FILE} is missing; give the folder of --out"
            )
        if not _begins_as(path, cls.APPLICATION):
            raise _corrupt(cls, path)
        state = cls(_connect(cls, path), str(path))
        try:
            version = state.value("PRAGMA user_version")
            whole = state.value("PRAGMA quick_check(1)") == "ok"
        except BatchStateError:
            state.close()
            raise
        if not whole:
            state.close()
            raise _corrupt(cls, path)
        if version != cls.VERSION:
            state.close()
            newer = "newer" if version > cls.VERSION else "older"
            raise BatchStateError(
                f"The {what} in {folder.name!r} was made by a {newer} version of Portrait Studio (layout {version}, "
                f"this one reads {cls.VERSION}): finish it with that version"
            )
        return state

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def __enter__(self: Kind) -> Kind:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def query(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query. Raises BatchStateError."""
        try:
            yield from self.database.execute(sql, values)
        except sqlite3.Error as error:
            raise _told(type(self), self.name, error) from error

    def value(self, sql: str, *values: Any) -> Any:
        """Return the first column of the first row of a query, or None. Raises BatchStateError."""
        return next(self.query(sql, *values), (None,))[0]

    def facts(self) -> dict[str, str]:
        """Return what holds for the whole."""
        return dict(self.query("SELECT key, value FROM facts"))  # pyright: ignore[reportArgumentType]: pairs

    def note(self, facts: Mapping[str, str]) -> None:
        """Write facts over those of the same names, all or none. Raises BatchStateError or DiskFullError."""
        with self.transaction() as run:
            for key, value in facts.items():
                run("INSERT OR REPLACE INTO facts VALUES (?, ?)", key, value)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        """Run statements all or none; on the disk when the block has ended. Raises BatchStateError or DiskFullError."""
        try:
            self.database.execute("BEGIN IMMEDIATE")
            yield lambda sql, *values: self.database.execute(sql, values)
            self.database.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            if "full" in str(error):
                raise DiskFullError(str(error)) from error
            raise _told(type(self), self.name, error) from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")


def _connect(kind: type[Database], path: Path | str, log: str = "WAL") -> sqlite3.Connection:
    try:
        database = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
        database.execute(f"PRAGMA journal_mode = {log}")
        database.execute("PRAGMA synchronous = FULL")
        return database
    except sqlite3.Error as error:
        raise _told(kind, str(path), error) from error


def _begins_as(path: Path, application: int) -> bool:
    """Whether a file begins as our states do. Looked at before SQLite is let near it, which may write."""
    try:
        with path.open("rb") as file:
            head = file.read(72)
    except OSError:
        return False
    return head.startswith(b"SQLite format 3\0") and head[68:72] == application.to_bytes(4, "big")


def _corrupt(kind: type[Database], path: Path | str) -> BatchStateError:
    folder, what = Path(path).parent.name, kind.WHAT
    return BatchStateError(
        f"The state of the {what} in {folder!r} is damaged ({kind.FILE}): the pictures beside it are whole; bring the "
        f"file back from a copy, or run the {what} again with another --out"
    )


def _told(kind: type[Database], path: str, error: sqlite3.Error) -> BatchStateError:
    if isinstance(error, sqlite3.DatabaseError) and any(
        sign in str(error) for sign in ("malformed", "not a database", "no such table", "corrupt")
    ):
        return _corrupt(kind, path)
    return BatchStateError(f"The state of the {kind.WHAT} in {Path(path).parent.name!r} cannot be used ({error})")
