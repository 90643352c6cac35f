"""Photos of a person to a training set: crops with captions and face masks, and photos that are held out.

Which photos will do is judged by portrait.report, which PortraitPhotoReport shows, so both always say the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from ..portrait import identity
from ..portrait.coverage import LEAST_ACCEPTED
from ..portrait.errors import PortraitError
from ..portrait.faces import Face
from ..portrait.likeness.heads import look_at
from ..portrait.likeness.known import KnownPhotos
from ..portrait.likeness.looks import HeadLooks
from ..portrait.originals import AnyPhoto, as_photo
from ..portrait.report import Limits, PhotoReport, Verdict, judge
from . import captions
from .examples import Example, HeldOut, Rejected, TrainingSet

# The detector's box goes from the brow to the chin; hair and shoulders reach further down than up.
DOWN = 0.15  # how far the crop's centre is below the face's, in face sides
LEAST_RATIO = 1.6  # a crop that keeps a neighbour out is never tighter than this
SURE = 0.75  # what the detector is less sure of to be a face (a pattern, a lock of hair) takes no room from the crop
# Of the mask: the ellipse in which it is 1 and the one outside which it is 0, over the half sides of the face box.
MASK_INNER, MASK_OUTER = 1.15, 1.6
SMALL = 256  # px; a smaller crop is said to be small


class PhotoSetError(PortraitError):
    """The photos do not make a training set."""

    key = "photo_set"


@dataclass(frozen=True)
class PhotoSetOptions:
    """What to make of the photos.

    `trigger` and `class_word` go into every caption. `ratio` is the side of a crop over that of the face box: 2.3 takes
    in head and hair, 3 the shoulders too; likeness is learnt better from the tighter one. `close_up` is that of a
    second crop of every photo, which shows the face larger; a photo too small for it (SMALL) gives one crop, and 0 asks
    for none. `flip` adds every crop mirrored; faces are not symmetrical, so it is off. `max_side` bounds the
    crops, in px.
    """

    trigger: str
    class_word: str = "person"
    limits: Limits = field(default_factory=Limits)
    ratio: float = 2.3
    close_up: float = 1.6
    flip: bool = False
    max_side: int = 1536


def prepare(
    photos: Sequence[AnyPhoto],
    names: Sequence[str] | None,
    options: PhotoSetOptions,
    person: np.ndarray | None = None,
    embedder: identity.Embedder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TrainingSet:
    """Return the training set of photos: arrays `[H, W, 3]` (RGB, uint8), or originals.Photo.

    Crops come from the whole photos, of which one at a time is in memory.

    `person` is the direction `[K]` of who is meant; else it is who most photos show. `progress` is called with (done,
    total).

    Raises PhotoSetError when too few photos will do, with what is wrong with the others, and when no person is in two
    of them; PortraitError for a trigger or class word that is not a word.
    """
    captions.caption(options.trigger, options.class_word)
    return from_report(photos, judge(photos, names, options.limits, person, embedder, progress), options)


def from_report(photos: Sequence[AnyPhoto], report: PhotoReport, options: PhotoSetOptions) -> TrainingSet:
    """Return the training set of photos that have been judged. Raises as `prepare` does."""
    _refuse(report)
    examples: list[Example] = []
    held_out: list[HeldOut] = []
    aligned: list[np.ndarray] = []
    looks: list[HeadLooks] = []
    for index in report.accepted:
        photo, verdict = as_photo(photos[index]).whole(), report.verdicts[index]
        sha256 = photo_hash(photo)
        aligned.append(identity.align(photo, verdict.faces[verdict.face]))
        looks.append(look_at(photo, verdict.faces[verdict.face]))
        if verdict.held_out:
            held_out.append(_held_out(photo, sha256, verdict, options))
        else:
            examples += _crops(photo, sha256, verdict, options)
    small = [example.name for example in examples if min(example.image.shape[:2]) < SMALL]
    warnings = [*report.doubts, *report.missing]
    if small:
        warnings.append(f"the crops of {', '.join(dict.fromkeys(small))} are smaller than {SMALL} px and teach little")
    return TrainingSet(
        examples=tuple(examples),
        held_out=tuple(held_out),
        rejected=tuple(Rejected(one.name, one.reason) for one in report.verdicts if not one.accepted),
        trigger=captions.checked("trigger", options.trigger),
        class_word=captions.checked("class word", options.class_word),
        warnings=tuple(warnings),
        backend=report.backend,
        known=_known(report, aligned, looks),
    )


def _known(report: PhotoReport, aligned: Sequence[np.ndarray], looks: Sequence[HeadLooks]) -> KnownPhotos:
    verdicts = [report.verdicts[index] for index in report.accepted]
    return KnownPhotos(
        names=tuple(verdict.name for verdict in verdicts),
        faces=np.stack(aligned),
        embeddings=np.stack([np.asarray(verdict.embedding, np.float32) for verdict in verdicts]),
        turns=np.array([(one.quality.yaw, one.quality.pitch) if one.quality else (0, 0) for one in verdicts]),
        trained=np.array([not verdict.held_out for verdict in verdicts]),
        backend=report.backend,
        looks=tuple(looks),
    )


def photo_hash(photo: np.ndarray) -> str:
    """Return the sha256 (hex) of a photo's size and pixels: the same photo has it in whatever file it came."""
    digest = hashlib.sha256(f"{photo.shape[1]}x{photo.shape[0]}\0".encode())
    digest.update(np.ascontiguousarray(photo).data)
    return digest.hexdigest()


def crop_box(face: Face, size: tuple[int, int], ratio: float, others: Sequence[Face] = ()) -> tuple[int, int, int, int]:
    """Return the crop (left, top, right, bottom) around a face in a picture of a size (width, height), in px.

    Its side is `ratio` face sides. At a border it slides inwards, and is cut where the picture is narrower. Where
    another face would look in, it is made smaller until that stays out, down to LEAST_RATIO.
    """
    others = [other for other in others if other.score >= SURE]
    box = _box(face, size, ratio)
    while ratio > LEAST_RATIO and any(_overlaps(box, other) for other in others):
        ratio = max(LEAST_RATIO, ratio - 0.05)
        box = _box(face, size, ratio)
    return box


def face_mask(face: Face, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return the soft mask float32 `[H, W]` of a face in its crop: 1 on the face, falling smoothly to 0 around it."""
    left, top, right, bottom = box
    x, y = face.centre
    across = (np.arange(left, right) + 0.5 - x) / (face.box[2] / 2)
    down = (np.arange(top, bottom) + 0.5 - y) / (face.box[3] / 2)
    radius = np.hypot(across[None, :], down[:, None])
    ramp = np.clip((MASK_OUTER - radius) / (MASK_OUTER - MASK_INNER), 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


def _refuse(report: PhotoReport) -> None:
    accepted, total = len(report.accepted), len(report.verdicts)
    if accepted >= LEAST_ACCEPTED:
        return
    if report.shared == 1 and report.strangers:
        raise PhotoSetError(
            f"No face appears in two of the {total} photos, so it is not clear who is meant; add photos of one person."
        )
    reasons = "; ".join(f"{one.name}: {one.reason}" for one in report.verdicts if not one.accepted)
    wanted = f"{LEAST_ACCEPTED} are needed at least, 10 to 20 are better"
    if not reasons:
        raise PhotoSetError(f"{total} photos are too few; {wanted}.")
    said = "none" if accepted == 0 else f"only {accepted}"
    raise PhotoSetError(f"Of {total} photos {said} will do ({reasons}); add others: {wanted}.")


def _crops(photo: np.ndarray, sha256: str, verdict: Verdict, options: PhotoSetOptions) -> list[Example]:
    made = []
    for ratio in (options.ratio, options.close_up):
        if not ratio:
            continue
        example = _example(photo, sha256, verdict, options, ratio)
        if made and min(example.image.shape[:2]) < SMALL:
            continue
        made.append(example)
        if options.flip:
            made.append(_mirrored(photo, sha256, verdict, options, ratio))
    return made


def _example(photo: np.ndarray, sha256: str, verdict: Verdict, options: PhotoSetOptions, ratio: float) -> Example:
    face = verdict.faces[verdict.face]
    others = [other for index, other in enumerate(verdict.faces) if index != verdict.face]
    box = crop_box(face, (photo.shape[1], photo.shape[0]), ratio, others)
    image, mask = _bounded(photo[box[1] : box[3], box[0] : box[2]], face_mask(face, box), options.max_side)
    ratio = ((box[2] - box[0]) * (box[3] - box[1])) ** 0.5 / face.side
    yaw = verdict.quality.yaw if verdict.quality else None
    text = captions.caption(options.trigger, options.class_word, yaw, ratio, captions.is_monochrome(image))
    return Example(image, mask, text, verdict.name, sha256)


def _mirrored(photo: np.ndarray, sha256: str, verdict: Verdict, options: PhotoSetOptions, ratio: float) -> Example:
    quality = verdict.quality and replace(verdict.quality, yaw=-verdict.quality.yaw)
    turned = _example(photo, sha256, replace(verdict, quality=quality), options, ratio)
    image, mask = (np.ascontiguousarray(array[:, ::-1]) for array in (turned.image, turned.mask))
    return replace(turned, image=image, mask=mask)


def _held_out(photo: np.ndarray, sha256: str, verdict: Verdict, options: PhotoSetOptions) -> HeldOut:
    example = _example(photo, sha256, verdict, options, options.ratio)
    embedding = np.asarray(verdict.embedding, np.float32)
    return HeldOut(example.image, embedding, verdict.name, sha256)


def _box(face: Face, size: tuple[int, int], ratio: float) -> tuple[int, int, int, int]:
    x, y = face.centre
    side = face.side * ratio
    # A tight crop is about the face itself; only a loose one has room for shoulders.
    y += face.side * DOWN * min(1.0, max(0.0, ratio - 1.0))
    left, right = _span(x, side, size[0])
    top, bottom = _span(y, side, size[1])
    return left, top, right, bottom


def _span(centre: float, side: float, limit: int) -> tuple[int, int]:
    length = max(1, min(limit, round(side)))
    start = min(max(0, round(centre - length / 2)), limit - length)
    return start, start + length


def _overlaps(box: tuple[int, int, int, int], face: Face) -> bool:
    x, y, wide, high = face.box
    return x < box[2] and y < box[3] and x + wide > box[0] and y + high > box[1]


def _bounded(image: np.ndarray, mask: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    high, wide = image.shape[:2]
    scale = most / max(high, wide)
    if scale >= 1:
        return np.ascontiguousarray(image), mask
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    small = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
    soft = Image.fromarray(mask).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(small), np.clip(np.asarray(soft), 0, 1)
