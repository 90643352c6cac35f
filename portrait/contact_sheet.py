"""The photo report as a picture: every photo with its verdict beneath it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from .report import Report, Verdict

CELL = 240
GAP = 20
LINE = 20
TEXT_LINES = 3
MOST_COLUMNS = 8
PAPER = (246, 246, 244)
INK = (34, 34, 36)
FAINT = (112, 112, 116)
GREEN = (22, 128, 61)
RED = (196, 38, 38)
BLUE = (29, 78, 190)
# Fonts that hold Korean, Chinese and Japanese as well, as systems name them; Pillow's own holds Latin alone.
FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansKR-Regular.otf",
    "AppleSDGothicNeo.ttc",
    "malgun.ttf",
    "NanumGothic.ttf",
    "DejaVuSans.ttf",
)


def draw(photos: Sequence[np.ndarray], report: Report) -> np.ndarray:
    """Return the contact sheet `[H, W, 3]` (RGB, uint8) of photos `[H, W, 3]` and the report on them."""
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
        _cell(sheet, pen, GAP + column * (CELL + GAP), head + row * step_y, photo, verdict)
    return np.asarray(sheet)


def _heading(report: Report) -> str:
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
    thumbnail = Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS)
    corner = (left + (CELL - size[0]) // 2, top + (CELL - size[1]) // 2)
    pen.rectangle((left - 5, top - 5, left + CELL + 4, top + CELL + 4), (226, 226, 224), colour, 4)
    sheet.paste(thumbnail, corner)
    for index, face in enumerate(verdict.faces):
        x, y, wide, high = (value * scale for value in face.box)
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


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the first of FONTS that this system has, else Pillow's own."""
    if features.check("freetype2"):
        for name in FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    return ImageFont.load_default(size)


def printable(text: str) -> str:
    """Return the text in one line, without what fonts cannot draw: control signs and halves of surrogate pairs."""
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    if isinstance(font(15), ImageFont.FreeTypeFont):
        return text
    return text.encode("latin-1", "replace").decode("latin-1")


def elided(text: str, with_font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Return the text, its middle left out as far as needed to fit `width` pixels; the ends of a name tell most."""
    text = printable(text)[:200]
    if with_font.getlength(text) <= width:
        return text
    for keep in range(len(text) - 1, 0, -1):
        shorter = text[: (keep + 1) // 2] + "..." + text[len(text) - keep // 2 :]
        if with_font.getlength(shorter) <= width:
            return shorter
    return "..."


def wrapped(text: str, with_font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int, lines: int) -> list[str]:
    """Return the text in at most `lines` lines of `width` pixels; what does not fit ends in dots."""
    done: list[str] = []
    line = ""
    words = printable(text).split()
    for index, word in enumerate(words):
        longer = f"{line} {word}".strip()
        if with_font.getlength(longer) <= width:
            line = longer
            continue
        if line:
            done.append(line)
        line = elided(word, with_font, width)
        if len(done) == lines:
            return [*done[:-1], elided(" ".join([done[-1], *words[index:]]), with_font, width)]
    return [*done, line] if line else done
