from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from portrait_studio.pocket.people import dataset, hair
from portrait_studio.pocket.people import identity as people

pytestmark = pytest.mark.usefixtures("body")


def test_a_seed_is_always_the_same_person():
    assert people.identity(7) == people.identity(7)
    assert people.identity(7).shape != people.identity(8).shape


def test_faces_are_limited_jointly_so_that_none_is_a_caricature():
    for seed in range(40):
        face = [v for k, v in people.identity(seed).shape.items() if k not in PHENOTYPES]
        moved = np.sqrt(np.mean(np.square(face)))
        assert moved <= people.JOINT_LIMIT + 0.06, "the average is moved a little besides"
        assert max(map(abs, face)) <= people.SINGLE_LIMIT


def test_faces_are_nearly_symmetric():
    for seed in range(40):
        shape = people.identity(seed).shape
        pairs = [(v, shape["r-" + k[2:]]) for k, v in shape.items() if k.startswith("l-")]
        assert len(pairs) > 20
        assert max(abs(left - right) for left, right in pairs) < 0.05


PHENOTYPES = {"gender", "age", "muscle", "weight", "height", "proportions", "cupsize", "firmness"}
PHENOTYPES |= {"african", "asian", "caucasian"}


@pytest.mark.parametrize(
    "wish", [{"sex": "woman"}, {"hair": "bob"}, {"hair_colour": "red"}, {"skin": "dark"}, {"glasses": "glasses"}]
)
def test_a_wish_is_granted(wish):
    for seed in range(5):
        person = people.identity(seed, **wish)
        assert {k: getattr(person, k) for k in wish} == wish


def test_women_have_no_beards_and_bald_people_no_ribbons_of_hair():
    for seed in range(60):
        person = people.identity(seed)
        assert person.sex == "man" or person.beard == "none"
        assert person.hair != "bald" or person.numbers["ribbons"] == 0


def test_there_are_at_least_eight_hair_styles_with_their_own_words():
    words = [style["words"] for style in hair.styles().values()]
    assert len(set(words)) == len(words) >= 8


def test_the_stream_never_shows_a_held_out_identity(monkeypatch):
    first = dataset.shot_of(3, 0).identity.seed
    monkeypatch.setattr(dataset, "_never", lambda: frozenset({first}))
    assert dataset.shot_of(3, 0).identity.seed != first


def test_sixty_four_identities_for_measurement_and_six_subjects_are_held_out():
    held = json.loads((Path(people.__file__).parent / "held_out.json").read_text("utf-8"))
    assert len(set(held["measurement"])) == 64
    assert len(set(held["subjects"])) == 6
    assert min(held["measurement"] + held["subjects"]) >= dataset.LAST_IDENTITY
