"""Where a picture comes from, said in the picture: that a model made it, which graph, and who answers for it.

The order matters. The visible label changes pixels, so it is first; the XMP packet is next; the C2PA signature covers
all of it, so signing is the last write to a file.
"""

from .containers import ProvenanceError
from .labelling import labelled, languages
from .leaving import public_facts
from .marking import Marking, mark, mark_file, marked, without_private_parts
from .showing import Provenance, show
from .signing import Certificate, available, sign
from .xmp import SOURCES

__all__ = [
    "SOURCES",
    "Certificate",
    "Marking",
    "Provenance",
    "ProvenanceError",
    "available",
    "labelled",
    "languages",
    "mark",
    "mark_file",
    "marked",
    "public_facts",
    "show",
    "sign",
    "without_private_parts",
]
