"""A picture marked: label, XMP and signature, in the only order in which they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import disk, reading
from .containers import ProvenanceError, bare, has_manifest, kind_of, with_xmp
from .labelling import labelled
from .leaving import public_facts
from .signing import Certificate, sign
from .xmp import SOURCES, packet

UNSIGNED = (
    "Pictures carry IPTC's mark and no signature, since no certificate is set: give --certificate and --key, or tell "
    "who receives them."
)


@dataclass(frozen=True)
class Marking:
    """How pictures are marked: `source` is of xmp.SOURCES, `label` draws the visible line, `certificate` signs."""

    source: str = "generated"
    label: bool = False
    certificate: Certificate | None = None

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ProvenanceError(f"{self.source!r} is not a source of a picture; use one of {', '.join(SOURCES)}.")

    @property
    def warning(self) -> str:
        """What whoever runs the studio should hear once; empty when pictures are signed."""
        return "" if self.certificate else UNSIGNED


def mark(data: bytes, name: str, record: Mapping[str, Any] | None = None, marking: Marking | None = None) -> bytes:
    """Return a PNG or JPEG picture marked; without label, its pixels are byte for byte as they were.

    Of `record` (of the job that made it) only what leaving.json names gets in. The graph that ComfyUI wrote into the
    picture stays; see `without_private_parts`. Raises ProvenanceError.
    """
    marking = marking or Marking()
    facts = public_facts(record or {})
    if marking.label:
        data = labelled(data, name)
    data = with_xmp(data, packet(marking.source, facts), name)
    return sign(data, marking.source, facts, marking.certificate, name) if marking.certificate else data


def without_private_parts(data: bytes, name: str) -> bytes:
    """Return a picture without the graph, texts, EXIF and all else that leaving.json does not name.

    To be called before `mark`, since a signature covers all that is there. Raises ProvenanceError.
    """
    return bare(data, name)


def marked(data: bytes, name: str, marking: Marking | None = None) -> bytes:
    """Return a picture with IPTC's mark in it; what cannot be marked, or is signed already, as it is.

    Equal pictures stay equal: nothing of time or chance gets in, unless the marking signs. Raises ProvenanceError.
    """
    if not kind_of(data) or has_manifest(data, name):
        return data
    return mark(data, name, None, marking)


def mark_file(file: Path, marking: Marking | None = None) -> bool:
    """Put IPTC's mark into a picture on this disk, whole or not at all; return whether it can be marked.

    See `marked`. Raises OSError, ProvenanceError.
    """
    try:
        data = reading.read(file, "picture")
    except reading.ReadError as error:
        raise ProvenanceError(f"{file.name} cannot be marked ({error}).") from error
    new = marked(data, file.name, marking)
    if new is not data:
        disk.write(file, new)
    return bool(kind_of(data))
