"""A decoded frame as upright RGB in sRGB, at 8 bit a sample, a band of rows at a time.

Pillow holds RGB in four bytes a pixel and copies it twice on the way to an array, and wide samples are scaled as
float64. Done in bands, the largest photograph takes its frame and its result: tests/hostile/table.py measures the peak.
"""

from __future__ import annotations

import contextlib
import io
import math
import struct
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image, ImageCms

BAND = 4_000_000  # pixels
PAPER = (255, 255, 255)

Box = tuple[int, int, int, int]


def orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation of a decoded picture, 1 to 8; a damaged EXIF block leaves it as it is stored."""
    with contextlib.suppress(SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        turn = picture.getexif().get(ExifTags.Base.Orientation, 1)
        return turn if turn in range(1, 9) else 1
    return 1


def upright_rgb(frame: Image.Image, turn: int, profile: bytes | None, box: Box | None = None) -> np.ndarray:
    """Return a frame, or the part of it in `box` (as it is stored), as upright RGB uint8 `[H, W, 3]`.

    `turn` is the EXIF orientation it is stored in, `profile` its ICC profile. What is transparent lies on white paper.
    """
    left, top, right, bottom = box or (0, 0, *frame.size)
    size = (bottom - top, right - left)
    result = np.empty((*(size[::-1] if turn >= 5 else size), 3), np.uint8)
    stored = _as_stored(result, turn)
    for begin, end in _bands(*size):
        stored[begin:end] = np.asarray(_rgb(frame.crop((left, top + begin, right, top + end)), profile))
    return result


def is_plain(frame: Image.Image) -> bool:
    """Whether pixels of a frame can be averaged as they are: no palette, nothing transparent, more than one bit."""
    return frame.mode not in ("1", "P", "PA", "LA", "La", "RGBA", "RGBa") and "transparency" not in frame.info


def flattened(frame: Image.Image, profile: bytes | None, side: int = 1) -> Image.Image:
    """Return a frame that is not plain as RGB in sRGB, as it is stored; each pixel the mean of `side` x `side`."""
    result = Image.new("RGB", (math.ceil(frame.width / side), math.ceil(frame.height / side)))
    for begin, end in _bands(frame.height, frame.width, side):
        result.paste(_rgb(frame.crop((0, begin, frame.width, end)), profile).reduce(side), (0, begin // side))
    return result


def eight_bit(picture: Image.Image) -> Image.Image:
    """Return pictures of 16 and 32 bit a sample scaled to 8 bit, and every other picture as it is.

    Pillow itself clips them (mode I;16 and I) or truncates them (F) when it converts.
    """
    if picture.mode.startswith("I;16"):
        return _scaled(picture, 65535.0)
    if picture.mode == "I":  # 16-bit greyscale in older Pillows, or true 32-bit integers
        return _scaled(picture, 65535.0 if _most(picture) <= 65535 else 2.0**31 - 1)
    if picture.mode == "F":  # floating point TIFFs hold 0..1 by convention, some hold 0..255
        return _scaled(picture, 1.0 if _most(picture) <= 1.0 else 255.0)
    return picture


def _bands(height: int, width: int, step: int = 1) -> Iterator[tuple[int, int]]:
    """Yield the first row of each band and the row after its last; all but the last band have a multiple of `step`."""
    rows = max(1, BAND // width // step) * step
    for begin in range(0, height, rows):
        yield begin, min(begin + rows, height)


def flips(turn: int) -> tuple[bool, bool]:
    """Return whether left and right, and top and bottom, of the upright picture are stored the other way round.

    From EXIF orientation 5 on, x and y are exchanged after that.
    """
    return turn in (2, 3, 6, 7), turn in (3, 4, 7, 8)


def _as_stored(upright: np.ndarray, turn: int) -> np.ndarray:
    """Return a view of an upright picture as EXIF orientation `turn` has it stored."""
    sideways, upside_down = flips(turn)
    flipped = upright[:: -1 if upside_down else 1, :: -1 if sideways else 1]
    return flipped.transpose(1, 0, 2) if turn >= 5 else flipped


def _rgb(band: Image.Image, profile: bytes | None) -> Image.Image:
    alpha = None
    if band.mode == "P" or "transparency" in band.info:
        band = band.convert("RGBA")
    if band.mode in ("LA", "RGBA", "PA", "La", "RGBa"):
        band = band.convert("RGBA") if band.mode != "LA" else band
        alpha = band.getchannel("A")
        band = band.convert("L" if band.mode == "LA" else "RGB")
    band = _srgb(band, profile)
    return band if alpha is None else Image.composite(band, Image.new("RGB", band.size, PAPER), alpha)


def _srgb(frame: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the frame as RGB, through its ICC profile when it has one that fits."""
    if profile and frame.mode in ("RGB", "L", "CMYK"):
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = ImageCms.profileToProfile(
                frame, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            if converted is not None:
                return converted
    return frame.convert("RGB")


def _wide(picture: Image.Image) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the samples of a picture of one channel as float64 `[rows, W]`, and which rows they are."""
    for begin, end in _bands(picture.height, picture.width):
        band = np.asarray(picture.crop((0, begin, picture.width, end))).astype(np.float64)
        yield slice(begin, end), np.nan_to_num(band)


def _most(picture: Image.Image) -> float:
    return max((float(band.max(initial=0)) for _, band in _wide(picture)), default=0.0)


def _scaled(picture: Image.Image, top: float) -> Image.Image:
    result = np.empty((picture.height, picture.width), np.uint8)
    for rows, band in _wide(picture):
        result[rows] = np.clip(band / top, 0, 1) * 255 + 0.5
    return Image.fromarray(result)
