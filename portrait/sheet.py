"""Pictures side by side with words beneath each: what a job made, stage by stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .lettering import FAINT, INK, PAPER, elided, font, printable, wrapped

GAP = 24
TITLE, SMALL = 20, 15
LINES = 2


@dataclass(frozen=True)
class Tile:
    """A picture, its title and a caption of at most two lines."""

    picture: Image.Image
    title: str
    caption: str = ""


def draw_sheet(tiles: Sequence[Tile], heading: str = "", columns: int = 4, cell: int = 320) -> Image.Image:
    """Return a sheet (RGB) of the tiles in reading order, each fitted into a square of `cell` pixels.

    Raises ValueError without a tile.
    """
    if not tiles:
        raise ValueError("a sheet needs at least one picture")
    columns = min(columns, len(tiles))
    head = GAP + (TITLE * 2 if heading else 0)
    step = cell + TITLE + SMALL * 2 * LINES + GAP
    size = (GAP + columns * (cell + GAP), head + math.ceil(len(tiles) / columns) * step)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    if heading:
        pen.text((GAP, GAP // 2), printable(heading), INK, font(TITLE + 4))
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        left, top = GAP + column * (cell + GAP), head + row * step
        picture = tile.picture.convert("RGB")
        scale = cell / max(picture.size)
        fitted = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
        sheet.paste(fitted, (left + (cell - fitted.width) // 2, top + (cell - fitted.height) // 2))
        pen.text((left, top + cell + 8), elided(tile.title, font(TITLE), cell), INK, font(TITLE))
        for line, text in enumerate(wrapped(tile.caption, font(SMALL), cell, LINES)):
            pen.text((left, top + cell + 12 + TITLE + line * (SMALL + 5)), text, FAINT, font(SMALL))
    return sheet
