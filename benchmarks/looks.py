"""How often the likeness report is right about hair, glasses and beard, on rendered people whose looks are known.

    python benchmarks/looks.py --people 64 --out benchmarks/results/looks.json

`ready`: the six ready subjects; their photos stand for the photos, their references for pictures that keep everything.
The limits of portrait/likeness/limits.toml were set on these photos. With --people, so many held-out people
(pocket/people/held_out.json) are rendered in VIEWS too, half of which are photos; `set` is the first half of them,
`counted` the other. Pictures of other people whose looks are clearly different stand for pictures that lost them.

For each row: how many of the first are called kept, how many of the second lost, of those that can be told, and how
many those are. `accuracy` is the mean of both shares. With --out, what an earlier run kept there of other people stays;
with --pictures, what a folder has already is not rendered again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from machine import facts, keep, parser
from PIL import Image

from portrait_studio.pocket.people.identity import Identity, held_out, identity
from portrait_studio.pocket.people.subjects import plan
from portrait_studio.portrait import faces, photos
from portrait_studio.portrait.colour_spaces import to_encoded, to_lab
from portrait_studio.portrait.likeness.heads import look_at
from portrait_studio.portrait.likeness.looks import ROWS, HeadLooks, kept, own_looks
from portrait_studio.portrait.originals import as_photo

ROOT = Path(__file__).parents[1]
SUBJECTS = ROOT / "pocket" / "subjects"
LooksOf = dict[str, list[HeadLooks | None]]
VIEWS = (0.0, -20.0, 25.0, 12.0)  # degrees
SIZE = 320
LONG = {"bob", "long bob", "layered", "long straight", "long wavy", "long fringe"}
SHORT = {"bald", "buzz", "short crop", "side part", "slicked back", "quiff", "short curly"}
APART = 25.0  # CIELAB: hair of two people that far apart is of another colour


def main() -> None:
    """Render, look and count."""
    options = parser(__doc__)
    options.add_argument("--people", type=int, default=0, help="how many of the held-out people, at most 64")
    options.add_argument("--pictures", type=Path, help="a folder for the renders")
    options.add_argument("--device", default="cpu")
    given = options.parse_args()
    known = json.loads(given.out.read_text("utf-8")) if given.out and given.out.is_file() else {}
    figures = {"ready": counted(*ready())}
    if given.people:
        seeds = held_out()["measurement"][: given.people]
        looks = {str(seed): [looked(one) for one in rendered(seed, given.device, given.pictures)] for seed in seeds}
        middle = len(VIEWS) // 2
        for name, part in (("set", seeds[: len(seeds) // 2]), ("counted", seeds[len(seeds) // 2 :])):
            who = {str(seed): identity(seed) for seed in part}
            photographed = {key: looks[key][:middle] for key in who}
            figures[name] = counted(who, photographed, {key: looks[key][middle:] for key in who})
    print(json.dumps(figures, indent=1))
    keep(given.out, {**known, "machine": facts(), "size": SIZE, "views": VIEWS, **figures})


def ready() -> tuple[dict[str, Identity], LooksOf, LooksOf]:
    """Return who the ready subjects are, what is seen in their photos, and in their references."""
    who, in_photos, in_references = {}, {}, {}
    for name, wish in plan()["subjects"].items():
        who[name] = identity(wish["seed"], **{key: value for key, value in wish.items() if key != "seed"})
        for found, folder in ((in_photos, name), (in_references, f"{name}/references")):
            every = photos.read_all(photos.list_folder(SUBJECTS, folder))
            found[name] = [looked(np.asarray(as_photo(one).pixels)) for one in every]
    return who, in_photos, in_references


def rendered(seed: int, device: str, folder: Path | None) -> list[np.ndarray]:
    """Return the pictures of a person `[SIZE, SIZE, 3]`, one a view; those in `folder` are not rendered again."""
    from portrait_studio.pocket.people import check

    files = [folder / f"{seed}-{k}.png" for k in range(len(VIEWS))] if folder else []
    if files and all(file.is_file() for file in files):
        return [np.array(Image.open(file)) for file in files]
    shots = [check.view(seed, turn, np.random.default_rng([7, seed, k])) for k, turn in enumerate(VIEWS)]
    made = check.pictures(shots, device, SIZE)
    for file, picture in zip(files, made, strict=False):
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(file)
    return made


def counted(people: dict[str, Identity], in_photos: LooksOf, in_pictures: LooksOf) -> dict[str, Any]:
    """Return the figures of each row over people."""
    own = {name: own_looks(in_photos[name]) for name in people}
    same: dict[str, list[bool | None]] = {row: [] for row in ROWS}
    other: dict[str, list[bool | None]] = {row: [] for row in ROWS}
    for one in people:
        for two in people:
            for picture in in_pictures[two]:
                answers = kept(picture, own[one]) if picture else dict.fromkeys(ROWS)
                for row in ROWS:
                    if one == two:
                        same[row].append(answers[row])
                    elif _differ(row, people[one], people[two]):
                        other[row].append(answers[row])
    return {"people": len(people), **{row: _row(same[row], other[row]) for row in ROWS}}


def _row(same: list[bool | None], other: list[bool | None]) -> dict[str, Any]:
    right = [one for one in same if one is not None]
    lost = [not one for one in other if one is not None]
    rates = [sum(each) / len(each) if each else None for each in (right, lost)]
    known = [one for one in rates if one is not None]
    return {
        "accuracy": round(sum(known) / len(known), 4) if len(known) == 2 else None,
        "kept": f"{sum(right)} of {len(right)}",
        "lost": f"{sum(lost)} of {len(lost)}",
        "told": round((len(right) + len(lost)) / max(1, len(same) + len(other)), 4),
        "told_of_own": round(len(right) / max(1, len(same)), 4),
    }


def _differ(row: str, one: Identity, two: Identity) -> bool:
    """Whether two people clearly differ in a row; stubble, a bun or a ponytail are neither one nor the other."""
    if row == "hair_colour":
        there = "bald" not in (one.hair, two.hair)
        return there and float(np.linalg.norm(_hair(one) - _hair(two))) > APART
    if row == "hair_length":
        kinds = [set() if who.hair not in LONG | SHORT else {who.hair in LONG} for who in (one, two)]
        return all(kinds) and kinds[0] != kinds[1]
    if row == "glasses":
        return one.glasses != two.glasses
    return {one.beard, two.beard} == {"beard", "none"}


def _hair(who: Identity) -> np.ndarray:
    return to_lab(to_encoded(np.array(who.numbers["hair_rgb"])))


def looked(picture: np.ndarray) -> HeadLooks | None:
    """Return what is seen in a picture, None where it has no face."""
    found = faces.detect(picture)
    return look_at(picture, found[0]) if found else None


if __name__ == "__main__":
    main()
