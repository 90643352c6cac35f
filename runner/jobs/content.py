"""Whether a file that a host sent is what its name says: by its first bytes, and for pictures down to the last one.

A host, or what stands before it, may answer 200 with a page, with half a picture, or with one that says it has a
billion pixels. Which kinds are taken at all is data, in kinds.json: none that a double click would run.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import IO, Any

from PIL import Image

from ...portrait import decoding

DECODED = 16_000_000  # pixels; a larger picture is read through without being held whole
_CHUNK = 1 << 20
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # samples of a pixel by PNG's colour type (PNG specification, 11.2.2)
_LONGEST_START = 16


@cache
def _kinds() -> dict[str, dict[str, Any]]:
    return json.loads(Path(__file__).with_name("kinds.json").read_text("utf-8"))


def is_fetched(name: str) -> bool:
    """Whether files of this name's kind are fetched from a host."""
    return Path(name).suffix.lower() in _kinds()


def fault_of(file: Path | bytes, name: str) -> str:
    """Return what is wrong with a file that a host sent under `name`, in words; empty when nothing is."""
    return examine(file, name)[0]


def examine(file: Path | bytes, name: str) -> tuple[str, str | None]:
    """Return what is wrong with a file, or its bytes, that a host sent; empty when nothing is. And its `picture_hash`.

    The picture is decoded once for both.
    """
    kind = _kinds()[Path(name).suffix.lower()]
    with _opened(file) as source:
        start = source.read(_LONGEST_START)
    if not start:
        return "it is empty", None
    if not any(re.match(pattern, start.hex()) for pattern in kind["starts"]):
        return f"it is not what its name says; it begins with {_shown(start)}", None
    if "picture" not in kind:
        return "", None
    try:
        return _examine_picture(file, kind["picture"])
    except Exception as error:  # whatever a decoder stumbles over
        return f"it is damaged or cut short ({' '.join(str(error).split())[:80]})", None


def picture_hash(file: Path, name: str) -> str | None:
    """Return a sha256 over size and decoded pixels of a picture that was found whole: no file's metadata is in it.

    None for what is not a picture, or one of more than DECODED pixels. Raises OSError.
    """
    kind = _kinds().get(Path(name).suffix.lower(), {})
    if "picture" not in kind:
        return None
    with decoding.strict(), decoding.opened(file, [kind["picture"]]) as picture:
        return _pixels_hash(picture)


def _pixels_hash(picture: Image.Image) -> str | None:
    if picture.size[0] * picture.size[1] > DECODED or getattr(picture, "n_frames", 1) > 1:
        return None
    digest = hashlib.sha256(f"{picture.mode} {picture.size[0]}x{picture.size[1]}\0".encode())
    digest.update(picture.tobytes())
    return digest.hexdigest()


def _opened(file: Path | bytes) -> IO[bytes]:
    return io.BytesIO(file) if isinstance(file, bytes) else file.open("rb")


def _examine_picture(file: Path | bytes, form: str) -> tuple[str, str | None]:
    with decoding.strict(), decoding.opened(file, [form]) as picture:
        width, height = picture.size
        if max(width, height) > decoding.MAX_SIDE or width * height > decoding.MAX_PIXELS:
            return f"it says that it has {width} x {height} pixels", None
        if form == "WEBP" and (fault := _fault_of_webp(file)):
            return fault, None
        if form == "PNG":  # Pillow takes one whose end is missing when the pixels are there
            with _opened(file) as source:
                if fault := _fault_of_png(source):
                    return fault, None
        if width * height <= DECODED:
            picture.load()
            return "", _pixels_hash(picture)
        if form == "JPEG":
            picture.draft(None, (width // 8, height // 8))
            picture.load()
    return "", None


def _fault_of_webp(file: Path | bytes) -> str:
    with _opened(file) as source:
        (told,) = struct.unpack("<4xI", source.read(8))
    size = len(file) if isinstance(file, bytes) else file.stat().st_size
    return "it is cut short" if told + 8 > size else ""


def _fault_of_png(source: IO[bytes]) -> str:
    """Read a PNG to its end in little memory: every checksum, and as many pixels as it says it has."""
    source.seek(8)
    inflate, made, wanted = zlib.decompressobj(), 0, 0
    while True:
        length, kind = struct.unpack(">I4s", source.read(8))
        checksum = zlib.crc32(kind)
        left = length
        while left:
            piece = source.read(min(left, _CHUNK))
            if not piece:
                return "it is cut short"
            checksum, left = zlib.crc32(piece, checksum), left - len(piece)
            if kind == b"IHDR":
                width, height, bits, colour, _, _, laced = struct.unpack(">IIBBBBB", piece)
                wanted = 0 if laced else height * (1 + (width * bits * _CHANNELS[colour] + 7) // 8)
            while kind == b"IDAT" and piece and made <= wanted:
                made += len(inflate.decompress(piece, _CHUNK))
                piece = inflate.unconsumed_tail
        if struct.unpack(">I", source.read(4))[0] != checksum:
            return "a checksum in it is wrong"
        if kind == b"IEND":
            made += len(inflate.flush())
            return "" if not wanted or made == wanted else "it has not the pixels that it says"


def _shown(start: bytes) -> str:
    text = start.decode("ascii", "replace")
    return repr(text) if text.isascii() and text.isprintable() else f"the bytes {start[:8].hex(' ')}"
