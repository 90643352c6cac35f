"""What a picture says of where it comes from, for whoever holds it; it may come from anybody."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .. import reading
from . import signing, xmp
from .containers import ProvenanceError, has_manifest, private_parts, xmp_of


@dataclass(frozen=True)
class Provenance:
    """What a picture says: `source` is IPTC's code or empty, `facts` are ours, `signature` is what C2PA gives.

    `signature` is empty where there is no manifest; its `state` is "unchecked" without c2pa-python. `private` names
    what the file carries besides pixels and provenance, such as ComfyUI's graph.
    """

    file: str
    source: str = ""
    tool: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    signature: dict[str, Any] = field(default_factory=dict)
    private: list[str] = field(default_factory=list)

    @property
    def by_a_model(self) -> bool:
        """Whether the picture says that a model made it or a part of it."""
        return {self.source, self.signature.get("source")} & set(xmp.SOURCES.values()) != set()

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {**asdict(self), "by_a_model": self.by_a_model}


def show(file: Path) -> Provenance:
    """Return what a PNG or JPEG file says of where it comes from. Raises ProvenanceError when it cannot be read."""
    try:
        data = reading.read(file, "picture")
    except reading.ReadError as error:
        raise ProvenanceError(f"{file.name} cannot be read ({error}); give a PNG or JPEG file.") from error
    told = xmp.read(xmp_of(data, file.name))
    source, tool = told.pop("source", ""), told.pop("tool", "")
    signature: dict[str, Any] = {}
    if has_manifest(data, file.name):
        signature = signing.read(data, file.name) if signing.available() else {"state": "unchecked"}
    return Provenance(file.name, source, tool, told, signature, private_parts(data, file.name))
