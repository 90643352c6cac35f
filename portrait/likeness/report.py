"""The likeness report: pictures of a person held against that person's real photos, so that a copy does not win."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import identity
from ..originals import AnyPhoto
from . import comparing, looking
from .band import OwnBand, own_band
from .heads import look_at
from .known import KnownPhotos
from .looking import SeenFace
from .looks import LooksKept, own_looks, shares
from .registering import correlation
from .spread import Spread, narrow, spread


@dataclass(frozen=True)
class NearestPhoto:
    """The photo that training saw and a picture is most like: its index among the known photos, and how like it is.

    `face` is the largest cosine to the faces of these photos. `pixels` is the correlation of light and shade with the
    photo `index`, once one face is laid on the other and both are as soft (registering.correlation); `copied` is how
    far that is above the person's own band, 1 for the same pixels (OwnBand.copied), None without a band.
    """

    index: int
    face: float
    pixels: float
    copied: float | None


@dataclass(frozen=True)
class PictureLikeness:
    """One picture: `likeness` to the person, -1..1, None without a face; `place` in the own band, "" without one.

    `copy` says that it is a copy of a training photo. `credit` is what it counts for in a ranking: its likeness, no
    more than a real photo has, and 0 for a copy and for no face.
    """

    likeness: float | None
    place: str = ""
    nearest: NearestPhoto | None = None
    above: bool = False
    copy: bool = False
    credit: float = 0.0

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """What pictures are ranked by, the best highest: a face first, no copy, then the credit."""
        return self.likeness is not None, not self.copy, self.credit

    def as_dict(self) -> dict[str, Any]:
        """Return the picture as JSON holds it."""
        facts: dict[str, Any] = {"likeness": identity.rounded(self.likeness), "band": self.place}
        if self.nearest is not None:
            facts |= {
                "nearest_photo": self.nearest.index,
                "nearest_face": identity.rounded(self.nearest.face),
                "nearest_pixels": identity.rounded(self.nearest.pixels),
                "copied": identity.rounded(self.nearest.copied),
            }
        return {**facts, "above_own_band": self.above, "copy": self.copy}


@dataclass(frozen=True)
class SecondOpinion:
    """What a second face recognition says: its own likenesses and its own band; never mixed with the first's."""

    backend: str
    same_person: float | None
    band: OwnBand | None
    likenesses: tuple[float | None, ...]

    @property
    def likeness(self) -> float | None:
        """The mean likeness of the pictures with a face."""
        return _mean(self.likenesses)

    def as_dict(self) -> dict[str, Any]:
        """Return the opinion as JSON holds it."""
        return {
            "backend": self.backend,
            "likeness": identity.rounded(self.likeness),
            "same_person": self.same_person,
            "band": self.band.as_dict() if self.band else None,
            "pictures": [identity.rounded(one) for one in self.likenesses],
        }


@dataclass(frozen=True)
class LikenessReport:
    """Pictures of a person, each with its likeness, and what holds for all of them.

    `photos` are the names of the known photos that NearestPhoto counts, `remarks` sentences about all of the pictures,
    `looks` how many of them keep the person's hair, glasses and beard, {} where nobody has looked.
    """

    pictures: tuple[PictureLikeness, ...]
    backend: str
    band: OwnBand | None = None
    spread: Spread | None = None
    photo_spread: Spread | None = None
    second: SecondOpinion | None = None
    photos: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    looks: Mapping[str, LooksKept] = field(default_factory=dict)

    @property
    def likeness(self) -> float | None:
        """The mean likeness of the pictures with a face."""
        return _mean([one.likeness for one in self.pictures])

    @property
    def copies(self) -> list[int]:
        """The indices of the pictures that are copies."""
        return [index for index, one in enumerate(self.pictures) if one.copy]

    @property
    def warnings(self) -> list[str]:
        """A sentence about each picture that is a copy."""
        nearest = [(index, self.pictures[index].nearest) for index in self.copies]
        return [
            f"Picture {index + 1} is a copy of the training photo {self.photos[one.index]}."
            for index, one in nearest
            if one is not None
        ]

    @property
    def order(self) -> list[int]:
        """The indices of the pictures, the best first; of equal ones the earlier."""
        return sorted(range(len(self.pictures)), key=lambda i: self.pictures[i].rank, reverse=True)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        above = [one.above for one in self.pictures if one.likeness is not None]
        return {
            "likeness": identity.rounded(self.likeness),
            "backend": self.backend,
            "own_band": self.band.as_dict() if self.band else None,
            "copies": len(self.copies),
            "above_own_band": round(sum(above) / len(above), 4) if above and self.band else None,
            "spread": self.spread.as_dict() if self.spread else None,
            "photo_spread": self.photo_spread.as_dict() if self.photo_spread else None,
            "second": self.second.as_dict() if self.second else None,
            "looks": {name: one.as_dict() for name, one in self.looks.items()},
            "pictures": [one.as_dict() for one in self.pictures],
            "photos": list(self.photos),
            "remarks": [*self.warnings, *self.remarks],
        }

    def sentence(self) -> str:
        """Return the report in a few lines."""
        if self.likeness is None:
            return "likeness not measured"
        lines = [f"likeness {self.likeness:.3f}"]
        if self.band:
            lines.append(f"real photos of the person: {self.band.low:.3f} to {self.band.high:.3f}")
        if self.second and self.second.likeness is not None:
            lines.append(f"by {self.second.backend}: {self.second.likeness:.3f}")
        return "\n".join(lines)


def report(
    pictures: Sequence[AnyPhoto],
    person: np.ndarray,
    known: KnownPhotos | None,
    embedder: identity.Embedder,
    second: identity.Embedder | None = None,
) -> LikenessReport:
    """Return the report on pictures (RGB, uint8); in a picture of several people the face most like the person counts.

    `person` is the direction `[K]` that likeness is measured against with `embedder`; see `measured` and `with_looks`
    for the rest.
    """
    seen = looking.look(pictures, embedder, person)
    return with_looks(measured(seen, person, known, embedder, second), seen, known)


def measured(
    seen: Sequence[SeenFace | None],
    person: np.ndarray,
    known: KnownPhotos | None,
    embedder: identity.Embedder,
    second: identity.Embedder | None = None,
) -> LikenessReport:
    """Return the report on the faces of pictures, None where a picture shows none.

    `known` are the person's real photos, without which there is no band and no nearest photo. A `second` face
    recognition measures against the held-out ones among them.
    """
    if known is not None and known.backend != embedder.name:
        known = None  # figures of two face recognitions are never compared
    band, why = own_band(known) if known is not None else (None, "")
    faces = [one for one in seen if one is not None]
    nearest = iter(_nearest(faces, known, band) if known is not None and faces else [])
    pictures = tuple(_picture(one, person, next(nearest, None) if one else None, band) for one in seen)
    wide = spread([one.aligned for one in faces], [one.turn for one in faces])
    of_photos = spread(known.faces, known.turns) if known is not None else None
    return LikenessReport(
        pictures,
        embedder.name,
        band,
        wide,
        of_photos,
        _second(seen, known, second) if second is not None and known is not None else None,
        known.names if known is not None else (),
        (*([why] if why else []), *narrow(wide, of_photos)),
    )


def with_looks(told: LikenessReport, seen: Sequence[SeenFace | None], known: KnownPhotos | None) -> LikenessReport:
    """Return the report with how many of its pictures keep hair, glasses and beard of the person's photos."""
    if known is None or not known.looks:
        return told
    looked = [look_at(one.picture, one.face) if one is not None else None for one in seen]
    return replace(told, looks=shares(looked, own_looks(known.looks)))


def _picture(
    seen: SeenFace | None, person: np.ndarray, nearest: NearestPhoto | None, band: OwnBand | None
) -> PictureLikeness:
    if seen is None:
        return PictureLikeness(None)
    likeness = identity.likeness(seen.embedding, person)
    if band is None or nearest is None:
        return PictureLikeness(likeness, nearest=nearest, credit=likeness)
    copy = nearest.copied is not None and nearest.copied > comparing.limits()["copy"]
    credit = 0.0 if copy else min(likeness, band.high)
    return PictureLikeness(likeness, band.place(likeness), nearest, nearest.face > band.nearest, copy, credit)


def _nearest(seen: Sequence[SeenFace], known: KnownPhotos, band: OwnBand | None) -> list[NearestPhoto]:
    """Return the nearest photo of each face, among those that training saw; among all where none is marked."""
    trained = np.flatnonzero(known.trained if known.trained.any() else np.ones(len(known), bool))
    cosines = np.stack([one.embedding for one in seen]) @ known.embeddings[trained].T
    found = []
    for one, own, near in zip(seen, cosines, comparing.nearest_faces(cosines), strict=True):
        alike = [(*correlation(known.faces[trained[at]], one.aligned), int(trained[at])) for at in near]
        pixels, blur, index = max(alike, key=lambda each: band.copied(*each[:2]) if band else each[0])
        found.append(NearestPhoto(index, float(own.max()), pixels, band.copied(pixels, blur) if band else None))
    return found


def _second(seen: Sequence[SeenFace | None], known: KnownPhotos, second: identity.Embedder) -> SecondOpinion:
    embeddings = identity.embed_aligned([list(known.faces)], second)[0]
    held_out = ~known.trained if not known.trained.all() else known.trained
    person = identity.reference(embeddings[held_out])
    own = KnownPhotos(known.names, known.faces, embeddings, known.turns, known.trained, second.name)
    found = identity.embed_aligned([[] if one is None else [one.aligned] for one in seen], second)
    likenesses = tuple(identity.likeness(one[0], person) if len(one) else None for one in found)
    return SecondOpinion(second.name, getattr(second, "same_person", None), own_band(own)[0], likenesses)


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None
