"""How well the likeness report tells copies of training photos from portraits, however the copy was altered.

    python benchmarks/copies.py --out benchmarks/results/copies.json

With --out, what an earlier run kept there of other subjects stays.

The ready subjects (pocket/subjects) stand for people that were trained: what training would know of their photos is
made as training makes it. Each photo that it would see is copied and altered in every way of WAYS. The subject's
references, other photos of the same person that training never saw, are altered in the same ways, and the faces of the
portraits in PORTRAITS are looked at too: none of these is a copy. A picture as alike to a photo as the person's two
most alike photos are has 0, one of the same pixels 1; above `copy` of portrait/likeness/limits.toml it is a copy.
Ways that move the detector's landmarks or lose what a face shows are listed apart, as hard ones.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import facts, keep, parser
from PIL import Image, ImageFilter

from portrait_studio.portrait import identity, photos
from portrait_studio.portrait.closeups import close_ups_of
from portrait_studio.portrait.likeness import comparing, looking, report
from portrait_studio.portrait.likeness.known import KnownPhotos
from portrait_studio.portrait.report import Limits
from portrait_studio.trainer import photo_set

ROOT = Path(__file__).parents[1]
SUBJECTS = ROOT / "pocket" / "subjects"
RENDERS_ARE_ONE_PERSON = 0.67
# What the pocket model drew of a trained subject, many portraits in one file each.
PORTRAITS = {"nora": (ROOT / "docs/images/contact_sheet.webp", ROOT / "docs/images/portrait-studio.webp")}
LIKE_THE_SUBJECT = 0.5  # a face on such a sheet that is less like the person is from before the training

Way = Callable[[Image.Image], Image.Image]


def blurred(radius: float) -> Way:
    """A Gaussian blur; `radius` is its deviation in px."""
    return lambda picture: picture.filter(ImageFilter.GaussianBlur(radius))


def smaller(side: int) -> Way:
    """Reduced to a width."""
    return lambda picture: picture.resize(
        (side, round(side * picture.height / picture.width)), Image.Resampling.BICUBIC
    )


def cut(left: float, top: float, right: float, bottom: float) -> Way:
    """Without these shares of the sides."""

    def way(picture: Image.Image) -> Image.Image:
        wide, high = picture.size
        return picture.crop((int(left * wide), int(top * high), int((1 - right) * wide), int((1 - bottom) * high)))

    return way


def scaled(gains: tuple[float, float, float]) -> Way:
    """Red, green and blue times a number each, cut off at white."""
    return lambda picture: Image.fromarray((np.asarray(picture) * np.array(gains)).clip(0, 255).astype(np.uint8))


def saved(quality: int) -> Way:
    """Saved as JPEG and read again."""

    def way(picture: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return way


def noisy(deviation: float) -> Way:
    """With normal noise; the deviation is in steps of 8 bit."""

    def way(picture: Image.Image) -> Image.Image:
        noise = np.random.default_rng(1).normal(0, deviation, (picture.height, picture.width, 3))
        return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))

    return way


def after(*ways: Way) -> Way:
    """One after the other."""

    def way(picture: Image.Image) -> Image.Image:
        for one in ways:
            picture = one(picture)
        return picture

    return way


def mirrored(picture: Image.Image) -> Image.Image:
    """Left for right."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


WAYS: dict[str, Way] = {
    "as it is": lambda picture: picture,
    "blurred by 2 px": blurred(2),
    "256 px wide": smaller(256),
    "shifted": cut(0.06, 0.03, 0.0, 0.02),
    "enlarged by a quarter": cut(0.1, 0.1, 0.1, 0.1),
    "turned by 4 degrees": lambda picture: picture.rotate(4, Image.Resampling.BICUBIC),
    "mirrored": mirrored,
    "brighter by 15 %": scaled((1.15, 1.15, 1.15)),
    "darker by a third": scaled((0.67, 0.67, 0.67)),
    "warmer": scaled((1.1, 1.0, 0.8)),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "JPEG of quality 30": saved(30),
    "noise of 12": noisy(12),
    "shifted, mirrored, blurred by 2 px, brighter, JPEG": after(
        cut(0.04, 0.02, 0.01, 0.03), mirrored, blurred(2), scaled((1.1, 1.1, 1.1)), saved(60)
    ),
}
HARD: dict[str, Way] = {
    "blurred by 4 px": blurred(4),
    "256 px wide, blurred by 2 px": after(smaller(256), blurred(2)),
    "brighter by 30 %": scaled((1.3, 1.3, 1.3)),
}


def main() -> None:
    """Copy, alter, look, count."""
    options = parser(__doc__)
    options.add_argument("--subjects", nargs="*", help="these ready subjects instead of all")
    options.add_argument("--photos", type=int, default=2, help="training photos, and as many others, of each subject")
    given = options.parse_args()
    names = given.subjects or sorted(folder.parent.name for folder in SUBJECTS.glob("*/card.json"))
    rows: dict[str, Any] = {}
    if given.out and given.out.is_file():
        rows = json.loads(given.out.read_text("utf-8"))["subjects"]
    for name in names:
        rows[name] = measure(name, given.photos)
        figures = {**summed(rows), "machine": facts(), "subjects": dict(sorted(rows.items()))}
        keep(given.out, figures)
    print(json.dumps(summed(rows), indent=2))


def measure(name: str, count: int) -> dict[str, Any]:
    """Return how far copies, other photos and portraits of a subject are above its own band, by way."""
    known, person, learnt = trained(name)
    references = list(photos.read_all(photos.list_folder(SUBJECTS, f"{name}/references")))
    ways = {**WAYS, **HARD}
    portraits = [value for sheet in PORTRAITS.get(name, ()) for value in on_sheet(photos.read(sheet), person, known)]
    return {
        "photos": len(known),
        "copies": {title: copied(altered(learnt[:count], way), person, known) for title, way in ways.items()},
        "others": {title: copied(altered(references[:count], way), person, known) for title, way in ways.items()},
        "portraits": portraits,
    }


def summed(rows: dict[str, Any]) -> dict[str, Any]:
    """Return what is called a copy, over all subjects."""
    limit = comparing.limits()["copy"]

    def values(kind: str, *titles: str) -> list[float | None]:
        return [value for row in rows.values() for title in titles for value in row[kind][title]]

    def of(*titles: str) -> dict[str, Any]:
        return counted(values("copies", *titles), values("others", *titles), limit)

    return {
        "copy": limit,
        "all ways": of(*WAYS),
        "ways": {title: of(title) for title in WAYS},
        "hard ways": {title: of(title) for title in HARD},
        "portraits by the pocket model": counted([], [v for row in rows.values() for v in row["portraits"]], limit),
    }


def trained(name: str) -> tuple[KnownPhotos, np.ndarray, list[np.ndarray]]:
    """Return what training knows of a ready subject, the direction of its held-out photos, and photos learnt from."""
    files = photos.list_folder(SUBJECTS, name)
    read = list(photos.read_all(files))
    class_word = json.loads((SUBJECTS / name / "card.json").read_text("utf-8"))["class_word"]
    options = photo_set.PhotoSetOptions("ohwx", class_word, Limits(same_person=RENDERS_ARE_ONE_PERSON))
    known = photo_set.prepare(read, [file.name for file in files], options).known
    assert known is not None
    learnt = [each for each, seen in zip(known.names, known.trained, strict=True) if seen]
    pictures = [picture for picture, file in zip(read, files, strict=True) if file.name in learnt]
    return known, identity.reference(known.embeddings[~known.trained]), pictures


def altered(pictures: Sequence[np.ndarray], way: Way) -> list[np.ndarray]:
    """Return the pictures after one way."""
    return [np.asarray(way(Image.fromarray(picture))) for picture in pictures]


def copied(pictures: Sequence[np.ndarray], person: np.ndarray, known: KnownPhotos) -> list[float | None]:
    """Return how far each picture is above the person's own band; None where no face was found."""
    told = report.report(pictures, person, known, identity.embedder())
    return [above(one) for one in told.pictures]


def on_sheet(sheet: np.ndarray, person: np.ndarray, known: KnownPhotos) -> list[float | None]:
    """Return the same of every face on a sheet of portraits that is like the person."""
    faces = [[one] for one in close_ups_of([sheet])[0]]
    told = report.measured(looking.seen_in(faces, identity.embedder()), person, known, identity.embedder())
    like = [one for one in told.pictures if (one.likeness or 0) > LIKE_THE_SUBJECT]
    return [above(one) for one in like]


def above(picture: report.PictureLikeness) -> float | None:
    """Return how far a picture is above the person's own band, with three digits."""
    known = picture.nearest.copied if picture.nearest else None
    return None if known is None else round(known, 3)


def counted(copies: Sequence[float | None], others: Sequence[float | None], limit: float) -> dict[str, Any]:
    """Return how many of both are called copies, and the values nearest to the limit; no face is no copy."""
    found, passed = ([value for value in values if value is not None] for values in (copies, others))
    return {
        "copies": len(copies),
        "called copies": sum(value > limit for value in found),
        "least": round(min(found), 2) if found else None,
        "other pictures": len(others),
        "called copies wrongly": sum(value > limit for value in passed),
        "most": round(max(passed), 2) if passed else None,
    }


if __name__ == "__main__":
    main()
