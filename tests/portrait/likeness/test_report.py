"""A likeness report cannot be fooled by a copy, and says so of every picture."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_studio.portrait import faces, identity
from portrait_studio.portrait.likeness import looking, registering, report
from portrait_studio.portrait.likeness.band import own_band
from portrait_studio.portrait.likeness.known import KnownPhotos

from ...present import present
from ..scenes import astronaut, group, nobody, scaled
from .people import TRAINED, WAYS, known, pasted, person, photo

REFERENCES = (101, 102, 103, 104)


def reported(name: str, *pictures: np.ndarray) -> report.LikenessReport:
    return report.report(list(pictures), person(name), known(name), identity.embedder())


@settings(max_examples=10, derandomize=True)
@given(
    name=st.sampled_from(("david", "leila", "mina")),
    number=st.sampled_from(TRAINED),
    way=st.sampled_from(WAYS),
    reference=st.sampled_from(REFERENCES),
)
def test_a_pasted_training_photo_ranks_below_an_honest_portrait(name, number, way, reference):
    told = reported(name, pasted(photo(name, number), way), photo(name, reference))
    copy, honest = told.pictures
    assert copy.copy
    assert not honest.copy
    assert told.order == [1, 0]
    original = known(name).names[present(copy.nearest).index]
    assert told.warnings == [f"Picture 1 is a copy of the training photo {original}."]
    assert original == f"{name}-{number:02d}.jpg"


def test_a_face_that_the_detector_saw_a_third_smaller_is_laid_on_its_photo():
    picture = photo("mina", 5)
    (seen,) = faces.detect(picture)
    middle = np.mean(seen.landmarks, 0)
    wider = replace(seen, landmarks=tuple(map(tuple, middle + 1.35 * (np.array(seen.landmarks) - middle))))
    photo_face, smaller = identity.align(picture, seen), identity.align(picture, wider)
    assert registering.correlation(photo_face, smaller)[0] > 0.99


def test_a_soft_copy_is_seen_and_a_soft_portrait_is_none():
    """Two photos of Mina are more alike than a photo and its blurred copy are, where each is as sharp as it is."""
    soft = pasted(photo("mina", 1), "softer")
    (seen,) = map(present, looking.look([soft], identity.embedder()))
    band, _ = own_band(known("mina"))
    assert registering.correlations(known("mina").faces[TRAINED.index(1)], seen.aligned)[0] < present(band).pixels[0]
    copy, honest = reported("mina", soft, pasted(photo("mina", 102), "softer")).pictures
    assert copy.copy
    assert not honest.copy


def test_likeness_alone_would_have_chosen_the_copy():
    own = known("leila")
    (copy,) = map(present, looking.look([photo("leila", TRAINED[0])], identity.embedder()))
    (honest,) = map(present, looking.look([photo("leila", 104)], identity.embedder()))
    everyone = identity.reference(own.embeddings[own.trained])
    assert identity.likeness(copy.embedding, everyone) > 0.9
    told = reported("leila", photo("leila", 104), photo("leila", TRAINED[0]))
    assert told.pictures[0].credit > told.pictures[1].credit == 0.0
    assert identity.likeness(honest.embedding, everyone) > told.pictures[1].credit


def test_another_person_is_below_the_band_and_a_real_photo_in_it():
    told = reported("david", photo("henry", 101), photo("david", 101))
    stranger, own = told.pictures
    assert stranger.place == "below"
    assert own.place != "below"
    assert told.order == [1, 0]


def test_no_picture_counts_for_more_than_a_real_photo_has():
    own = known("david")
    direction = person("david")
    seen = looking.SeenFace(own.faces[0], direction, faces.detect(photo("david", 1))[0], photo("david", 1))
    strange = replace(seen, aligned=np.random.default_rng(0).integers(0, 255, (112, 112, 3), np.uint8))
    (one,) = report.measured([strange], direction, own, identity.embedder()).pictures
    band, _ = own_band(own)
    assert one.likeness == pytest.approx(1.0, abs=1e-5)
    assert one.place == "above"
    assert one.credit == present(band).high < 1


def test_a_picture_without_a_face_comes_last_and_one_with_ten_faces_is_measured_on_the_person():
    collins = identity.embed(astronaut(), faces.detect(astronaut())[0])
    told = report.report([nobody(), group(2, 5), astronaut()], collins, None, identity.embedder())
    assert told.order[-1] == 0
    assert told.pictures[0].likeness is None
    assert present(told.pictures[1].likeness) > 0.6
    assert told.band is None
    assert json.loads(json.dumps(told.as_dict()))["copies"] == 0


def test_no_pictures_with_faces_is_said_and_nothing_else():
    told = reported("david", nobody())
    assert told.likeness is None
    assert told.sentence() == "likeness not measured"
    assert told.as_dict()["above_own_band"] is None


def astronauts(count: int) -> KnownPhotos:
    """One photograph many times, each a little differently scaled."""
    pictures = [scaled(astronaut(), 1 + 0.01 * index) for index in range(count)]
    seen = list(map(present, looking.look(pictures, identity.embedder())))
    return KnownPhotos(
        tuple(f"{index}.jpg" for index in range(count)),
        np.stack([one.aligned for one in seen]),
        np.stack([one.embedding for one in seen]),
        np.array([one.turn for one in seen]),
        np.array([index < count - 1 for index in range(count)]),
        "sface",
    )


@pytest.mark.parametrize(("count", "says"), [(1, "Only one photo of the person"), (3, "Only 3 photos of the person")])
def test_too_few_photos_have_no_band_and_the_report_says_so(count, says):
    own = astronauts(count)
    assert own_band(own)[1].startswith(says)
    told = report.report([astronaut()], own.embeddings[0], own, identity.embedder())
    assert told.remarks[0].startswith(says)
    assert present(told.pictures[0].nearest).face > 0.99
    assert not told.pictures[0].copy


def test_photos_that_are_all_one_photo_have_no_band_and_the_report_says_so():
    band, why = own_band(astronauts(5))
    assert band is None
    assert "all alike" in why


def test_one_photo_twice_among_others_hides_no_copy():
    own = known("david")
    twice = KnownPhotos(
        (*own.names, "again.jpg"),
        np.concatenate((own.faces, own.faces[:1])),
        np.concatenate((own.embeddings, own.embeddings[:1])),
        np.concatenate((own.turns, own.turns[:1])),
        np.append(own.trained, True),
        own.backend,
    )
    assert present(own_band(twice)[0]).nearest == pytest.approx(present(own_band(own)[0]).nearest)


def test_figures_of_two_recognisers_are_never_compared():
    own = replace(known("david"), backend="another")
    told = report.report([photo("david", 1)], person("david"), own, identity.embedder())
    assert told.band is None
    assert told.pictures[0].nearest is None


def test_one_pose_and_one_expression_over_and_over_is_told():
    told = reported("mina", *(pasted(photo("mina", 101), way) for way in ("as it is", "jpeg", "smaller")))
    assert any("hold the head alike" in remark for remark in told.remarks)
    assert any("one expression" in remark for remark in told.remarks)
    varied = reported("mina", *(photo("mina", number) for number in (4, 5, 6, 8)))
    assert not varied.remarks
