"""The photo report as a picture: every photo with its verdict beneath it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from .lettering import FAINT, INK, PAPER, elided, font, printable, wrapped
from .originals import AnyPhoto, as_photo
from .report import PhotoReport, Verdict

CELL = 240
GAP = 20
LINE = 20
TEXT_LINES = 3
MOST_COLUMNS = 8
GREEN = (22, 128, 61)
RED = (196, 38, 38)
BLUE = (29, 78, 190)


def draw(photos: Sequence[AnyPhoto], report: PhotoReport) -> np.ndarray:
    """Return the contact sheet `[H, W, 3]` (RGB, uint8) of photos and the report on them; each is looked at in turn."""
    count = len(report.verdicts)
    columns = min(MOST_COLUMNS, max(3, math.ceil(math.sqrt(count * 1.4))))
    rows = math.ceil(count / columns)
    step_y = CELL + 12 + (1 + TEXT_LINES) * LINE + GAP
    width = GAP + columns * (CELL + GAP)
    advice = [
        line for text in (*report.doubts, *report.missing) for line in wrapped(text, font(15), width - 2 * GAP, 2)
    ]
    head = GAP + 34 + LINE * len(advice) + GAP
    sheet = Image.new("RGB", (width, head + rows * step_y), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, GAP), printable(_heading(report)), INK, font(24))
    for index, line in enumerate(advice):
        pen.text((GAP, GAP + 36 + index * LINE), line, FAINT, font(15))
    for index, (photo, verdict) in enumerate(zip(photos, report.verdicts, strict=True)):
        row, column = divmod(index, columns)
        _cell(sheet, pen, GAP + column * (CELL + GAP), head + row * step_y, as_photo(photo).pixels, verdict)
    return np.asarray(sheet)


def _heading(report: PhotoReport) -> str:
    words = f"{len(report.accepted)} of {len(report.verdicts)} photos accepted"
    if report.held_out:
        words += f", {len(report.held_out)} of them held out of training"
    strangers = len(report.strangers)
    return words + (f"; {strangers} of another person" if strangers else "")


def _cell(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, left: int, top: int, photo: np.ndarray, verdict: Verdict
) -> None:
    colour, sign, words = _said(verdict)
    scale = CELL / max(photo.shape[:2])
    size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
    thumbnail = Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    on_whole = CELL / (max(verdict.size) or max(photo.shape[:2]))
    corner = (left + (CELL - size[0]) // 2, top + (CELL - size[1]) // 2)
    pen.rectangle((left - 5, top - 5, left + CELL + 4, top + CELL + 4), (226, 226, 224), colour, 4)
    sheet.paste(thumbnail, corner)
    for index, face in enumerate(verdict.faces):
        x, y, wide, high = (value * on_whole for value in face.box)
        box = (
            max(corner[0], corner[0] + x),
            max(corner[1], corner[1] + y),
            min(corner[0] + size[0] - 1, corner[0] + x + wide),
            min(corner[1] + size[1] - 1, corner[1] + y + high),
        )
        if box[2] > box[0] and box[3] > box[1]:
            pen.rectangle(box, None, colour if index == verdict.face else (255, 255, 255), 2)
    below = top + CELL + 10
    pen.text((left, below), elided(verdict.name, font(15), CELL), INK, font(15))
    if verdict.remarks:
        words += "; " + "; ".join(verdict.remarks)
    for index, line in enumerate(wrapped(f"{sign} {words}", font(15), CELL, TEXT_LINES)):
        pen.text((left, below + (1 + index) * LINE), line, colour, font(15))


def _said(verdict: Verdict) -> tuple[tuple[int, int, int], str, str]:
    """Return a verdict as colour, sign (for those who do not tell red from green) and words."""
    if verdict.held_out:
        return BLUE, "=", "accepted; held out, to measure likeness on"
    return (GREEN, "+", "accepted") if verdict.accepted else (RED, "x", verdict.reason)
