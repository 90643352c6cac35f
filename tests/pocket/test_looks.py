from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from portrait_studio.pocket import measures
from portrait_studio.pocket.people import dataset, expressions, garments, identity, light, poses
from portrait_studio.pocket.people.camera import Camera
from portrait_studio.pocket.quality import looks

from ..present import present

pytest.importorskip("numba", reason="LOOKS NOT TESTED: numba is not installed (pip install numba)")


@pytest.fixture(scope="module")
def portraits():
    """Two renders of one person, smiling and sad, with what the renderer knows to be true: brown hair before blue."""
    person = identity.identity(
        9_000_008, sex="man", hair="side part", hair_colour="brown", glasses="none", beard="none"
    )
    shots = []
    for mood in ("smile", "sad"):
        rng = np.random.default_rng(4)
        shot = dataset.shot_for(person.seed, rng, {"close-up": 1.0})
        lit = light.light(rng, kind="soft light", warmth="neutral", background="plain", background_colour="blue")
        pose = poses.get("head-front").rotations.numpy().astype(np.float32)
        view = Camera("close-up", 0.0, 0.0, 0.0, 1.0, (0.0, 0.0), 13.0)
        clothes = garments.outfit(rng, False, top="t-shirt", top_colour="red", pattern="plain", outer="none")
        shots.append(
            dataclasses.replace(
                shot,
                identity=person,
                outfit=clothes,
                light=lit,
                camera=view,
                pose=pose,
                expression=expressions.get(mood),
            )
        )
    pictures = dataset.renderer("cpu").render(shots, 256).images.permute(0, 2, 3, 1).numpy()
    return [(picture, measures.found(picture)[0]) for picture in pictures]


def test_a_render_has_eyes_of_one_colour_and_a_painted_iris_is_noticed(portraits):
    picture, face = portraits[0]
    assert present(looks.eyes_apart(picture, face)) <= looks.COLOUR_LIMIT
    (x, y), (other, _) = face.landmarks[:2]
    painted = picture.copy()
    cv2.circle(painted, (round(x), round(y)), max(2, round(0.07 * abs(other - x))), (40, 90, 200), -1)
    assert present(looks.eyes_apart(painted, face)) > looks.COLOUR_LIMIT


def test_eyes_that_are_too_small_are_not_judged(portraits):
    picture, face = portraits[0]
    small = cv2.resize(picture, (96, 96), interpolation=cv2.INTER_AREA)
    points = tuple((x * 96 / 256, y * 96 / 256) for x, y in face.landmarks)
    assert looks.eyes_apart(small, dataclasses.replace(face, landmarks=points)) is None


def test_hair_has_no_holes_until_the_background_is_painted_into_it(portraits):
    picture, face = portraits[0]
    assert present(looks.holes(picture, face)) <= looks.HOLE_LIMIT
    x, y, w, h = face.box
    torn = picture.copy()
    for share in (0.25, 0.5, 0.75):
        cv2.circle(torn, (round(x + share * w), round(y - 0.10 * h)), round(0.07 * w), picture[4, 4].tolist(), -1)
    assert present(looks.holes(torn, face)) > looks.HOLE_LIMIT
