"""The photo report of a session: the graph photo-report on the host, and whether its verdicts suffice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from ...portrait.coverage import LEAST_ACCEPTED
from ..client import HostError, words
from .errors import PhotosUnfitError, listed
from .order import lists, tuples

REPORT = "photo-report"


@dataclass(frozen=True)
class PhotoVerdict:
    """What the report says of one photo: `verdict` is accepted, held out or rejected; `sha256` is the file's."""

    name: str
    sha256: str
    verdict: str
    reason: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it teaches the person's face, or measures it."""
        return self.verdict in ("accepted", "held out")


@dataclass(frozen=True)
class Verdicts:
    """The report on all photos; `strangers` show another person, `advice` is what the set lacks, in sentences."""

    photos: tuple[PhotoVerdict, ...]
    strangers: tuple[str, ...]
    doubts: tuple[str, ...]
    advice: tuple[str, ...]
    sheet: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return lists(asdict(self))

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Verdicts:
        """Read what `as_dict` gave."""
        return cls(**{**tuples(data), "photos": tuple(PhotoVerdict(**one) for one in data["photos"])})

    @property
    def accepted(self) -> list[PhotoVerdict]:
        """The photos that the training gets."""
        return [one for one in self.photos if one.accepted]

    def insist(self) -> None:
        """Raise PhotosUnfitError when these photos will not do, with the reasons."""
        accepted, strangers = len(self.accepted), len(self.strangers)
        if strangers >= 2 and strangers >= accepted / 2:
            raise PhotosUnfitError(
                f"The photos show two people: one is in {accepted}, another in {strangers} "
                f"({listed(self.strangers)}); leave out those of whom you do not mean"
            )
        if accepted < LEAST_ACCEPTED:
            reasons = [f"{one.name}: {one.reason}" for one in self.photos if not one.accepted]
            raise PhotosUnfitError(
                f"{accepted} of {len(self.photos)} photos will do, and {LEAST_ACCEPTED} are needed"
                f"{f' ({listed(reasons)})' if reasons else ''}; add better ones"
            )


def read_verdicts(outputs: Mapping[str, Mapping[str, Any]], files: Mapping[str, tuple[str, str]]) -> Verdicts:
    """Read the report in /history `outputs`; `files` are (name here, sha256) by the name on the host without ending.

    Raises HostError when there is no report in it, or not one on these photos.
    """
    for output in outputs.values():
        facts = [one for one in _list(output.get("portrait_studio")) if _dict(one).get("kind") == "photo_report"]
        if facts:
            return _verdicts(facts[0], _list(output.get("portrait_studio_photos")), files)
    raise HostError("The host ran the photo report and told no verdicts: its Portrait Studio nodes may be too old")


def _verdicts(facts: Mapping[str, Any], told: Sequence[Any], files: Mapping[str, tuple[str, str]]) -> Verdicts:
    names = {stem: name for stem, (name, _) in files.items()}

    def here(text: Any) -> str:
        """Say the names of this machine in place of those on the host."""
        said = words(str(text))
        for on_host, name in names.items():
            for ending in (PurePosixPath(name).suffix.lower(), ""):
                said = said.replace(f"{on_host}{ending}", name)
        return said

    photos = []
    for one in told:
        entry = _dict(one)
        found = files.get(PurePosixPath(str(entry.get("name"))).stem)
        if found is None:
            raise HostError("The host's photo report speaks of photos that it was not given")
        photos.append(PhotoVerdict(*found, str(entry.get("verdict")), here(entry.get("reason") or "")))
    if {one.sha256 for one in photos} != {sha256 for _, sha256 in files.values()}:
        raise HostError("The host's photo report does not speak of every photo")
    return Verdicts(
        photos=tuple(photos),
        strangers=tuple(here(PurePosixPath(str(one)).name) for one in _list(facts.get("strangers"))),
        doubts=tuple(here(one) for one in _list(facts.get("doubts"))),
        advice=tuple(here(one) for one in _list(facts.get("missing"))),
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
