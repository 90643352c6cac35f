"""The six ready subjects: photos of persons whom no model was trained on, as somebody might bring them along.

Twelve photos each (two of them with a fault, some turned by their EXIF orientation) and four held-out references.
"""

from __future__ import annotations

import io
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from ...portrait import disk
from . import captions, expressions, garments, light, poses
from .camera import camera
from .dataset import renderer
from .identity import held_out, identity
from .render import Shot

SIZE, QUALITY = 640, 84
TURNED = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
ORIENTATION = 0x0112


@lru_cache(maxsize=1)
def plan() -> dict:
    """Who the subjects are and which photos are taken (subjects.json)."""
    table = json.loads((Path(__file__).parent / "subjects.json").read_text(encoding="utf-8"))
    assert sorted(s["seed"] for s in table["subjects"].values()) == sorted(held_out()["subjects"])
    return table


def shot(name: str, number: int, row: dict, who: dict | None = None) -> Shot:
    """Photo `number` of a subject; `who` puts another person in the same place."""
    wish = dict(who or plan()["subjects"][name])
    seed = wish.pop("seed")
    rng = np.random.Generator(np.random.Philox(key=[seed, number]))
    person = identity(seed, **wish)
    expression, actions = expressions.sample(rng, row["expression"])
    pose = poses.get("head-front")
    lit = light.light(rng, kind=row["light"], warmth=row.get("warmth", "neutral"))
    view = camera(rng, row["framing"], row["yaw"])
    outfit = garments.outfit(rng, person.sex == "woman")
    side = "right" if row["yaw"] > 0 else "left"
    seen = "front" if abs(row["yaw"]) < 15 else f"three-quarter {side}"
    words = {"expression": expressions.words(expression), "view": seen}
    return Shot(person, outfit, lit, view, actions, pose.rotations.numpy().astype(np.float32), words)


def picture(name: str, number: int, row: dict, device: str, size: int = SIZE) -> Image.Image:
    """Take one photo, with its fault."""
    draw = renderer(device)
    made = draw.render([shot(name, number, row)], size)
    image = made.images[0].permute(1, 2, 0).cpu().numpy()
    fault = _fault(name, row)
    if fault == "second person":
        names = list(plan()["subjects"])
        friend = names[(names.index(name) + 3) % len(names)]
        other = draw.render([shot(name, number + 50, {**row, "yaw": -row["yaw"]}, plan()["subjects"][friend])], size)
        half, quarter = size // 2, size // 4
        image = np.concatenate(
            [
                image[:, quarter : quarter + half],
                other.images[0].permute(1, 2, 0).cpu().numpy()[:, quarter : quarter + half],
            ],
            1,
        )
    photo = Image.fromarray(image)
    if fault == "blurred":
        photo = photo.filter(ImageFilter.GaussianBlur(size / 90))
    if fault == "dark":
        photo = photo.point(lambda v: v * 0.12)
    return photo if number % 3 else photo.crop((size // 16, 0, size - size // 16, size))


def encode(photo: Image.Image, orientation: int = 1) -> bytes:
    """A JPEG whose pixels are turned and whose EXIF orientation turns them back."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turn = TURNED[orientation]
    out = io.BytesIO()
    (photo.transpose(turn) if turn is not None else photo).save(
        out, "JPEG", quality=QUALITY, exif=exif.tobytes() if orientation != 1 else b""
    )
    return out.getvalue()


def write(folder: Path, device: str, size: int = SIZE) -> None:
    """Write every subject's folder: photos, references and card.json. What is there already is not made again."""
    for name, who in plan()["subjects"].items():
        home = folder / name
        (home / "references").mkdir(parents=True, exist_ok=True)
        card = {
            "name": name,
            "class_word": who["sex"],
            "seed": who["seed"],
            "licence": "CC0-1.0",
            "words": _words(shot(name, 0, plan()["photos"][0])),
            "photos": {},
            "references": [],
        }
        for number, row in enumerate(plan()["photos"], 1):
            file = f"{name}-{number:02d}.jpg"
            told = {k: v for k, v in row.items() if k != "fault"}
            card["photos"][file] = told | ({"fault": _fault(name, row)} if "fault" in row else {})
            if not (home / file).exists():
                photo = picture(name, number, row, device, size)
                disk.write(home / file, encode(photo, row.get("orientation", 1)))
        for number, row in enumerate(plan()["references"], 1):
            file = f"{name}-reference-{number}.jpg"
            card["references"].append(file)
            if not (home / "references" / file).exists():
                disk.write(home / "references" / file, encode(picture(name, 100 + number, row, device, size)))
        disk.write(home / "card.json", (json.dumps(card, indent=1) + "\n").encode())


def _words(one: Shot) -> str:
    said = captions.attributes(one)
    return f"{said['age']} {said['sex']}, {said['hair_colour']} {said['hair']} hair, {said['skin']} skin"


def _fault(name: str, row: dict) -> str | None:
    fault = row.get("fault")
    return plan()["faults"].get(name, fault) if fault == "blurred" else fault
