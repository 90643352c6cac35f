"""PNG and JPEG as their parts, so that words go into a file while every byte of its pixels stays as it is.

PNG: a signature, then chunks of length, kind, content and CRC (PNG specification, 5.3). JPEG: markers with lengths up
to the start of the scan, after which everything is the picture (ISO/IEC 10918-1, B.1). XMP is the iTXt chunk
"XML:com.adobe.xmp" of the one and an APP1 segment of the other (XMP specification, part 3).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from ..errors import PortraitError
from .leaving import rules

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
PNG_XMP = b"XML:com.adobe.xmp\x00\x00\x00\x00\x00"  # keyword, not compressed, no language, no translation
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\x00"
LONGEST_SEGMENT = 65_533
_SCAN = 0xDA
_BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


class ProvenanceError(PortraitError):
    """A picture cannot be marked, signed or read; the message names it."""

    key = "provenance"


def kind_of(data: bytes) -> str:
    """Return "png", "jpeg", or an empty string for anything else."""
    return "png" if data.startswith(PNG) else "jpeg" if data.startswith(JPEG) else ""


def refuse_others(data: bytes, name: str) -> str:
    """Return the kind of a file, or raise ProvenanceError when it is one that is not marked here."""
    kind = kind_of(data)
    if not kind:
        raise ProvenanceError(f"{name} is neither PNG nor JPEG, so it is not marked here; save it as one of the two.")
    return kind


def chunks(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, content) of a PNG's chunks. Raises ProvenanceError when it is cut short."""
    at = len(PNG)
    while at < len(data):
        head = data[at : at + 8]
        if len(head) < 8:
            raise _broken(name)
        length, kind = struct.unpack(">I4s", head)
        if at + 12 + length > len(data):
            raise _broken(name)
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"IEND":
            return
    raise _broken(name)


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def segments(data: bytes, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield (marker, content) of a JPEG's segments; the last is the scan with all that follows.

    Raises ProvenanceError when it is cut short before its scan.
    """
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise _broken(name)
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes are allowed before a marker
            at += 1
            continue
        if marker == _SCAN:
            yield marker, data[at + 2 :]
            return
        if marker in _BARE:
            yield marker, b""
            at += 2
            continue
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        if length < 2 or at + 2 + length > len(data):
            raise _broken(name)
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length
    raise _broken(name)


def segment(marker: int, content: bytes) -> bytes:
    """Return a JPEG segment; the scan and bare markers carry no length."""
    head = bytes((0xFF, marker))
    return (
        head + content if marker == _SCAN or marker in _BARE else head + struct.pack(">H", len(content) + 2) + content
    )


def xmp_of(data: bytes, name: str) -> bytes:
    """Return a picture's XMP packet, or nothing."""
    if refuse_others(data, name) == "png":
        for kind, content in chunks(data, name):
            if kind == b"iTXt" and content.startswith(PNG_XMP):
                return content[len(PNG_XMP) :]
        return b""
    for marker, content in segments(data, name):
        if marker == 0xE1 and content.startswith(JPEG_XMP):
            return content[len(JPEG_XMP) :]
    return b""


def with_xmp(data: bytes, packet: bytes, name: str) -> bytes:
    """Return the picture with this XMP packet in place of any other, its pixels byte for byte as they were.

    A C2PA manifest that was there is left out: it would not hold for the changed file.
    """
    if refuse_others(data, name) == "png":
        parts = [PNG]
        for kind, content in chunks(data, name):
            if not (kind == b"caBX" or (kind == b"iTXt" and content.startswith(b"XML:com.adobe.xmp\x00"))):
                parts.append(chunk(kind, content))
            if kind == b"IHDR":
                parts.append(chunk(b"iTXt", PNG_XMP + packet))
        return b"".join(parts)
    if len(JPEG_XMP) + len(packet) > LONGEST_SEGMENT:
        raise ProvenanceError(f"{name} cannot be marked: the packet has more than the 64 kB that JPEG takes.")
    parts, put = [b"\xff\xd8"], False
    for marker, content in segments(data, name):
        if not put and marker not in (0xE0, 0xE1):
            parts.append(segment(0xE1, JPEG_XMP + packet))
            put = True
        if not (is_manifest(marker, content) or (marker == 0xE1 and content.startswith(JPEG_XMP))):
            parts.append(segment(marker, content))
    return b"".join(parts)


def is_manifest(marker: int, content: bytes) -> bool:
    """Whether a JPEG segment is a part of a C2PA manifest: JUMBF in APP11 (ISO 19566-5)."""
    return marker == 0xEB and content.startswith(b"JP")


def has_manifest(data: bytes, name: str) -> bool:
    """Whether a picture carries a C2PA manifest, be it right or wrong."""
    if refuse_others(data, name) == "png":
        return any(kind == b"caBX" for kind, _ in chunks(data, name))
    return any(is_manifest(marker, content) for marker, content in segments(data, name))


def private_parts(data: bytes, name: str) -> list[str]:
    """Return the names of what a picture carries besides pixels, colours and provenance; see leaving.json."""
    kept = rules()
    if refuse_others(data, name) == "png":
        found = [
            content.partition(b"\x00")[0].decode("latin-1")
            if kind in (b"tEXt", b"zTXt", b"iTXt")
            else kind.decode("latin-1")
            for kind, content in chunks(data, name)
            if kind.decode("latin-1") not in kept["png"] and kind != b"caBX" and not content.startswith(PNG_XMP)
        ]
    else:
        found = [
            f"APP{marker - 0xE0}" if marker != 0xFE else "comment"
            for marker, content in segments(data, name)
            if not _stays(marker, content) and not content.startswith(JPEG_XMP) and not is_manifest(marker, content)
        ]
    return list(dict.fromkeys(found))


def bare(data: bytes, name: str) -> bytes:
    """Return the picture with nothing but pixels and colours; every byte of those is as it was."""
    if refuse_others(data, name) == "png":
        kept = rules()["png"]
        return PNG + b"".join(
            chunk(kind, content) for kind, content in chunks(data, name) if kind.decode("latin-1") in kept
        )
    return b"\xff\xd8" + b"".join(
        segment(marker, content) for marker, content in segments(data, name) if _stays(marker, content)
    )


def _stays(marker: int, content: bytes) -> bool:
    if marker != 0xFE and not 0xE0 <= marker <= 0xEF:
        return True
    begins = rules()["jpeg"].get(f"{marker:02x}")
    return begins is not None and content.startswith(begins.encode("latin-1"))


def _broken(name: str) -> ProvenanceError:
    return ProvenanceError(f"{name} is damaged or cut short; make or copy it again.")
