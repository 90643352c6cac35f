"""What a session leaves for people: the ranked contact sheet, and one page with everything on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from ...portrait import disk
from ...portrait.decoding import read_rgb
from ...portrait.sheet import Tile, draw_sheet
from ..batch import PICTURES, REPORT, SheetPicture, State, ranked, write_html
from .judging import Verdicts
from .order import SessionOrder

CONTACT_SHEET = "contact_sheet.png"
PORTRAITS = "portraits"  # the folder of the batch
MOST_TILES = 60
COLUMNS = 4


def write_papers(
    folder: Path, order: SessionOrder, verdicts: Verdicts | None, training: Mapping[str, Any] | None, batch: State
) -> Path:
    """Write sheet and page, each whole or not at all, over those of an earlier run; return the page.

    Raises OSError, BatchStateError.
    """
    best = list(ranked(batch))
    if best:
        _write_sheet(folder, order, best)
    parts = [
        f"<h1>{escape(order.name)}</h1>",
        f"<p>{escape(_heading(order, batch))}</p>",
        _portraits(best),
        _training(training),
        _photos(verdicts),
    ]
    page = folder / REPORT
    write_html(page, escape(order.name), "".join(parts))
    return page


def _heading(order: SessionOrder, batch: State) -> str:
    counts = batch.counts()
    failed = f", {counts['failed']} set aside" if counts["failed"] else ""
    return f"{order.checkpoint}, {counts['done']} of {sum(counts.values())} portraits{failed}"


def _write_sheet(folder: Path, order: SessionOrder, best: Sequence[SheetPicture]) -> None:
    tiles = []
    for place, one in enumerate(best[:MOST_TILES], 1):
        picture = Image.fromarray(read_rgb(folder / PORTRAITS / PICTURES / one.name))
        likeness = "likeness not measured" if one.likeness is None else f"likeness {one.likeness:.2f}"
        tiles.append(Tile(picture, f"{place}. {_words(one.settings)}", f"{likeness}, {one.name}"))
    with disk.writing(folder / CONTACT_SHEET) as beside:
        draw_sheet(tiles, f"{order.name}, {order.checkpoint}: the most alike first", COLUMNS).save(beside, "PNG")


def _portraits(best: Sequence[SheetPicture]) -> str:
    if not best:
        return "<h2>Portraits</h2><p>None yet.</p>"
    cells = "".join(_cell(place, one) for place, one in enumerate(best, 1))
    return (
        f'<h2>Portraits, the most alike first</h2><p><a href="{CONTACT_SHEET}">the contact sheet</a>, '
        f'<a href="{PORTRAITS}/{REPORT}">the batch, with its grid</a></p><div class="sheet">{cells}</div>'
    )


def _cell(place: int, one: SheetPicture) -> str:
    where = f"{PORTRAITS}/{PICTURES}/{quote(one.name)}"
    likeness = "" if one.likeness is None else f"likeness {one.likeness:.2f}<br>"
    return (
        f'<div class="cell"><a href="{where}"><img loading="lazy" src="{where}" alt="portrait {place}"></a>'
        f"<b>{place}</b> {likeness}{escape(_words(one.settings))}<br>"
        f'<a href="{where}.json">record</a> <code>portrait-studio rerun {escape(f"{PORTRAITS}/{PICTURES}/{one.name}")}'
        "</code></div>"
    )


def _training(told: Mapping[str, Any] | None) -> str:
    if not told:
        return ""
    before, after = ("not measured" if told[key] is None else f"{told[key]:.2f}" for key in ("before", "after"))
    pictures = "".join(
        f'<div class="cell"><a href="training/{quote(name)}"><img loading="lazy" src="training/{quote(name)}" '
        f'alt="{escape(name)}"></a></div>'
        for name in told["pictures"]
    )
    said = "".join(f"<li>{escape(text)}</li>" for text in told["warnings"])
    return (
        f"<h2>Training</h2><p>Likeness {before} without the subject, {after} with it; {told['seconds']:.0f} s.</p>"
        f'<div class="sheet">{pictures}</div><ul>{said}</ul>'
    )


def _photos(verdicts: Verdicts | None) -> str:
    if verdicts is None:
        return ""
    rows = "".join(
        f"<tr{'' if one.accepted else ' class=failed'}><td>{escape(one.name)}</td><td>{escape(one.verdict)}</td>"
        f"<td>{escape(one.reason)}</td></tr>"
        for one in verdicts.photos
    )
    said = "".join(f"<li>{escape(text)}</li>" for text in (*verdicts.doubts, *verdicts.advice))
    sheet = f"photo-report/{quote(verdicts.sheet)}"
    shown = f'<p><a href="{sheet}">the photos with their verdicts</a></p>' if verdicts.sheet else ""
    return (
        f"<h2>Photos</h2>{shown}<ul>{said}</ul><table><tr><th>photo</th><th>verdict</th><th>why</th></tr>{rows}</table>"
    )


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(str(settings[name]) for name in ("pose", "tone") if name in settings) + (
        f", seed {settings['seed']}" if "seed" in settings else ""
    )
