"""The grid of a batch: poses down, tones across, the seeds in each cell; every picture with its likeness."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .html import REPORT, without_picture, write_html
from .places import PICTURES
from .state import State

GRID = "grid.html"
MOST = 3000
"""Rows of which a grid is drawn; a larger batch has its contact sheet in pages."""
AXES = ("pose", "tone", "subject")
_SEEN_WHOLE = 5000  # rows of a batch of which every one is looked at to find what differs


@dataclass(frozen=True)
class GridCell:
    """A row in the grid; `name` is its picture, empty while there is none, `best` its place by likeness."""

    row: int
    state: str
    settings: Mapping[str, Any]
    name: str = ""
    likeness: float | None = None
    best: int = 0


def varied(state: State) -> list[str]:
    """Return the parameters that differ between rows, pose, tone and subject first."""
    count = int(state.value("SELECT COUNT(*) FROM rows"))
    ends = "" if count <= _SEEN_WHOLE else f"WHERE number <= 200 OR number > {count - 200}"
    values: dict[str, set[str]] = {}
    seen: dict[str, int] = {}
    rows = 0
    for (text,) in state.query(f"SELECT settings FROM rows {ends}"):  # noqa: S608 - numbers of our own
        rows += 1
        for name, value in json.loads(text)["settings"].items():
            values.setdefault(name, set()).add(json.dumps(value))
            seen[name] = seen.get(name, 0) + 1
    names = [name for name, found in values.items() if len(found) > 1 or seen[name] < rows]
    return sorted(names, key=lambda name: (AXES.index(name) if name in AXES else len(AXES), name))


def write_grid(folder: Path, state: State, running: bool) -> bool:
    """Write the grid, if the rows have one; return whether. Raises OSError, BatchStateError."""
    count = int(state.value("SELECT COUNT(*) FROM rows"))
    axes = varied(state)
    if not axes or not 1 < count <= MOST:
        return False
    down, across, within = axes[0], axes[1] if len(axes) > 1 else "", axes[2:]
    cells = list(_cells(state))
    parts = [
        f"<h1>{escape(folder.name)}: {escape(' x '.join(axes))}</h1>",
        f'<p><a href="{REPORT}">overview</a>. The number in brackets is the place by likeness, 1 the most alike.</p>',
        _table(cells, down, across, within, escape(state.facts()["graph"]), folder.name),
    ]
    write_html(folder / GRID, escape(folder.name), "".join(parts), running)
    return True


def _cells(state: State) -> Iterator[GridCell]:
    """Yield every row, with the last picture of those that are done."""
    pictures: dict[int, tuple[str, float | None]] = {}
    for row, name, likeness in state.query(
        "SELECT files.row, files.name, files.likeness FROM files JOIN attempts ON attempts.row = files.row "
        "AND attempts.number = files.attempt WHERE attempts.state = 'done' ORDER BY files.row, files.place"
    ):
        pictures[row] = (name, likeness)
    order = sorted((-likeness, row) for row, (_, likeness) in pictures.items() if likeness is not None)
    best = {row: place for place, (_, row) in enumerate(order, 1)}
    for number, how, text in state.query("SELECT number, state, settings FROM rows ORDER BY number"):
        name, likeness = pictures.get(number, ("", None))
        yield GridCell(number, how, json.loads(text)["settings"], name, likeness, best.get(number, 0))


def _table(cells: Sequence[GridCell], down: str, across: str, within: Sequence[str], graph: str, folder: str) -> str:
    rows = list(dict.fromkeys(_value(one, down) for one in cells))
    columns = list(dict.fromkeys(_value(one, across) for one in cells))
    placed: dict[tuple[str, str], list[GridCell]] = {}
    for one in cells:
        placed.setdefault((_value(one, down), _value(one, across)), []).append(one)
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = ""
    for row in rows:
        body += f"<tr><th>{escape(row)}</th>"
        for column in columns:
            shown = "".join(_shown(one, within, graph, folder) for one in placed.get((row, column), ()))
            body += f'<td><div class="sheet">{shown}</div></td>'
        body += "</tr>"
    return f"<table><tr><th>{escape(down)}</th>{head}</tr>{body}</table>"


def _shown(one: GridCell, within: Sequence[str], graph: str, folder: str) -> str:
    words = escape(", ".join(f"{name} {_value(one, name)}" for name in within))
    if not one.name:
        word = without_picture(one.state)
        again = f"portrait-studio batch retry {folder} {one.row}" if one.state in ("failed", "cancelled") else ""
        command = f"<br><code>{escape(again)}</code>" if again else ""
        return (
            f'<div class="cell {one.state}"><b>{one.row}</b> {words} <span class="muted">{word}</span>{command}</div>'
        )
    where = f"{PICTURES}/{quote(one.name)}"
    likeness = "" if one.likeness is None else f"likeness {one.likeness:.2f} ({one.best})<br>"
    return (
        f'<div class="cell"><a href="{where}"><img loading="lazy" src="{where}" alt="row {one.row}"></a>'
        f"<b>{one.row}</b> {likeness}{words}<br>"
        f'<a href="{where}.json">parameters</a> <a href="{graph}">graph</a> '
        f"<code>portrait-studio rerun {escape(f'{PICTURES}/{one.name}')}</code></div>"
    )


def _value(one: GridCell, name: str) -> str:
    value = one.settings.get(name, "")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:80]}..."
