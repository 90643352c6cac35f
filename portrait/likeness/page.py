"""The likeness report as one static HTML page: pictures in it, nothing fetched, no script."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import reading
from . import stored

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #f6f6f4; margin: 2rem auto; max-width: 62rem;
  padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .3rem .8rem; text-align: left; border-bottom: 1px solid #dddcd8; vertical-align: top; }
.pair { display: inline-block; margin: .6rem; padding: .7rem; background: #fff; border: 1px solid #dddcd8;
  border-radius: 6px; }
.pair img { height: 14rem; margin-right: .4rem; border-radius: 3px; }
.copy { border: 3px solid #c42626; }
.pair p { margin: .4rem 0 0; font-size: .9rem; max-width: 28rem; }
.remarks li { color: #9b1c1c; }
"""


def page(folder: Path) -> str:
    """Return the page about the report in a folder (training/likeness of a subject).

    Raises SubjectError when there is no report or it is not one of ours.
    """
    facts = stored.read(folder)
    name = _text(facts.get("subject"))
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        # Nothing that a name or a remark may hold can load or run anything.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Likeness of {name}</title><style>{STYLE}</style></head><body>",
        f"<h1>Likeness of {name}</h1>",
        f"<p>{_summary(facts)}</p>",
        _remarks(facts),
        _table(facts),
        "<h2>Pictures, each with the training photo that it is most like</h2>",
        "<p>Pixels are compared once one face is laid on the other and both are as soft. Copied: 0 as alike as the "
        "person's two most alike photos, 1 the same pixels.</p>",
        *(_pair(folder, facts, index, one) for index, one in enumerate(facts["pictures"]) if isinstance(one, dict)),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _summary(facts: Mapping[str, Any]) -> str:
    band, copies = facts.get("own_band"), facts.get("copies") or 0
    words = f"Mean likeness to photos that training never saw: <b>{_number(facts.get('likeness'))}</b>."
    if isinstance(band, dict):
        words += (
            f" Real photos of the person have {_number(band.get('low'))} to {_number(band.get('high'))}, "
            f"typically {_number(band.get('typical'))}."
        )
    words += f" Copies of training photos: <b>{_text(copies)}</b> of {len(facts['pictures'])}."
    return words + " Figures of different face recognitions cannot be compared with each other."


def _remarks(facts: Mapping[str, Any]) -> str:
    remarks = facts.get("remarks")
    if not isinstance(remarks, list) or not remarks:
        return ""
    return '<ul class="remarks">' + "".join(f"<li>{_text(one)}</li>" for one in remarks) + "</ul>"


def _table(facts: Mapping[str, Any]) -> str:
    rows = [("face recognition", facts.get("backend"))]
    band = facts.get("own_band")
    if isinstance(band, dict):
        rows += [
            ("two most alike photos, as faces", band.get("nearest")),
            ("two most alike photos, as pixels", band.get("pixels")),
            ("share of pictures above that, as faces", facts.get("above_own_band")),
        ]
    for what, key in (("pictures", "spread"), ("photos", "photo_spread")):
        if isinstance(spread := facts.get(key), dict):
            words = ", ".join(
                f"{name} {round(value, 3) if isinstance(value, float) else value}" for name, value in spread.items()
            )
            rows.append((f"spread of the {what} (degrees; mouths 0 to 2)", words))
    second = facts.get("second")
    if isinstance(second, dict):
        rows.append((f"second face recognition: {second.get('backend')}", second.get("likeness")))
        if isinstance(own := second.get("band"), dict):
            words = f"{own.get('low')} to {own.get('high')}"
            rows.append(("its likeness of real photos", words))
    looks = facts.get("looks")
    if isinstance(looks, dict):
        rows += [(f"{name.replace('_', ' ')} kept", _kept(one)) for name, one in looks.items()]
    cells = "".join(f"<tr><th>{_text(name)}</th><td>{_number(value, 3)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def _kept(one: Any) -> Any:
    """Return one row of looks in words: a share of the pictures that can be told."""
    if not isinstance(one, dict) or not isinstance(share := one.get("kept"), float):
        return "cannot be told"
    return f"{share:.0%} of {one.get('told')} pictures; of {one.get('pictures')} that were looked at"


def _pair(folder: Path, facts: Mapping[str, Any], index: int, one: Mapping[str, Any]) -> str:
    images = _image(folder, stored.PICTURE.format(index), f"picture {index + 1}")
    words = f"Picture {index + 1}: likeness {_number(one.get('likeness'))}"
    words += f", {_text(one['band'])} the own band" if one.get("band") else ""
    nearest, photos = one.get("nearest_photo"), facts.get("photos")
    if isinstance(nearest, int) and isinstance(photos, list) and 0 <= nearest < len(photos):
        images += _image(folder, stored.PHOTO.format(nearest), "the nearest training photo")
        words += (
            f". Nearest photo {_text(photos[nearest])}: face {_number(one.get('nearest_face'))}, pixels "
            f"{_number(one.get('nearest_pixels'))}, copied {_number(one.get('copied'))}"
        )
    copy = one.get("copy") is True
    words = "<b>A copy.</b> " + words if copy else words
    return f'<div class="pair{" copy" if copy else ""}">{images}<p>{words}</p></div>'


def _image(folder: Path, file: str, about: str) -> str:
    try:
        data = reading.read(folder / file, "report picture", links=False)
    except reading.ReadError:
        return ""
    if not re.match(rb"\xff\xd8\xff", data):
        return ""
    return f'<img alt="{_text(about)}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'


def _number(value: Any, digits: int = 2) -> str:
    """Return a number as the page shows it, and any other value as text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.{digits}f}" if isinstance(value, float) else str(value)
    return "not measured" if value is None else html.escape(str(value))


def _text(value: Any) -> str:
    return html.escape(str(value))
