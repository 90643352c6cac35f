"""Whose face is whose: embeddings of a photo set to persons.

Persons are found by average linkage, with two more rules. Two faces of one photo are two people. And a group that is
much less like a person than the person's own photos are like each other is somebody else, however alike the two may
look: rendered heads of different people reach cosines that photographs reach for one person only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# With d = 1 - cosine: a group whose mean d to a person is more than FAR times the person's own mean d is another
# person. Photographs with SFace, at a mean cosine of .65 within and .1 between people, have .9 / .35 = 2.6;
# tests/portrait/test_grouping.py mixes the photos of rendered people.
FAR = 2.2
# The least mean d that a person is given credit for: a burst of shots is more alike than the person is.
LEAST_SPREAD = 0.17
LEAST_KNOWN = 3  # so many photos tell how alike a person's photos are


@dataclass(frozen=True)
class Person:
    """Faces of one person: their indices, in how many photos they are, and how alike they are (mean cosine of pairs).

    `alike` is 1 for a single face.
    """

    faces: tuple[int, ...]
    photos: int
    alike: float


def people(embeddings: np.ndarray, photos: Sequence[int], same_person: float) -> list[Person]:
    """Return the persons among faces, who is in most photos first.

    `embeddings` `[N, D]` have length 1; `photos` has the photo of each face. Two groups are never one person whose
    mean cosine is below `same_person`.
    """
    count = len(embeddings)
    if count == 0:
        return []
    sums = np.array(embeddings, np.float64)  # of each group; their dot products are sums of pairwise cosines
    sizes = np.ones(count)
    linkages = sums @ sums.T
    groups = [[index] for index in range(count)]
    seen = [{photos[index]} for index in range(count)]
    never = np.array([[first == second for second in photos] for first in photos])  # two faces of one photo
    not_now = np.zeros((count, count), bool)  # too far apart for what is known yet; a group that grows is asked again
    while True:
        candidates = np.where(never | not_now, -np.inf, linkages)
        first, second = sorted(divmod(int(candidates.argmax()), count))
        if candidates[first, second] < same_person:
            break
        both = [_person(groups[index], seen[index], sums[index]) for index in (first, second)]
        if linkages[first, second] < least_linkage(both, same_person):
            not_now[first, second] = not_now[second, first] = True
            continue
        share = sizes[first] / (sizes[first] + sizes[second])
        linkages[first] = linkages[:, first] = share * linkages[first] + (1 - share) * linkages[second]
        never[first] = never[:, first] = never[first] | never[second]
        never[second] = never[:, second] = True
        not_now[first] = not_now[:, first] = False
        sums[first] += sums[second]
        sizes[first] += sizes[second]
        groups[first] += groups[second]
        seen[first] |= seen[second]
        groups[second] = []
    found = [_person(group, seen[index], sums[index]) for index, group in enumerate(groups) if group]
    return sorted(found, key=lambda person: (-person.photos, -len(person.faces), person.faces[0]))


def least_linkage(known: Sequence[Person], same_person: float) -> float:
    """Return the mean cosine that faces need to belong to people of whom these groups are known, never below
    `same_person`; groups of few photos tell nothing.
    """
    spreads = [1 - person.alike for person in known if person.photos >= LEAST_KNOWN]
    if not spreads:
        return same_person
    return max(same_person, 1 - FAR * max(LEAST_SPREAD, *spreads))


def least_likeness(person: Person, same_person: float) -> float:
    """Return the cosine to the person's reference (the normalised mean) that a face needs to be the person's.

    With n faces the reference is the mean over its length, and the length is about the root of `alike`, so a linkage
    becomes a likeness by division by that root.
    """
    linkage = least_linkage([person], same_person)
    if linkage <= same_person:
        return same_person
    return max(same_person, linkage / max(person.alike, linkage) ** 0.5)


def _person(faces: Sequence[int], photos: set[int], total: np.ndarray) -> Person:
    count = len(faces)
    alike = (float(total @ total) - count) / (count * (count - 1)) if count > 1 else 1.0
    return Person(tuple(sorted(faces)), len(photos), alike)
