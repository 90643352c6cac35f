from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from portrait_studio.pocket.people import subjects
from portrait_studio.pocket.people.identity import held_out
from portrait_studio.portrait import faces, identity

FOLDER = Path(subjects.__file__).parents[1] / "subjects"
NAMES = list(subjects.plan()["subjects"])


def upright(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def embedding(path: Path) -> np.ndarray:
    image = upright(path)
    return identity.embed(image, faces.detect(image, 0.5)[0])


def test_the_subjects_are_the_held_out_identities():
    seeds = [json.loads((FOLDER / name / "card.json").read_text("utf-8"))["seed"] for name in NAMES]
    assert sorted(seeds) == sorted(held_out()["subjects"])


@pytest.mark.parametrize("name", NAMES)
def test_a_subject_has_twelve_photos_and_four_references(name):
    card = json.loads((FOLDER / name / "card.json").read_text("utf-8"))
    photos = sorted(p.name for p in (FOLDER / name).glob("*.jpg"))
    references = sorted(p.name for p in (FOLDER / name / "references").glob("*.jpg"))
    assert photos == sorted(card["photos"])
    assert references == sorted(card["references"])
    assert (len(photos), len(references)) == (12, 4)
    turned = [f for f, said in card["photos"].items() if said.get("orientation")]
    for file in turned:
        with Image.open(FOLDER / name / file) as picture:
            assert picture.getexif()[subjects.ORIENTATION] == card["photos"][file]["orientation"]
    assert len(turned) >= 3
    assert sum("fault" in said for said in card["photos"].values()) == 2


@pytest.mark.parametrize("name", NAMES)
def test_the_good_photos_show_one_face_and_it_is_the_references_face(name):
    card = json.loads((FOLDER / name / "card.json").read_text("utf-8"))
    own = np.mean([embedding(FOLDER / name / "references" / f) for f in card["references"]], 0)
    other = NAMES[(NAMES.index(name) + 1) % len(NAMES)]
    stranger = np.mean([embedding(p) for p in sorted((FOLDER / other / "references").glob("*.jpg"))], 0)
    for file, said in card["photos"].items():
        image = upright(FOLDER / name / file)
        found = [face for face in faces.detect(image, 0.5) if face.score >= 0.7]
        if "fault" not in said:
            assert len(found) == 1, file
            like = identity.embed(image, found[0])
            assert identity.likeness(like, own) > identity.likeness(like, stranger) + 0.1, file
        if said.get("fault") == "second person":
            assert len(found) == 2


def test_all_subjects_together_stay_small():
    assert sum(p.stat().st_size for p in FOLDER.rglob("*.jpg")) < 5_000_000


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_turned_photo_is_upright_again_by_its_exif(orientation):
    photo = Image.fromarray(
        np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40, np.ones((16, 16), np.uint8))
    ).convert("RGB")
    with Image.open(io.BytesIO(subjects.encode(photo, orientation))) as stored:
        back = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"), int)
    assert back.shape == np.asarray(photo).shape
    assert np.abs(back - np.asarray(photo, int)).mean() < 4
