"""Words on pictures: the colours and the font of every sheet and chart, and text that fits a given width."""

from __future__ import annotations

import functools

from PIL import ImageFont, features

PAPER = (246, 246, 244)
INK = (34, 34, 36)
FAINT = (112, 112, 116)
# Fonts that hold Korean, Chinese and Japanese as well, as systems name them; Pillow's own holds Latin alone.
FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansKR-Regular.otf",
    "AppleSDGothicNeo.ttc",
    "malgun.ttf",
    "NanumGothic.ttf",
    "DejaVuSans.ttf",
)


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
