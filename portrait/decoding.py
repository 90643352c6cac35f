"""Picture files to upright RGB in sRGB: whole, reduced, or a few regions of them.

A phone's photo has 12 to 108 megapixels, of which most uses need a small part. JPEG files are decoded at the scale that
is asked for (its transform gives 1/2, 1/4 and 1/8 at a fraction of the time and memory); other formats are decoded
whole, one at a time, and reduced before anything else is done with them.
"""

from __future__ import annotations

import contextlib
import io
import math
import struct
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from . import reading
from .errors import PortraitError
from .upright import Box, eight_bit, flattened, flips, is_plain, orientation, upright_rgb

# Pillow opens many more, and hands PostScript to Ghostscript. MPO, the phones' file of several JPEGs, opens as JPEG.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF")
SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "HEIF": ".heic"}  # the others are called as their format
HEIF_SUFFIXES = frozenset({".heic", ".heif"})
# Phones with a 108 MP sensor save 12,000 x 9,000 px; as float32 a picture of 120 MP already takes 1.4 GB.
MAX_SIDE = 20_000
MAX_PIXELS = 120_000_000
JPEG_SCALES = (8, 4, 2)
# A reduced picture may have fewer pixels than it could, down to this part, when JPEG decodes straight to that size.
LEAST_PART = 0.6
REDUCING_GAP = 3.0  # how much finer than wanted a picture is averaged in whole numbers of pixels first (Pillow's word)
ONE_AT_A_TIME = 16_000_000  # pixels; decoded pictures above it are never held by two threads at once

_large = threading.Lock()


class PhotoError(PortraitError):
    """A photograph cannot be read; the message names it."""

    key = "photo"
    exit_code = 4  # "photo" in runner/client/exit_codes.json


@dataclass(frozen=True)
class Patch:
    """A region of a picture: RGB uint8 `[h, w, 3]`, and where it is.

    The point (x, y) of the patch is (left + x * scale, top + y * scale) of the whole upright picture, in pixels.
    """

    pixels: np.ndarray
    left: float = 0.0
    top: float = 0.0
    scale: float = 1.0


@contextlib.contextmanager
def opened(source: Path | bytes, formats: Sequence[str] = FORMATS) -> Iterator[Image.Image]:
    """Open a picture, if it is of one of the formats (Pillow's names), whatever its file name says.

    Raises PIL.UnidentifiedImageError for any other format, and what Pillow raises for damaged files.
    """
    Image.init()
    known = [name for name in formats if name in Image.OPEN]
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=known) as picture:
        yield picture


def read_rgb(path: Path, formats: Sequence[str] = FORMATS) -> np.ndarray:
    """Return a picture that this project wrote itself, as RGB uint8 `[H, W, 3]`, as it is stored."""
    with opened(path, formats) as picture:
        return np.asarray(picture.convert("RGB"))


def read_whole(path: Path) -> np.ndarray:
    """Return a photograph as RGB uint8 `[H, W, 3]`, upright, in sRGB; see photos.read. Raises PhotoError."""
    with _photograph(path) as picture, _decoded(picture) as frame:
        return upright_rgb(frame, orientation(picture), picture.info.get("icc_profile"))


def read_reduced(path: Path, most: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Return a photograph like `read_whole`, with at most `most` pixels, and its whole size (width, height).

    A photograph that has no more is returned whole; others keep at least LEAST_PART of `most`. Raises PhotoError.
    """
    with _photograph(path) as picture:
        size = picture.size
        _draft(picture, _scale_for_area(size, most))
        with _decoded(picture) as frame:
            turn, profile = orientation(picture), picture.info.get("icc_profile")
            factor = math.sqrt(most / (frame.width * frame.height))
            if factor < 1:
                less = max(1, math.floor(frame.width * factor)), max(1, math.floor(frame.height * factor))
                whole = (0, 0, *frame.size)
                if not is_plain(frame):  # Pillow would copy all of it, so the means are made on the way
                    side = max(1, int(1 / factor / REDUCING_GAP))
                    whole = (0, 0, frame.width / side, frame.height / side)
                    frame, profile = flattened(frame, profile, side), None
                frame = frame.resize(less, Image.Resampling.LANCZOS, whole, REDUCING_GAP)
            width, height = size[::-1] if turn >= 5 else size
            return upright_rgb(frame, turn, profile), (width, height)


def read_regions(path: Path, boxes: Sequence[Box], least: int) -> list[Patch]:
    """Return regions of a photograph; `boxes` are (left, top, right, bottom) in pixels of the whole upright picture.

    The file is decoded once. A region keeps at least `least` pixels along its longer side where the photograph has
    them; a JPEG is not decoded finer than that takes. What is outside the picture is left out. Raises PhotoError.
    """
    with _photograph(path) as picture:
        stored = picture.size
        longest = min((max(right - left, bottom - top) for left, top, right, bottom in boxes), default=0)
        scale = _draft(picture, next((scale for scale in JPEG_SCALES if longest >= scale * least), 1))
        with _decoded(picture) as frame:
            turn = orientation(picture)
            return [_patch(frame, picture, stored, box, scale, turn) for box in boxes]


def check(path: Path) -> str:
    """Decode a photograph to its end, in as little memory as its format allows, and return the suffix for that format.

    What the file's own name ends with may be wrong, or a part of somebody's name. Raises PhotoError as `read` does.
    """
    with _photograph(path) as picture:
        _draft(picture, JPEG_SCALES[0])
        with _decoded(picture):
            return SUFFIXES.get(picture.format or "", f".{(picture.format or 'png').lower()}")


@contextlib.contextmanager
def _photograph(path: Path) -> Iterator[Image.Image]:
    """Open a file's first frame, its size checked; whatever is wrong with it becomes a PhotoError that names it."""
    data = read_bytes(path)
    if path.suffix.lower() in HEIF_SUFFIXES or _is_heif(data):
        _register_heif(path.name)
    try:
        with _strict_pillow, opened(data) as picture:
            _refuse_giants(path.name, picture.size)
            picture.seek(0)
            yield picture
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError(_giant(path.name)) from error
    except UnidentifiedImageError as error:
        raise PhotoError(
            f"{path.name} is not a picture that can be read, whatever its name says; export it as JPEG or PNG."
        ) from error
    # Pillow's decoders meet damaged bytes with any of these.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, OverflowError, MemoryError) as error:
        raise PhotoError(f"{path.name} is damaged or cut short ({error}); copy or export it again.") from error


def read_bytes(path: Path) -> bytes:
    """Return a photograph's file as it is. Raises PhotoError when it is not a file, empty or too large."""
    try:
        data = reading.read(path, "photo")
    except reading.FolderError:
        raise PhotoError(f"{path.name} is a folder; name the photos in it.") from None
    except reading.ReadError as error:
        raise PhotoError(f"{path.name} cannot be opened ({error}); check its name and place.") from error
    if not data:
        raise PhotoError(f"{path.name} is empty (0 bytes); copy it again from the camera or phone.")
    return data


@contextlib.contextmanager
def _decoded(picture: Image.Image) -> Iterator[Image.Image]:
    """Decode the picture, at 8 bit a sample."""
    large = picture.width * picture.height > ONE_AT_A_TIME
    with _large if large else contextlib.nullcontext():
        picture.load()
        yield eight_bit(picture)


def _draft(picture: Image.Image, scale: int) -> int:
    """Ask for a JPEG at 1/`scale` of its size; return the scale that it will have, 1 for every other format."""
    width, height = picture.size
    if scale == 1 or min(width, height) < scale:
        return 1
    drafted = picture.draft(None, (width // scale, height // scale))
    return round(width / drafted[1][2]) if drafted else 1


def _scale_for_area(size: tuple[int, int], most: int) -> int:
    area = size[0] * size[1]
    if area <= most:
        return 1
    return next((scale for scale in JPEG_SCALES if area >= LEAST_PART * most * scale**2), 1)


def _patch(frame: Image.Image, picture: Image.Image, stored: tuple[int, int], box: Box, scale: int, turn: int) -> Patch:
    width, height = stored[::-1] if turn >= 5 else stored
    left, top = min(max(0, box[0]), width - 1), min(max(0, box[1]), height - 1)
    clipped = left, top, min(max(left + 1, box[2]), width), min(max(top + 1, box[3]), height)
    left, top, right, bottom = _as_stored(clipped, width, height, turn)
    inner = left // scale, top // scale, math.ceil(right / scale), math.ceil(bottom / scale)
    covered = inner[0] * scale, inner[1] * scale, inner[2] * scale, inner[3] * scale
    lies = _as_upright(covered, width, height, turn)
    return Patch(upright_rgb(frame, turn, picture.info.get("icc_profile"), inner), lies[0], lies[1], scale)


def _as_stored(box: Box, width: int, height: int, turn: int) -> Box:
    """Return a box of the upright picture (width x height px) in the picture as its orientation has it stored."""
    left, top, right, bottom = _flipped(box, width, height, turn)
    return (top, left, bottom, right) if turn >= 5 else (left, top, right, bottom)


def _as_upright(box: Box, width: int, height: int, turn: int) -> Box:
    """Return a box of the stored picture in the upright one, of width x height px."""
    left, top, right, bottom = box
    return _flipped((top, left, bottom, right) if turn >= 5 else box, width, height, turn)


def _flipped(box: Box, width: int, height: int, turn: int) -> Box:
    left, top, right, bottom = box
    sideways, upside_down = flips(turn)
    if sideways:
        left, right = width - right, width - left
    if upside_down:
        top, bottom = height - bottom, height - top
    return left, top, right, bottom


class _Strictness:
    """Refuses truncated files even if another pack made Pillow accept them; our size check replaces its warning.

    Both are settings of the process, so the first thread to come in changes them and the last one to leave restores
    them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._restore = contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._restore.callback(setattr, ImageFile, "LOAD_TRUNCATED_IMAGES", ImageFile.LOAD_TRUNCATED_IMAGES)
                self._restore.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                ImageFile.LOAD_TRUNCATED_IMAGES = False

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._restore.close()


_strict_pillow = _Strictness()


def strict() -> contextlib.AbstractContextManager[None]:
    """Refuse truncated pictures within the block, whatever another pack set in Pillow."""
    return _strict_pillow


def _giant(name: str, size: tuple[int, int] | None = None) -> str:
    dimensions = f"{size[0]} x {size[1]} px" if size else "far more pixels than a photo"
    return (
        f"{name} is too large ({dimensions}; the limit is {MAX_SIDE} px a side and {MAX_PIXELS // 10**6} megapixels); "
        "save it smaller."
    )


def _refuse_giants(name: str, size: tuple[int, int]) -> None:
    if max(size) > MAX_SIDE or size[0] * size[1] > MAX_PIXELS:
        raise PhotoError(_giant(name, size))


def _is_heif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def _register_heif(name: str) -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise PhotoError(
            f"{name} is a HEIC picture, which needs the package pillow-heif; install it, or export the photo as JPEG."
        ) from error
    pillow_heif.register_heif_opener()
