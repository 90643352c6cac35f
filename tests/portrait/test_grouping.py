"""Whose face is whose: persons out of embeddings, and no stranger among the six ready subjects."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_studio.portrait import grouping, identity, photos
from portrait_studio.portrait.faces import detect

SUBJECTS = Path(__file__).parents[2] / "pocket" / "subjects"
READY = ("david", "henry", "leila", "marcus", "mina", "nora")
PHOTOGRAPHS = identity.SAME_PERSON["sface"]


def unit(*angles: float) -> np.ndarray:
    return np.array([(np.cos(angle), np.sin(angle)) for angle in np.radians(angles)])


def groups(points: np.ndarray, least: float, owners: list[int] | None = None) -> list[list[int]]:
    owners = list(range(len(points))) if owners is None else owners
    return [list(person.faces) for person in grouping.people(points, owners, least)]


def test_persons_come_most_seen_first_and_join_by_their_mean():
    assert groups(unit(0, 90, 5, 100, 10), 0.9) == [[0, 2, 4], [1, 3]]
    assert groups(unit(0), 0.9) == [[0]]
    assert groups(np.zeros((0, 2)), 0.9) == []
    # A chain: each link is close, the ends are not, so average linkage does not swallow it whole.
    assert len(groups(unit(0, 40, 80, 120, 160), np.cos(np.radians(45)))) > 1


def test_two_faces_of_one_photo_are_two_people_however_alike():
    assert groups(unit(0, 1, 2, 3), 0.5, [0, 0, 1, 2]) == [[1, 2, 3], [0]]


def test_who_is_in_most_photos_comes_before_who_has_most_faces():
    persons = grouping.people(unit(0, 90, 1, 91, 92), [0, 1, 2, 1, 1], 0.9)
    assert (persons[0].faces, persons[0].photos) == ((0, 2), 2)


def varied(alike: float, other: float, count: int = 5) -> np.ndarray:
    """Photos of one person whose pairs have the cosine `alike`, and one more with the cosine `other` to each."""
    photos = np.eye(count + 2)[1:-1] * np.sqrt(1 - alike)
    photos[:, 0] = np.sqrt(alike)
    last = np.eye(count + 2)[-1] * np.sqrt(1 - other**2 / alike)
    last[0] = other / np.sqrt(alike)
    return np.concatenate([photos, last[None]])


@pytest.mark.parametrize(
    ("alike", "other", "same"),
    [(0.85, 0.70, True), (0.85, 0.55, False), (0.60, 0.40, True), (0.60, 0.30, False), (0.97, 0.70, True)],
    ids=["renders", "another render", "photographs", "below the floor", "a burst"],
)
def test_how_alike_a_persons_photos_are_tells_who_is_somebody_else(alike, other, same):
    assert groups(varied(alike, other), PHOTOGRAPHS) == ([[0, 1, 2, 3, 4, 5]] if same else [[0, 1, 2, 3, 4], [5]])


def test_a_burst_of_shots_is_not_taken_for_all_that_a_person_looks_like():
    """Three all but equal photos, and four as little alike as photographs of one person are."""
    cosines = np.full((7, 7), 0.6)
    cosines[:3, :3] = 0.97
    np.fill_diagonal(cosines, 1)
    assert groups(np.linalg.cholesky(cosines), PHOTOGRAPHS) == [[0, 1, 2, 3, 4, 5, 6]]


def test_what_two_photos_have_in_common_is_not_yet_known_to_be_the_persons():
    assert groups(unit(0, 2, 58), 0.3) == [[0, 1, 2]]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 14), st.integers(0, 2**32 - 1), st.floats(-1, 1), st.integers(1, 4))
def test_everybody_is_shared_out_and_no_photo_shows_a_person_twice(count, seed, least, faces_a_photo):
    points = np.random.default_rng(seed).normal(size=(count, 8))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    owners = [index // faces_a_photo for index in range(count)]
    persons = grouping.people(points, owners, least)
    assert sorted(face for person in persons for face in person.faces) == list(range(count))
    for person in persons:
        assert len({owners[face] for face in person.faces}) == len(person.faces) == person.photos
        inside = points[list(person.faces)] @ points[list(person.faces)].T
        if person.photos > 1:
            assert person.alike == pytest.approx(inside[~np.eye(person.photos, dtype=bool)].mean())
    assert [person.photos for person in persons] == sorted((person.photos for person in persons), reverse=True)


@functools.cache
def faces_of(path: Path) -> list[np.ndarray]:
    picture = photos.read(path)
    return [identity.embed(picture, face) for face in detect(picture)]


def set_of(name: str) -> list[Path]:
    """Photos of a ready subject but the spoilt one; the last shows a second person."""
    return sorted(path for path in (SUBJECTS / name).glob("*.jpg") if "-11" not in path.name)


@pytest.mark.parametrize("count", [1, 5])
def test_another_ready_subjects_photos_never_join_a_ready_subject(count):
    for own, other in itertools.permutations(READY, 2):
        paths = set_of(own) + set_of(other)[:count]
        embeddings = [(index, face) for index, path in enumerate(paths) for face in faces_of(path)]
        subject = grouping.people(np.stack([face for _, face in embeddings]), [i for i, _ in embeddings], PHOTOGRAPHS)[
            0
        ]
        assert {embeddings[face][0] for face in subject.faces} == set(range(len(set_of(own)))), (own, other)
        strangers = [identity.likeness(face, _reference(embeddings, subject)) for i, face in embeddings if i >= 11]
        # No margin: rendered people are near the average face, and more alike than photographs of people are.
        assert max(strangers) < grouping.least_likeness(subject, PHOTOGRAPHS), (own, other)


def _reference(embeddings: list, subject: grouping.Person) -> np.ndarray:
    return identity.reference([embeddings[face][1] for face in subject.faces])
