"""The visible label: a line in the corner that says in Korean and English that a model made the picture.

Korea's AI Basic Act and article 50 of the EU's AI Act ask for one where a portrait may be taken for a photograph.
"""

from __future__ import annotations

import functools
import io

from PIL import Image, ImageDraw, ImageFont

from ..decoding import opened
from ..lettering import font
from .containers import bare, chunks, kind_of, refuse_others, segments

TEXTS = {"ko": "AI로 생성된 이미지", "en": "AI-generated image"}
SIZE = 0.026
"""The height of the letters, as a part of the shorter side."""
LEAST = 9  # pixels, below which nobody can read it
QUALITY = 95
_UNKNOWN = "\U0010fffd"


@functools.cache
def languages() -> tuple[str, ...]:
    """Return the languages of TEXTS whose letters the fonts of this system have."""
    letters = font(16)
    if not isinstance(letters, ImageFont.FreeTypeFont):
        return ("en",)
    missing = _drawn(_UNKNOWN, letters)
    return tuple(
        name for name, text in TEXTS.items() if all(_drawn(one, letters) != missing for one in text if one != " ")
    )


def _drawn(sign: str, letters: ImageFont.FreeTypeFont) -> bytes:
    picture = Image.new("L", (32, 32))
    ImageDraw.Draw(picture).text((4, 4), sign, 255, letters)
    return picture.tobytes()


def labelled(data: bytes, name: str) -> bytes:
    """Return the picture with the label in its lower right corner, in every language that this system can draw.

    A PNG stays lossless; a JPEG is encoded once more. What the file carries besides the pixels is left out. Raises
    ProvenanceError.
    """
    kind = refuse_others(data, name)
    for _ in chunks(data, name) if kind == "png" else segments(data, name):
        pass  # a file that is cut short is said to be, by name
    with opened(bare(data, name), [kind.upper()]) as picture:
        profile = picture.info.get("icc_profile")
        frame = picture.convert("RGBA" if "A" in picture.getbands() or "transparency" in picture.info else "RGB")
    _draw(frame)
    out = io.BytesIO()
    extra = {"icc_profile": profile} if profile else {}
    if kind == "png":
        frame.save(out, "PNG", **extra)
    else:
        frame.convert("RGB").save(out, "JPEG", quality=QUALITY, subsampling=0, **extra)
    assert kind_of(out.getvalue()) == kind
    return out.getvalue()


def _draw(frame: Image.Image) -> None:
    text = " · ".join(TEXTS[one] for one in languages())
    letters = font(max(LEAST, round(min(frame.size) * SIZE)))
    left, top, right, bottom = letters.getbbox(text)
    pad = max(3, round((bottom - top) * 0.5))
    wide, high = round(right - left) + 2 * pad, round(bottom - top) + 2 * pad
    plate = Image.new("RGBA", (wide, high), (0, 0, 0, 150))
    ImageDraw.Draw(plate).text((pad - left, pad - top), text, (255, 255, 255, 255), letters)
    if wide > frame.width:
        plate = plate.resize((frame.width, max(1, round(high * frame.width / wide))), Image.Resampling.LANCZOS)
    frame.paste(plate, (frame.width - plate.width, frame.height - plate.height), plate)
