"""Tables of rows: CSV as spreadsheets save it, JSON Lines, or a matrix of values. Read as streams, a row at a time."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ...portrait import disk, reading
from ...portrait.presets import shown
from .errors import TableError
from .rows import RawRow

LONGEST_CELL = 1_000_000
"""Characters in one cell. A quote that is never closed would else swallow the table."""
LONGEST_LINE = 8_000_000
"""Bytes in one line of JSON."""
MOST_ROWS = 10_000_000
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(\d+))?")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_table(path: Path, columns: Callable[[Sequence[str]], None]) -> Iterator[RawRow]:
    """Yield the rows of a CSV file, or of JSON Lines where the name ends in .jsonl or .ndjson.

    `columns` is given the names of a CSV file's columns before the first row and may raise. Raises TableError for a
    file that cannot be read; a row of the wrong shape is yielded with its complaint.
    """
    try:
        with reading.opened(path) as file:
            if path.suffix.lower() in (".jsonl", ".ndjson"):
                yield from _json_lines(file)
            else:
                yield from _csv(file, path, columns)
    except reading.ReadError as error:
        raise TableError(f"The table {shown(path.name)} cannot be read ({error}): check its name and place") from error


def _csv(file: BinaryIO, path: Path, columns: Callable[[Sequence[str]], None]) -> Iterator[RawRow]:
    """Read CSV with a header; commas, semicolons or tabs; with or without a byte order mark."""
    head = file.read(4)
    file.seek(0)
    encoding = "utf-16" if head.startswith(_UTF_16) else "utf-8-sig"  # Excel's "Unicode text" is UTF-16
    text = io.TextIOWrapper(file, encoding, newline="")
    former = csv.field_size_limit(LONGEST_CELL)
    try:
        first = text.readline(LONGEST_CELL)
        if not first.strip():
            raise TableError(f"The table {shown(path.name)} is empty: its first line must name the columns")
        text.seek(0)
        rows = csv.reader(text, delimiter=_delimiter(first), strict=True)
        names = [name.strip() for name in next(rows)]
        while names and not names[-1]:
            names.pop()  # a spreadsheet saves its empty columns
        _refuse_names(names, path)
        columns(names)
        yield from _csv_rows(rows, names)
    except UnicodeError as error:
        raise TableError(
            f"The table {shown(path.name)} is not text in UTF-8: save it as 'CSV UTF-8' in the spreadsheet"
        ) from error
    except csv.Error as error:
        raise TableError(
            f"The table {shown(path.name)} breaks off ({error}): look for a quote that is not closed"
        ) from error
    finally:
        csv.field_size_limit(former)
        text.detach()


def _delimiter(header: str) -> str:
    bare = re.sub(r'"[^"]*"', "", header)
    return max(",;\t", key=bare.count)


def _refuse_names(names: Sequence[str], path: Path) -> None:
    if "" in names:
        raise TableError(f"Column {names.index('') + 1} of the table {shown(path.name)} has no name in the first line")
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise TableError(f"The table {shown(path.name)} has two columns called {shown(double)}: remove one of them")


def _csv_rows(rows: Any, names: Sequence[str]) -> Iterator[RawRow]:
    """An empty cell sets nothing: the graph's own default stays."""
    number, line = 0, rows.line_num
    for cells in rows:
        where, line = f"row {number + 1} (line {line + 1})", rows.line_num
        if not any(cell.strip() for cell in cells):
            continue
        number += 1
        while len(cells) > len(names) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(names):
            yield RawRow(where, complaint=f"it has {len(cells)} cells, and the table {len(names)} columns")
        else:
            yield RawRow(where, {name: cell for name, cell in zip(names, cells, strict=True) if cell.strip()})


def _json_lines(file: BinaryIO) -> Iterator[RawRow]:
    number = 0
    for line in itertools.count(1):
        raw = file.readline(LONGEST_LINE + 1)
        if not raw:
            return
        raw = raw.removeprefix(codecs.BOM_UTF8) if line == 1 else raw
        if not raw.strip():
            continue
        number += 1
        where = f"row {number} (line {line})"
        if len(raw) > LONGEST_LINE:
            raise TableError(f"Line {line} of the table is longer than {LONGEST_LINE // 1_000_000} MB")
        try:
            cells = reading.parse_json(raw)
        except ValueError as error:
            yield RawRow(where, complaint=f"it is not JSON ({error})")
            continue
        if not isinstance(cells, dict):
            yield RawRow(where, complaint='it is not an object like {"seed": 7}')
        else:
            yield RawRow(where, {name: value for name, value in cells.items() if value is not None})


def matrix(pairs: Sequence[str], everything: Mapping[str, Sequence[Any]]) -> Iterator[RawRow]:
    """Yield a row for every combination of `name=value,value`; the last name changes fastest.

    `1..8` is every whole number from 1 to 8, `1..9..2` every second one, and `all` all that `everything` has of the
    name. A value with a comma in it goes into double quotes. Raises TableError.
    """
    axes: dict[str, list[Any]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise TableError(f"--matrix {shown(pair)} is not of the form name=value,value")
        if name.strip() in axes:
            raise TableError(f"--matrix names {shown(name.strip())} twice: put its values together")
        axes[name.strip()] = list(_values(name.strip(), text, everything))
    count = math.prod(len(values) for values in axes.values())
    if count > MOST_ROWS:
        raise TableError(f"--matrix makes {count} rows, more than {MOST_ROWS}: give fewer values")
    for number, values in enumerate(itertools.product(*axes.values()), 1):
        yield RawRow(f"row {number}", dict(zip(axes, values, strict=True)))


def _values(name: str, text: str, everything: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
    if text.strip() == "all":
        if not everything.get(name):
            raise TableError(f"--matrix {name}=all: nobody says what all values of {shown(name)} are; list them")
        yield from everything[name]
        return
    for value in next(csv.reader([text], skipinitialspace=True)):
        bounds = _RANGE.fullmatch(value.strip())
        if bounds is None:
            yield value
            continue
        first, last, step = int(bounds[1]), int(bounds[2]), int(bounds[3] or 1)
        if last < first or not step or (last - first) // step >= MOST_ROWS:
            raise TableError(f"--matrix {name}={shown(value)}: a range goes from the smaller number to the larger")
        yield from range(first, last + 1, step)


def write_csv(path: Path, names: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    """Write rows as CSV that a spreadsheet opens as it is; whole or not at all. Raises OSError."""
    with disk.writing(path) as beside, beside.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file)
        table.writerow(names)
        for row in rows:
            table.writerow([_harmless(cell) for cell in row])


def _harmless(cell: Any) -> Any:
    """A cell that begins like a formula would be run by a spreadsheet; a quote before it makes it text."""
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return cell
