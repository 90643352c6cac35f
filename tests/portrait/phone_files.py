"""Files as phones write them: several pictures, a video or maps in one file, in their real containers."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

# CIPA DC-007 (Multi-Picture Format): the tags of the index, and what the second picture is.
MPF_VERSION, MPF_COUNT, MPF_ENTRIES = 0xB000, 0xB001, 0xB002
PRIMARY, OTHER = 0x00030000, 0x00000000
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"


def jpeg(pixels: np.ndarray, quality: int = 92, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=quality, exif=exif)
    return sink.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_segments(picture: bytes, *segments: bytes) -> bytes:
    """The JPEG with segments behind its EXIF block."""
    length = struct.unpack(">H", picture[4:6])[0]
    at = 4 + length if picture[2:4] in (b"\xff\xe0", b"\xff\xe1") else 2
    return picture[:at] + b"".join(segments) + picture[at:]


def xmp(items: str) -> bytes:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"<rdf:Description {items}</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    return segment(0xE1, XMP_HEAD + packet.encode())


def container(*items: tuple[str, str, int]) -> str:
    """Google's container directory: (semantic, MIME type, length) of each item, the primary first."""
    listed = "".join(
        f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{semantic}" Item:Mime="{mime}" '
        f'Item:Length="{length}"/></rdf:li>'
        for semantic, mime, length in items
    )
    return (
        'xmlns:Container="http://ns.google.com/photos/1.0/container/" '
        'xmlns:Item="http://ns.google.com/photos/1.0/container/item/" '
        'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" '
        'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" GCamera:MotionPhoto="1">'
        f"<Container:Directory><rdf:Seq>{listed}</rdf:Seq></Container:Directory>"
    )


def mpf(first: int, second: int) -> bytes:
    """The MPF index of two pictures of so many bytes, the second right behind the first."""
    offset = 8 + 2 + 3 * 12 + 4
    ifd = struct.pack(">H", 3)
    ifd += struct.pack(">HHI4s", MPF_VERSION, 7, 4, b"0100")
    ifd += struct.pack(">HHII", MPF_COUNT, 4, 1, 2)
    ifd += struct.pack(">HHII", MPF_ENTRIES, 7, 32, offset)
    # Offsets count from the byte order mark of this index, which `two_pictures` places right behind the EXIF block.
    entries = struct.pack(">IIIHH", PRIMARY, first, 0, 0, 0) + struct.pack(">IIIHH", OTHER, second, first, 0, 0)
    return segment(0xE2, b"MPF\0MM\0*" + struct.pack(">I", 8) + ifd + struct.pack(">I", 0) + entries)


def two_pictures(primary: bytes, second: bytes, *segments: bytes) -> bytes:
    """A multi-picture JPEG: Ultra HDR's gain map, a depth map, or Samsung's second view behind the photo."""
    index = mpf(0, len(second))
    whole = with_segments(primary, *segments, index)
    mark = whole.index(b"MPF\0") + 4
    fixed = mpf(len(whole), len(second))
    # The second picture's offset counts from the mark.
    fixed = fixed[:-8] + struct.pack(">IHH", len(whole) - mark, 0, 0)
    return with_segments(primary, *segments, fixed) + second


def mp4(seconds: int = 1) -> bytes:
    """The boxes of a short video: ftyp, mdat with bytes that look like JPEG markers, moov."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", len(body) + 8, kind) + body

    header = box(b"mvhd", bytes(12) + struct.pack(">II", 1000, 1000 * seconds) + bytes(80))
    media = np.random.default_rng(5).bytes(60_000) + b"\xff\xd8\xff\xe0\xff\xd9\xff\xda" * 40
    return box(b"ftyp", b"mp42\0\0\0\0isommp42") + box(b"mdat", media) + box(b"moov", header)


def motion_photo(primary: bytes) -> bytes:
    """A motion photo as Pixel and Samsung phones write it: the JPEG names the video that follows it."""
    video = mp4()
    items = container(("Primary", "image/jpeg", 0), ("MotionPhoto", "video/mp4", len(video)))
    return with_segments(primary, xmp(items)) + video


def ultra_hdr(primary: bytes, gain: np.ndarray) -> bytes:
    """An Ultra HDR photo (ISO 21496-1 as Android writes it): a small grey gain map behind the photo."""
    sink = io.BytesIO()
    Image.fromarray(gain).save(sink, "JPEG", quality=85)
    described = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" hdrgm:GainMapMax="2.3">'
    second = with_segments(sink.getvalue(), xmp(described))
    items = container(("Primary", "image/jpeg", 0), ("GainMap", "image/jpeg", len(second)))
    return two_pictures(primary, second, xmp(items))
