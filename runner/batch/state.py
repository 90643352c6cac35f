"""The state of a batch: one SQLite file beside its pictures. It is the truth; everything else can be made from it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..scheduling import Note
from ..scheduling.messages import (
    AttemptClosed,
    AttemptOpened,
    AttemptSaving,
    Loaded,
    OpenAttempt,
    OpenRow,
    RowDone,
    RowSetAside,
)
from .database import Database

NAME = "batch.sqlite3"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A picture of a row, under its final name; hashes in hex, `size` in bytes, `likeness` a cosine or None."""

    place: int
    name: str
    sha256: str
    size: int
    record_sha256: str
    stage: str = ""
    likeness: float | None = None


class State(Database):
    """The state file, open. One process writes; any number may read. Use it from one thread."""

    WHAT, FILE, SCHEMA = "batch", NAME, Path(__file__).with_name("schema.sql")
    APPLICATION, VERSION = 0x50534254, 1  # "PSBT"

    @classmethod
    def create(cls, path: Path | str, facts: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> State:
        """Make the state of a new batch with one row after another from `rows`, which may be a stream.

        Nothing is left of it when `rows` raises. Raises BatchStateError when there is one already, or the disk refuses.
        """

        def fill(state: State) -> None:
            state.database.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
            state.database.executemany(
                "INSERT INTO rows (number, settings) VALUES (?, ?)",
                ((number, json.dumps(row, ensure_ascii=False)) for number, row in enumerate(rows, 1)),
            )

        return cls.made(path, fill)

    # --- Reading -----------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Return how many rows are in each state."""
        known = dict.fromkeys(("open", "done", "failed", "cancelled"), 0)
        return known | dict(self.query("SELECT state, COUNT(*) FROM rows GROUP BY state"))  # pyright: ignore

    def settings(self, row: int) -> dict[str, Any]:
        """Return the parameters of a row."""
        return json.loads(self.value("SELECT settings FROM rows WHERE number = ?", row))

    def files(self, row: int, attempt: int) -> list[KeptFile]:
        """Return the files of an attempt whose fetching has been noted."""
        found = self.query(
            "SELECT place, name, sha256, size, record_sha256, stage, likeness FROM files "
            "WHERE row = ? AND attempt = ? ORDER BY place",
            row,
            attempt,
        )
        return [KeptFile(*one) for one in found]

    def names_of_others(self, row: int, attempt: int) -> list[str]:
        """Return the names of files that other attempts at a row may have left and this one does not have."""
        found = self.query(
            "SELECT DISTINCT name FROM files WHERE row = ?1 AND attempt <> ?2 "
            "AND name NOT IN (SELECT name FROM files WHERE row = ?1 AND attempt = ?2)",
            row,
            attempt,
        )
        return [name for (name,) in found]

    def load(self, count: int, after: int) -> Loaded:
        """Return the next `count` open rows after a number, with what earlier runs left open of them."""
        found = list(
            self.query(
                "SELECT number, attempts, settings FROM rows "
                "WHERE state = 'open' AND number > ? ORDER BY number LIMIT ?",
                after,
                count,
            )
        )
        return Loaded(tuple(self._open_row(*one) for one in found), len(found) < count)

    def _open_row(self, number: int, attempts: int, settings: str) -> OpenRow:
        needs = frozenset(json.loads(settings).get("subjects", ()))
        if not attempts:
            return OpenRow(number, needs=needs)
        strikes: dict[str, int] = {}
        left = []
        for one, host, prompt_id, state, error, forgiven in self.query(
            "SELECT number, host, prompt_id, state, error, forgiven FROM attempts WHERE row = ? ORDER BY number", number
        ):
            if state in ("open", "saving"):
                left.append(OpenAttempt(one, host, prompt_id, saving=state == "saving"))
            elif state == "failed" and not forgiven:
                strikes[error] = strikes.get(error, 0) + 1
        return OpenRow(number, attempts, strikes, tuple(left), needs)

    # --- Writing -----------------------------------------------------------------------------------------------------

    def write(self, notes: Sequence[Note]) -> None:
        """Write what the scheduler wants remembered, in order, all or none. Raises BatchStateError or DiskFullError."""
        if not notes:
            return
        now = self.clock()
        with self.transaction() as run:
            for note in notes:
                _WRITERS[type(note)](run, note, now)

    def retry(self, rows: Sequence[int] = ()) -> int:
        """Open the rows that were set aside or cancelled, or some of them; return how many.

        Their failures count no more.
        """
        return self._change(("failed", "cancelled"), "open", rows)

    def reopen(self, rows: Sequence[int]) -> None:
        """Open done rows again, whose pictures are gone."""
        with self.transaction() as run:
            for number in rows:
                run("UPDATE rows SET state = 'open' WHERE number = ? AND state = 'done'", number)
                run("UPDATE attempts SET state = 'withdrawn' WHERE row = ? AND state = 'done'", number)

    def order_cancel(self, wanted: bool = True) -> None:
        """Ask the process that runs the batch to stop and to cancel what is open; or take that back."""
        self.note({"cancel": "yes" if wanted else ""})

    def cancel_ordered(self) -> bool:
        """Whether somebody asked for that."""
        return self.value("SELECT value FROM facts WHERE key = 'cancel'") == "yes"

    def cancel(self, rows: Sequence[int] = ()) -> int:
        """Cancel the open rows, or some of them; return how many."""
        return self._change(("open", "open"), "cancelled", rows)

    def _change(self, former: tuple[str, str], state: str, rows: Sequence[int]) -> int:
        wanted = set(rows)
        found = self.query("SELECT number FROM rows WHERE state IN (?, ?)", *former)
        chosen = [number for (number,) in found if not wanted or number in wanted]
        with self.transaction() as run:
            for number in chosen:
                run(
                    "UPDATE rows SET state = ?, error = NULL, message = NULL, detail = NULL WHERE number = ?",
                    state,
                    number,
                )
                if state == "open":
                    run("UPDATE attempts SET forgiven = 1 WHERE row = ? AND state = 'failed'", number)
        return len(chosen)


def _opened(run: Callable[..., Any], note: AttemptOpened, now: float) -> None:
    run("UPDATE rows SET attempts = ? WHERE number = ? AND state = 'open'", note.attempt, note.row)
    run(
        "INSERT INTO attempts (row, number, host, prompt_id, began) VALUES (?, ?, ?, ?, ?)",
        *(note.row, note.attempt, note.host, note.prompt_id, now),
    )


def _saving(run: Callable[..., Any], note: AttemptSaving, now: float) -> None:
    run("UPDATE attempts SET state = 'saving' WHERE row = ? AND number = ?", note.row, note.attempt)
    run("DELETE FROM files WHERE row = ? AND attempt = ?", note.row, note.attempt)
    for one in note.files:
        run(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(note.row, note.attempt, one.place, one.name, one.sha256, one.size),
            *(one.record_sha256, one.stage, one.likeness),
        )


def _closed(run: Callable[..., Any], note: AttemptClosed, now: float) -> None:
    fault = note.fault
    run(
        "UPDATE attempts SET state = ?, error = ?, message = ?, ended = ? WHERE row = ? AND number = ?",
        *(note.state, fault.kind if fault else None, fault.message if fault else None, now, note.row, note.attempt),
    )


def _done(run: Callable[..., Any], note: RowDone, now: float) -> None:
    run("UPDATE attempts SET state = 'done', ended = ? WHERE row = ? AND number = ?", now, note.row, note.attempt)
    changed = run("UPDATE rows SET state = 'done' WHERE number = ? AND state <> 'done'", note.row)
    if changed.rowcount != 1:
        raise sqlite3.IntegrityError(f"row {note.row} was done before")


def _set_aside(run: Callable[..., Any], note: RowSetAside, now: float) -> None:
    run(
        "UPDATE rows SET state = 'failed', error = ?, message = ?, detail = ? WHERE number = ? AND state = 'open'",
        *(note.fault.kind, note.fault.message, note.fault.detail, note.row),
    )


_WRITERS: dict[type, Callable[[Callable[..., Any], Any, float], None]] = {
    AttemptOpened: _opened,
    AttemptSaving: _saving,
    AttemptClosed: _closed,
    RowDone: _done,
    RowSetAside: _set_aside,
}
