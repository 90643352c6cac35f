"""One row of a batch: what it sets on the graph, and which photos it brings."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...portrait.errors import PortraitError
from ...portrait.presets import shown
from .errors import TableError

PHOTO = "photo"
"""The column of photos, unless the graph has a parameter of this name. Several photos: one per line, or a list."""
MOST_COMPLAINTS = 10_000
"""How many bad rows are kept to be listed; the rest are counted."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as the table has it; `where` says where to find it, `complaint` that its shape is wrong."""

    where: str
    cells: Mapping[str, Any] = field(default_factory=dict)
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A row that was found good: parameters in their types, photos as absolute paths."""

    settings: Mapping[str, Any]
    photos: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"settings": dict(self.settings)} | ({"photos": list(self.photos)} if self.photos else {})

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> BatchRow:
        """Read what `data` gave."""
        return cls(data["settings"], tuple(data.get("photos", ())))


@dataclass
class Checker:
    """Checks rows against what a graph declares.

    `accept` returns a parameter's value in its type, or raises PortraitError. `names` are the parameters there are.
    `choices` are what the hosts offer for some of them. `common` is set in every row that does not set it itself.
    """

    names: Sequence[str]
    accept: Callable[[str, Any], Any]
    choices: Mapping[str, frozenset[str]] = field(default_factory=dict)
    common: Mapping[str, Any] = field(default_factory=dict)
    photos: tuple[str, ...] = ()
    folder: Path = Path()
    complaints: list[str] = field(default_factory=list)
    wrong: int = 0
    seen: int = 0

    def __post_init__(self) -> None:
        self._photos: dict[str, str] = {}
        self._common = {name: self._accepted(name, value) for name, value in self.common.items()}

    def check_names(self, names: Sequence[str]) -> None:
        """Raise TableError for columns that are not parameters of the graph."""
        known = {*self.names, PHOTO}
        strange = [name for name in names if name not in known]
        if strange:
            raise TableError(
                f"The table has columns that the graph does not know: {', '.join(map(self._near, strange))}"
            )

    def good(self, rows: Iterator[RawRow]) -> Iterator[BatchRow]:
        """Yield the rows that are good; after the last, raise TableError if any was not, or there was none."""
        for raw in rows:
            self.seen += 1
            row = self._checked(raw)
            if row is not None:
                yield row
        if self.wrong:
            those = "row" if self.wrong == 1 else "rows"
            raise TableError(f"{self.wrong} {those} of {self.seen} cannot be used, and nothing was queued")
        if not self.seen:
            raise TableError("The table has no rows: give it one line for each picture")

    def _checked(self, raw: RawRow) -> BatchRow | None:
        if raw.complaint:
            return self._complain(raw.where, [raw.complaint])
        settings, found = dict(self._common), []
        for name, value in raw.cells.items():
            if name == PHOTO and PHOTO not in self.names:
                continue
            try:
                settings[name] = self._accepted(name, value)
            except PortraitError as error:
                found.append(str(error).rstrip("."))
        photos = () if PHOTO in self.names else self._named_photos(raw.cells.get(PHOTO), found)
        if found:
            return self._complain(raw.where, found)
        return BatchRow(settings, photos or self.photos)

    def _accepted(self, name: str, value: Any) -> Any:
        if name not in self.names:
            raise TableError(f"the graph has no parameter {self._near(name)}")
        accepted = self.accept(name, value)
        offered = self.choices.get(name)
        if offered is not None and str(accepted) not in offered:
            near = difflib.get_close_matches(str(accepted), sorted(offered), 3)
            hint = f"; nearest: {', '.join(near)}" if near else ""
            raise TableError(f"no host offers {shown(str(accepted))} for {name!r}{hint}")
        return accepted

    def _named_photos(self, value: Any, found: list[str]) -> tuple[str, ...]:
        if value is None:
            return ()
        names = value if isinstance(value, list) else str(value).splitlines()
        paths = []
        for name in names:
            if not isinstance(name, str) or not name.strip():
                found.append("a photo must be given as the name of a file")
                continue
            if name not in self._photos:
                path = self.folder / name.strip()
                self._photos[name] = str(path.resolve()) if _is_file(path) else ""
            if self._photos[name]:
                paths.append(self._photos[name])
            else:
                found.append(f"there is no photo {shown(name.strip())} beside the table")
        return tuple(paths)

    def _complain(self, where: str, found: Sequence[str]) -> None:
        self.wrong += 1
        if len(self.complaints) < MOST_COMPLAINTS:
            self.complaints.append(f"{where}: {'; '.join(found)}")

    def _near(self, name: str) -> str:
        near = difflib.get_close_matches(name, [*self.names], 1)
        return f"{shown(name)} (did you mean {near[0]!r}?)" if near else shown(name)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
