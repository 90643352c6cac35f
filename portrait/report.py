"""The photo report: which photos of a set teach a person's face, why the others do not, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from . import identity
from .duplicates import fingerprint, near_duplicates
from .errors import PortraitError
from .faces import Face, detect
from .quality import Quality, measure


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


@dataclass
class Verdict:
    """One photo: its name, whether it is accepted, the reason in words, and what was seen in it.

    `face` is the index of the subject's face in `faces`, -1 when there is none; `likeness` its cosine to the subject.
    """

    name: str
    accepted: bool = True
    reason: str = ""
    remarks: list[str] = field(default_factory=list)
    faces: list[Face] = field(default_factory=list)
    face: int = -1
    quality: Quality | None = None
    likeness: float | None = None

    def reject(self, reason: str) -> None:
        """Reject the photo; the first reason stays."""
        if self.accepted:
            self.accepted, self.reason = False, reason


@dataclass(frozen=True)
class Report:
    """The verdicts in the order of the photos, what the accepted ones leave uncovered, how likeness was measured."""

    verdicts: list[Verdict]
    missing: list[str]
    backend: str
    limits: Limits

    @property
    def accepted(self) -> list[int]:
        """The indices of the accepted photos."""
        return [index for index, verdict in enumerate(self.verdicts) if verdict.accepted]

    def as_dict(self) -> dict:
        """Return the report as JSON types, numbers rounded to what they mean."""
        return {
            "accepted": len(self.accepted),
            "rejected": len(self.verdicts) - len(self.accepted),
            "missing": self.missing,
            "backend": self.backend,
            "limits": asdict(self.limits),
            "photos": [_photo(verdict) for verdict in self.verdicts],
        }


def judge(
    photos: Sequence[np.ndarray],
    names: Sequence[str] | None = None,
    limits: Limits | None = None,
    person: np.ndarray | None = None,
    embedder: identity.Embedder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Return the report on photos `[H, W, 3]` (RGB, uint8).

    The subject is `person` (an embedding `[K]`), or else who is in most photos (by average linkage of the embeddings).
    In a photo of several people the subject's face counts. `progress` is called with (done, total).

    Raises PortraitError when there are no photos or another number of names.
    """
    if not photos:
        raise PortraitError("There are no photos to report on; load some first.")
    names = list(names) if names else [f"photo {index + 1}" for index in range(len(photos))]
    if len(names) != len(photos):
        raise PortraitError(f"{len(photos)} photos arrived with {len(names)} names; connect both from the same node.")
    limits = limits or Limits()
    embedder = embedder or identity.embedder()
    verdicts, embeddings = [], []
    for done, (photo, name) in enumerate(zip(photos, names, strict=True), 1):
        found = detect(photo)
        verdicts.append(Verdict(name, faces=found))
        embeddings.append([identity.embed(photo, face, embedder) for face in found])
        if progress:
            progress(done, len(photos))
    subject = person if person is not None else _most_seen(embeddings, limits.same_person)
    for photo, verdict, measured in zip(photos, verdicts, embeddings, strict=True):
        _judge_one(photo, verdict, measured, subject, limits)
    _reject_duplicates(photos, verdicts)
    return Report(verdicts, missing(verdicts), embedder.name, limits)


def clusters(embeddings: np.ndarray, threshold: float) -> list[list[int]]:
    """Return groups of indices of embeddings `[N, D]` of length 1, the largest first, by average linkage.

    Two groups join while the mean cosine between their members is at least `threshold`, the most alike pair first.
    """
    groups = [[index] for index in range(len(embeddings))]
    means = np.array(embeddings, np.float64)  # unnormalised means: their dot product is the mean pairwise cosine
    while len(groups) > 1:
        cosines = means @ means.T
        np.fill_diagonal(cosines, -2)
        first, second = sorted(divmod(int(cosines.argmax()), len(groups)))
        if cosines[first, second] < threshold:
            break
        sizes = len(groups[first]), len(groups[second])
        means[first] = (means[first] * sizes[0] + means[second] * sizes[1]) / sum(sizes)
        means = np.delete(means, second, 0)
        groups[first] = groups[first] + groups.pop(second)
    return sorted((sorted(group) for group in groups), key=lambda group: (-len(group), group[0]))


def missing(verdicts: Sequence[Verdict]) -> list[str]:
    """Return what to add, in words, for the accepted photos to cover a person from all sides and in several frames."""
    accepted = [verdict for verdict in verdicts if verdict.accepted and verdict.quality]
    yaws = [verdict.quality.yaw for verdict in accepted if verdict.quality]
    wanted = []
    if len(accepted) < 5:
        wanted.append(f"add photos: {len(accepted)} accepted, 5 are the least that teach a face, 10 to 20 are better")
    views = (
        ("a frontal view, looking into the camera", -15, 15),
        ("a view turned half to the left of the picture", -45, -15),
        ("a view turned half to the right of the picture", 15, 45),
        ("a left profile, the nose pointing to the left of the picture", -91, -45),
        ("a right profile, the nose pointing to the right of the picture", 45, 91),
    )
    wanted += [f"add {view}" for view, low, high in views if not any(low <= yaw < high for yaw in yaws)]
    return wanted


def _most_seen(embeddings: Sequence[Sequence[np.ndarray]], threshold: float) -> np.ndarray | None:
    everyone = [embedding for photo in embeddings for embedding in photo]
    owners = [index for index, photo in enumerate(embeddings) for _ in photo]
    if not everyone:
        return None
    groups = clusters(np.stack(everyone), threshold)
    # The person in most photos, not with most faces: twelve heads of one picture are one photo.
    largest = max(groups, key=lambda group: len({owners[index] for index in group}))
    return identity.reference([everyone[index] for index in largest])


def _judge_one(
    photo: np.ndarray,
    verdict: Verdict,
    embeddings: Sequence[np.ndarray],
    subject: np.ndarray | None,
    limits: Limits,
) -> None:
    if not verdict.faces or subject is None:
        verdict.reject("no face found")
        return
    cosines = [identity.likeness(embedding, subject) for embedding in embeddings]
    verdict.face = int(np.argmax(cosines))
    verdict.likeness = cosines[verdict.face]
    face = verdict.faces[verdict.face]
    quality = verdict.quality = measure(photo, face)
    size = round(min(face.box[2:]))
    others = len(verdict.faces) - 1
    # What spoils the likeness itself comes before the likeness.
    if size < limits.min_face:
        verdict.reject(f"face too small: {size} px, {limits.min_face} needed")
    if abs(quality.roll) > limits.max_roll:
        verdict.reject(f"lies on its side ({abs(quality.roll):.0f} degrees); rotate the photo")
    if quality.brightest < limits.min_brightest:
        verdict.reject("face too dark")
    if quality.blown > limits.max_blown:
        verdict.reject(f"face over-exposed: {quality.blown:.0%} is pure white")
    if quality.sharpness < limits.min_sharpness:
        verdict.reject("face blurred")
    if verdict.likeness < limits.same_person:
        verdict.reject(f"another person (likeness {verdict.likeness:.2f}, {limits.same_person:.2f} needed)")
    if abs(quality.yaw) > limits.max_yaw:
        side = "right" if quality.yaw > 0 else "left"
        verdict.reject(f"turned away to the {side} ({abs(quality.yaw):.0f} degrees, at most {limits.max_yaw:.0f})")
    if others:
        verdict.remarks.append(f"{others} other {'face' if others == 1 else 'faces'} in the picture")
    height, width = photo.shape[:2]
    x, y, wide, high = face.box
    # The detector ends a cut face at the border, give or take some pixels.
    margin = 0.04 * face.side
    if x < margin or y < margin or x + wide > width - margin or y + high > height - margin:
        verdict.remarks.append("the face touches the border")


def _reject_duplicates(photos: Sequence[np.ndarray], verdicts: Sequence[Verdict]) -> None:
    """Keep the sharpest of photos that are all but the same."""
    accepted = [index for index, verdict in enumerate(verdicts) if verdict.accepted]
    prints = [fingerprint(photos[index]) for index in accepted]
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
