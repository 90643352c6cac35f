"""The person's own band: how alike their real photos are to each other."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import identity
from . import comparing
from .known import KnownPhotos
from .registering import BLURS, correlations


@dataclass(frozen=True)
class OwnBand:
    """How alike real photos of a person are, by one face recognition `backend`.

    `low`, `typical` and `high` are cosines of real photos to the person, as a picture's likeness is measured. `nearest`
    is the cosine of the two most alike of them as faces, `pixels` the correlation of the two most alike as pixels, for
    each of registering.BLURS. All are -1..1.
    """

    low: float
    typical: float
    high: float
    nearest: float
    pixels: tuple[float, ...]
    photos: int
    backend: str

    def place(self, likeness: float) -> str:
        """Return where a picture's likeness to the person lies: "below", "in" or "above" the band."""
        return "below" if likeness < self.low else "above" if likeness > self.high else "in"

    def copied(self, pixels: float, blur: int) -> float:
        """Return how far a picture is above the person's most alike photos: 0 as alike as they, 1 the same pixels.

        `pixels` is its correlation with a photo that training saw, `blur` which of BLURS the photo was given for it:
        photos that are as soft are what it is held against.
        """
        return (pixels - self.pixels[blur]) / max(1 - self.pixels[blur], 1e-4)

    def as_dict(self) -> dict[str, Any]:
        """Return the band as JSON holds it."""
        numbers = {name: round(getattr(self, name), 4) for name in ("low", "typical", "high", "nearest")}
        return {**numbers, "pixels": round(self.pixels[0], 4), "photos": self.photos, "backend": self.backend}


@functools.lru_cache(maxsize=16)
def own_band(known: KnownPhotos) -> tuple[OwnBand | None, str]:
    """Return the band of a person's photos, or None and one sentence about why they have none."""
    limits = comparing.limits()
    if len(known) < limits["least_photos"]:
        few = "Only one photo" if len(known) == 1 else f"Only {len(known)} photos"
        return None, (
            f"{few} of the person can be compared, which does not tell how alike they are to each other; use "
            f"{limits['least_photos']} or more, so that copies are seen."
        )
    faces = known.embeddings @ known.embeddings.T
    np.fill_diagonal(faces, -1.0)
    pixels = np.full((*faces.shape, len(BLURS)), -1.0)
    for index, near in enumerate(comparing.nearest_faces(faces)):
        for other in near:
            if pixels[index, other, 0] == -1:
                pixels[index, other] = pixels[other, index] = correlations(known.faces[index], known.faces[other])
    # A pair that is one photo twice would hide every copy of it.
    twice = (faces > limits["alike_face"]) & (pixels[..., 0] > limits["alike_pixels"])
    if twice.any(1).all():
        return None, (
            f"The {len(known)} photos of the person are all alike, so a copy of one cannot be told from a portrait; "
            "add photos from other occasions."
        )
    faces[twice] = pixels[twice] = -1.0
    to_person = _to_person(known)
    return (
        OwnBand(
            low=float(np.quantile(to_person, limits["below"])),
            typical=float(np.median(to_person)),
            high=float(to_person.max()),
            nearest=float(faces.max()),
            pixels=tuple(pixels.max((0, 1)).tolist()),
            photos=len(known),
            backend=known.backend,
        ),
        "",
    )


def _to_person(known: KnownPhotos) -> np.ndarray:
    """Return the cosine of each photo to the person: to the held-out photos, itself left out."""
    held_out = ~known.trained if known.trained.any() and not known.trained.all() else np.ones(len(known), bool)
    found = []
    for index, own in enumerate(known.embeddings):
        others = held_out.copy()
        others[index] = False
        if others.any():
            found.append(float(own @ identity.reference(known.embeddings[others])))
    return np.array(found)
