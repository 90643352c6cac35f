"""The photo report: which photos of a set teach a person's face, why the others do not, which are held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from . import identity, workers
from .closeups import found_in
from .coverage import LEAST_ACCEPTED, VIEWS, missing
from .duplicates import Fingerprint, fingerprint, near_duplicates
from .errors import PortraitError
from .faces import Face
from .grouping import Person, least_likeness, people
from .held_out import held_out
from .originals import AnyPhoto, as_photo
from .quality import Quality, measure_aligned
from .verdict import Verdict

LITTLE_ALIKE = 0.45  # mean cosine of pairs: two thirds of what SFace gives photographs of one person


@dataclass(frozen=True)
class Limits:
    """What a photo must reach. Angles in degrees, sizes in pixels.

    `min_face`: the shorter side of the face box. `max_yaw`: how far the head may be turned. `max_roll`: how far it may
    lean. `min_sharpness`: see quality.sharpness; a face blurred by 2% of its width has 0.01, a crisp one 0.05 or more.
    `min_brightest`: the luma that the brightest twentieth of the face reaches, 0..1. `max_blown`: the part of the face
    that may be pure white. `same_person`: the cosine above which two faces are one person; 0.363 suits photographs
    with SFace, about 0.67 rendered heads, which look more alike.
    """

    min_face: int = 64
    max_yaw: float = 75.0
    max_roll: float = 60.0
    min_sharpness: float = 0.012
    min_brightest: float = 0.25
    max_blown: float = 0.35
    same_person: float = identity.SAME_PERSON["sface"]


@dataclass(frozen=True)
class PhotoReport:
    """The verdicts in the order of the photos, what the accepted ones leave uncovered, how likeness was measured.

    `shared` is the number of photos that show the person; `doubts` are sentences on who that is.
    """

    verdicts: list[Verdict]
    missing: list[str]
    backend: str
    limits: Limits
    shared: int = 0
    doubts: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> list[int]:
        """The indices of the accepted photos."""
        return [index for index, verdict in enumerate(self.verdicts) if verdict.accepted]

    @property
    def held_out(self) -> list[int]:
        """The indices of the accepted photos that training must not see."""
        return [index for index, verdict in enumerate(self.verdicts) if verdict.held_out]

    @property
    def strangers(self) -> list[int]:
        """The indices of the photos that show somebody else only."""
        return [index for index, verdict in enumerate(self.verdicts) if verdict.stranger]

    def as_dict(self) -> dict:
        """Return the report as JSON types, numbers rounded to what they mean."""
        return {
            "accepted": len(self.accepted),
            "rejected": len(self.verdicts) - len(self.accepted),
            "held_out": len(self.held_out),
            "strangers": len(self.strangers),
            "missing": self.missing,
            "doubts": self.doubts,
            "backend": self.backend,
            "limits": asdict(self.limits),
            "photos": [_photo(verdict) for verdict in self.verdicts],
        }


def judge(
    photos: Sequence[AnyPhoto],
    names: Sequence[str] | None = None,
    limits: Limits | None = None,
    person: np.ndarray | None = None,
    embedder: identity.Embedder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PhotoReport:
    """Return the report on photos: arrays `[H, W, 3]` (RGB, uint8), or originals.Photo.

    Each is looked at once, and judged as the whole photo that it stands for: faces that are small in a reduced photo
    are read from its file.

    The subject is `person` (an embedding `[K]`), or else who is in most photos; see grouping.py. In a photo of several
    people the subject's face counts. `progress` is called with (done, total).

    Raises PortraitError when there are no photos, another number of names, or a file that changed in the meantime.
    """
    if not photos:
        raise PortraitError("There are no photos to report on; load some first.")
    names = list(names) if names else [f"photo {index + 1}" for index in range(len(photos))]
    if len(names) != len(photos):
        raise PortraitError(f"{len(photos)} photos arrived with {len(names)} names; connect both from the same node.")
    limits = limits or Limits()
    embedder = embedder or identity.embedder()
    verdicts: list[Verdict] = []
    seen: list[_Seen] = []
    for one in workers.each(photos, lambda photo: _look(photo, embedder)):
        seen.append(one)
        verdicts.append(Verdict(names[len(verdicts)], faces=one.faces, size=one.size))
        if progress:
            progress(len(verdicts), len(photos))
    who = _subject(verdicts, seen, person, limits)
    for index, (verdict, one) in enumerate(zip(verdicts, seen, strict=True)):
        _judge_one(index, verdict, one, who, limits)
    _reject_duplicates(seen, verdicts)
    if sum(verdict.accepted for verdict in verdicts) >= LEAST_ACCEPTED:
        for index in held_out(verdicts, [low for _, low, _ in VIEWS]):
            verdicts[index].held_out = True
    return PhotoReport(verdicts, missing(verdicts), embedder.name, limits, who.photos, who.doubts)


@dataclass(frozen=True)
class _Seen:
    """One photo's size, what was measured on its faces, in their order, and its fingerprint; the pixels are let go."""

    size: tuple[int, int]
    faces: list[Face]
    embeddings: np.ndarray
    qualities: list[Quality]
    fingerprint: Fingerprint


def _look(photo: AnyPhoto, embedder: identity.Embedder) -> _Seen:
    original, pixels = as_photo(photo).original, as_photo(photo).pixels
    found = found_in(pixels, original)
    aligned = [identity.align(one.pixels, one.seen) for one in found]
    (embeddings,) = identity.embed_aligned([aligned], embedder)
    size = original.size if original else (pixels.shape[1], pixels.shape[0])
    qualities = [measure_aligned(face, one.seen) for face, one in zip(aligned, found, strict=True)]
    return _Seen(size, [one.face for one in found], embeddings, qualities, fingerprint(pixels))


@dataclass(frozen=True)
class _Subject:
    """Who the photos shall show: a direction, the likeness that a face needs, in how many photos the person is."""

    direction: np.ndarray | None
    least: float
    photos: int
    faces: frozenset[tuple[int, int]] = frozenset()
    doubts: list[str] = field(default_factory=list)


def _subject(verdicts: Sequence[Verdict], seen: Sequence[_Seen], person: np.ndarray | None, limits: Limits) -> _Subject:
    places = [(index, face) for index, verdict in enumerate(verdicts) for face in range(len(verdict.faces))]
    # A blurred or dark face resembles nobody, and would make the person seem more varied than they are.
    good = [(i, face) for i, face in places if not _spoilt(verdicts[i].faces[face], seen[i].qualities[face], limits)]
    places = good or places
    if not places:
        return _Subject(person, limits.same_person, 0)
    directions = np.stack([seen[index].embeddings[face] for index, face in places])
    known = people(directions, [index for index, _ in places], limits.same_person)
    if person is None:
        chosen, direction = known[0], identity.reference(list(directions[list(known[0].faces)]))
    else:
        alike = [identity.likeness(identity.reference(list(directions[list(each.faces)])), person) for each in known]
        chosen, direction = known[int(np.argmax(alike))], person
        if max(alike) < limits.same_person:
            return _Subject(person, limits.same_person, 0)
    faces = frozenset(places[face] for face in chosen.faces)
    doubts = _doubts(chosen, known) if person is None else []
    return _Subject(direction, least_likeness(chosen, limits.same_person), chosen.photos, faces, doubts)


def _doubts(chosen: Person, known: Sequence[Person]) -> list[str]:
    doubts = []
    rival = max((each.photos for each in known if each is not chosen), default=0)
    if rival >= max(2, chosen.photos / 2):
        doubts.append(
            f"{chosen.photos} photos show one person and {rival} another; connect a reference photo of whom you mean"
        )
    if chosen.photos > 1 and chosen.alike < LITTLE_ALIKE:
        doubts.append(
            f"the faces are not very alike (mean likeness {chosen.alike:.2f}); check that they are one person"
        )
    return doubts


def _spoilt(face: Face, quality: Quality, limits: Limits) -> str:
    """Return what keeps a face from showing its likeness, or nothing."""
    size = round(min(face.box[2:]))
    if size < limits.min_face:
        return f"face too small: {size} px, {limits.min_face} needed"
    if abs(quality.roll) > limits.max_roll:
        return f"is on its side ({abs(quality.roll):.0f} degrees); rotate the photo"
    if quality.brightest < limits.min_brightest:
        return "face too dark"
    if quality.blown > limits.max_blown:
        return f"face over-exposed: {quality.blown:.0%} is pure white"
    if quality.sharpness < limits.min_sharpness:
        return "face blurred"
    return ""


def _judge_one(index: int, verdict: Verdict, seen: _Seen, subject: _Subject, limits: Limits) -> None:
    if not verdict.faces or subject.direction is None:
        verdict.reject("no face found")
        return
    cosines = [identity.likeness(embedding, subject.direction) for embedding in seen.embeddings]
    verdict.face = int(np.argmax(cosines))
    verdict.likeness = cosines[verdict.face]
    verdict.embedding = seen.embeddings[verdict.face]
    face = verdict.faces[verdict.face]
    quality = verdict.quality = seen.qualities[verdict.face]
    others = len(verdict.faces) - 1
    # What spoils the likeness itself comes before the likeness.
    if reason := _spoilt(face, quality, limits):
        verdict.reject(reason)
    least = limits.same_person if (index, verdict.face) in subject.faces else subject.least
    if verdict.likeness < least:
        verdict.stranger = verdict.accepted
        verdict.reject(f"another person (likeness {verdict.likeness:.2f}, {least:.2f} needed)")
    if abs(quality.yaw) > limits.max_yaw:
        side = "right" if quality.yaw > 0 else "left"
        verdict.reject(f"turned away to the {side} ({abs(quality.yaw):.0f} degrees, at most {limits.max_yaw:.0f})")
    if others:
        verdict.remarks.append(f"{others} other {'face' if others == 1 else 'faces'} in the picture")
    width, height = verdict.size
    x, y, wide, high = face.box
    # The detector ends a cut face at the border, give or take some pixels.
    margin = 0.04 * face.side
    if x < margin or y < margin or x + wide > width - margin or y + high > height - margin:
        verdict.remarks.append("the face touches the border")


def _reject_duplicates(seen: Sequence[_Seen], verdicts: Sequence[Verdict]) -> None:
    """Keep the sharpest of photos that are all but the same."""
    accepted = [index for index, verdict in enumerate(verdicts) if verdict.accepted]
    prints = [seen[index].fingerprint for index in accepted]
    for group in near_duplicates(prints):
        members = [accepted[place] for place in group]
        # Of equally sharp ones the first stays.
        best = max(members, key=lambda index: (_sharp_pixels(verdicts[index]), -index))
        for index in members:
            if index != best:
                verdicts[index].reject(f"nearly the same as {verdicts[best].name}")


def _sharp_pixels(verdict: Verdict) -> float:
    quality = verdict.quality
    return round(quality.sharpness * verdict.faces[verdict.face].area, 3) if quality else 0.0


def _photo(verdict: Verdict) -> dict:
    face = verdict.faces[verdict.face] if verdict.face >= 0 else None
    quality = verdict.quality
    return {
        "name": verdict.name,
        "accepted": verdict.accepted,
        "held_out": verdict.held_out,
        "stranger": verdict.stranger,
        "reason": verdict.reason,
        "remarks": verdict.remarks,
        "faces": len(verdict.faces),
        "box": [round(value) for value in face.box] if face else None,
        "likeness": round(verdict.likeness, 3) if verdict.likeness is not None else None,
        "yaw": round(quality.yaw) if quality else None,
        "pitch": round(quality.pitch) if quality else None,
        "roll": round(quality.roll) if quality else None,
        "sharpness": round(quality.sharpness, 4) if quality else None,
        "brightest": round(quality.brightest, 3) if quality else None,
        "blown": round(quality.blown, 3) if quality else None,
    }
