"""The XMP packet: what kind of source a picture has, in the words of IPTC, and the few facts that may leave.

`Iptc4xmpExt:DigitalSourceType` is of the IPTC Photo Metadata Standard 2023.2; its values are IPTC's NewsCodes
(http://cv.iptc.org/newscodes/digitalsourcetype/). The packet is that of the XMP specification, part 1.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

CODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SOURCES = {
    "generated": f"{CODES}trainedAlgorithmicMedia",
    "composite": f"{CODES}compositeWithTrainedAlgorithmicMedia",
}
"""`generated`: a model made the picture. `composite`: a photograph that a model changed in part."""
TOOL = "Portrait Studio"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
XMP = "http://ns.adobe.com/xap/1.0/"
OURS = "urn:portrait-studio:provenance:1"
MOST_BYTES = 1 << 20
_UNSPEAKABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")


def packet(source: str, facts: Mapping[str, str]) -> bytes:
    """Return an XMP packet for a source of SOURCES; equal arguments give equal bytes."""
    fields = {"Iptc4xmpExt:DigitalSourceType": SOURCES[source], "xmp:CreatorTool": TOOL}
    fields |= {f"studio:{name}": value for name, value in facts.items() if _NAME.fullmatch(name)}
    told = " ".join(f"{name}={quoteattr(_UNSPEAKABLE.sub('', value))}" for name, value in fields.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="" '
        f'xmlns:Iptc4xmpExt="{IPTC}" xmlns:xmp="{XMP}" xmlns:studio="{OURS}" {told}/></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="r"?>'
    ).encode()


def read(data: bytes) -> dict[str, str]:
    """Return the properties of a packet that we know: `source`, `tool`, and ours by their names.

    Anybody may have written it: what cannot be read is an empty answer, and no entity is ever expanded.
    """
    if len(data) > MOST_BYTES or b"<!" in data:
        return {}
    try:
        root = ET.fromstring(data.strip(b"\x00 \r\n\t"))  # noqa: S314 - a packet with a declaration is refused above
    except (ET.ParseError, ValueError, LookupError):
        return {}
    found: dict[str, str] = {}
    for place in root.iter(f"{{{RDF}}}Description"):
        told = [*place.attrib.items(), *((child.tag, child.text or "") for child in place)]
        for name, value in told:
            if name == f"{{{IPTC}}}DigitalSourceType":
                found["source"] = value.strip()
            elif name == f"{{{XMP}}}CreatorTool":
                found["tool"] = value.strip()
            elif name.startswith(f"{{{OURS}}}"):
                found[name.partition("}")[2]] = value.strip()
    return found
