"""The report of a batch as static pages beside the pictures: no server, no script, nothing from elsewhere.

`report.html` has the counts, the hosts, the best pictures and what failed; `grid.html` the pictures by pose, tone and
seed; `report-1.html` and so on have the contact sheet, PAGE rows each. While the batch runs, the pages reload
themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .grid import GRID, MOST, varied, write_grid
from .html import REPORT, without_picture, write_html
from .news import Tally
from .places import PICTURES
from .state import State

PAGE = 200
BEST = 12
MOST_FAILURES = 500


@dataclass(frozen=True)
class SheetPicture:
    """The last picture of a done row, and how often it had to be tried."""

    row: int
    name: str
    likeness: float | None
    settings: Mapping[str, Any]


def write_report(folder: Path, state: State, tally: Tally, running: bool) -> None:
    """Write all pages of a batch, each whole or not at all. Raises OSError, BatchStateError."""
    names = varied(state)
    for number in range(1, _pages(tally.rows) + 1):
        _write_sheet(folder, state, tally.rows, number, names, running)
    write_front(folder, state, tally, running)


def write_front(folder: Path, state: State, tally: Tally, running: bool) -> None:
    """Write the first page and the grid: cheap enough to be done again and again. Raises OSError, BatchStateError."""
    body = _front(folder, state, tally, _pages(tally.rows), running, varied(state))
    write_html(folder / REPORT, escape(folder.name), body, running)
    write_grid(folder, state, running)


def page_of(row: int) -> int:
    """Return the number of the page of the contact sheet that has a row on it."""
    return (row - 1) // PAGE + 1


def write_page(folder: Path, state: State, rows: int, number: int) -> None:
    """Write a page of the contact sheet of a batch that runs. Raises OSError, BatchStateError."""
    _write_sheet(folder, state, rows, number, varied(state), running=True)


def _write_sheet(folder: Path, state: State, rows: int, number: int, names: Sequence[str], running: bool) -> None:
    first, last = (number - 1) * PAGE + 1, number * PAGE
    title = f"{escape(folder.name)}: rows {first} to {min(rows, last)}"
    links = _links(number, _pages(rows))
    body = f"<h1>{title}</h1>{links}{_sheet(state, first, last, names)}{links}"
    write_html(folder / f"report-{number}.html", title, body, running)


def _pages(rows: int) -> int:
    return max(1, -(-rows // PAGE))


def _front(folder: Path, state: State, tally: Tally, pages: int, running: bool, names: Sequence[str]) -> str:
    share = 100 * tally.done / tally.rows if tally.rows else 100
    left = tally.remaining
    eta = f", about {left / 60:.0f} min left" if running and left is not None else ""
    grid = f'<a href="{GRID}">the grid</a> ' if names and 1 < tally.rows <= MOST else ""
    speed = f", {tally.pictures_a_minute:.1f} pictures a minute" if tally.pictures else ""
    parts = [
        f"<h1>{escape(folder.name)}{' (running)' if running else ''}</h1>",
        f'<div class="bar"><i style="width:{share:.1f}%"></i></div>',
        f"<p>{tally.done} of {tally.rows} rows done, {tally.failed} set aside, {tally.cancelled} cancelled, "
        f"{tally.left} open{speed}{eta}.</p>",
        f'<p><a href="{escape(state.facts()["graph"])}">the graph</a> {grid}{_links(0, pages)}</p>',
        _hosts(tally),
        "<h2>Most alike</h2>",
        '<div class="sheet">',
        *(_cell(one, names) for one in ranked(state, BEST)),
        "</div>",
        _failures(state),
    ]
    return "".join(parts)


def _hosts(tally: Tally) -> str:
    if not tally.hosts:
        return ""
    rows = "".join(
        f"<tr><td>{escape(host.name)}</td><td>{'up' if host.up else escape(host.reason)}</td><td>{host.done}</td>"
        f"<td>{f'{host.seconds:.1f}' if host.seconds else ''}</td></tr>"
        for host in tally.hosts
    )
    return f"<h2>Hosts</h2><table><tr><th>host</th><th>state</th><th>rows</th><th>s a job</th></tr>{rows}</table>"


def _failures(state: State) -> str:
    found = list(
        state.query(
            "SELECT number, error, message, settings FROM rows WHERE state = 'failed' ORDER BY number LIMIT ?",
            MOST_FAILURES,
        )
    )
    if not found:
        return ""
    rows = "".join(
        f'<tr class="failed"><td>{number}</td><td>{escape(str(error))}</td><td>{escape(str(message))}</td>'
        f"<td>{escape(_words(json.loads(text)['settings']))}</td></tr>"
        for number, error, message, text in found
    )
    return (
        "<h2>Set aside</h2><table><tr><th>row</th><th>why</th><th>what happened</th><th>parameters</th></tr>"
        f"{rows}</table>"
    )


def _sheet(state: State, first: int, last: int, names: Sequence[str]) -> str:
    done = {one.row: one for one in _pictures(state, first, last)}
    cells = []
    for number, how in state.query("SELECT number, state FROM rows WHERE number BETWEEN ? AND ?", first, last):
        if number in done:
            cells.append(_cell(done[number], names))
        else:
            word = without_picture(how)
            cells.append(f'<div class="cell {how}"><b>{number}</b> <span class="muted">{word}</span></div>')
    return f'<div class="sheet">{"".join(cells)}</div>'


def _pictures(state: State, first: int, last: int) -> Iterator[SheetPicture]:
    """Yield the last picture of each done row."""
    yield from _read(
        state.query(
            "SELECT rows.number, files.name, files.likeness, rows.settings, MAX(files.place) FROM rows "
            "JOIN attempts ON attempts.row = rows.number AND attempts.state = 'done' "
            "JOIN files ON files.row = rows.number AND files.attempt = attempts.number "
            "WHERE rows.number BETWEEN ? AND ? GROUP BY rows.number",
            first,
            last,
        )
    )


def ranked(state: State, most: int = -1) -> Iterator[SheetPicture]:
    """Yield the last picture of each done row, those most alike the person first, those not measured last."""
    yield from _read(
        state.query(
            "SELECT number, name, likeness, settings, place FROM (SELECT rows.number, files.name, files.likeness, "
            "rows.settings, files.place, MAX(files.place) OVER (PARTITION BY rows.number) AS last FROM rows "
            "JOIN attempts ON attempts.row = rows.number AND attempts.state = 'done' "
            "JOIN files ON files.row = rows.number AND files.attempt = attempts.number) "
            "WHERE place = last ORDER BY likeness IS NULL, likeness DESC, number LIMIT ?",
            most,
        )
    )


def _read(found: Iterator[tuple[Any, ...]]) -> Iterator[SheetPicture]:
    for number, name, likeness, text, _ in found:
        yield SheetPicture(number, name, likeness, json.loads(text)["settings"])


def _cell(one: SheetPicture, names: Sequence[str]) -> str:
    where = f"{PICTURES}/{quote(one.name)}"
    shown = _words({name: one.settings[name] for name in names if name in one.settings})
    likeness = "" if one.likeness is None else f"likeness {one.likeness:.2f}<br>"
    again = f"portrait-studio rerun {PICTURES}/{one.name}"
    return (
        f'<div class="cell"><a href="{where}"><img loading="lazy" src="{where}" alt="row {one.row}"></a>'
        f"<b>{one.row}</b> {likeness}{escape(shown)}<br>"
        f'<a href="{where}.json">parameters</a> <code>{escape(again)}</code></div>'
    )


def _words(settings: Mapping[str, Any]) -> str:
    text = ", ".join(f"{name}={value}" for name, value in settings.items())
    return text if len(text) <= 300 else f"{text[:300]}..."


def _links(number: int, pages: int) -> str:
    shown = [f'<a href="{REPORT}">overview</a>'] if number else []
    shown += [f'<a href="report-{page}.html">{page}</a>' for page in range(1, pages + 1) if page != number]
    return f"<p>{' '.join(shown[:400])}</p>"
