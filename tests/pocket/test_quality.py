from __future__ import annotations

import numpy as np
import pytest

from portrait_studio.pocket.quality.pose import JOINTS, NEAR, joints_near
from portrait_studio.pocket.quality.words import colours
from portrait_studio.portrait.faces import Face


@pytest.fixture
def body() -> np.ndarray:
    points = np.zeros((60, 3))
    points[:18] = [(100 + 5 * i, 20 + 10 * i, 1) for i in range(18)]  # 85 px across, 170 px down
    return points


def _landmarks(points: np.ndarray, off: float) -> list[list[float]]:
    seen = np.full((33, 3), -1.0)
    for ours, theirs in JOINTS.items():
        seen[theirs] = (points[ours, 0] + off, points[ours, 1], 1)
    return seen.tolist()


def test_a_joint_is_near_within_a_tenth_of_the_persons_larger_side(body):
    reach = NEAR * 170
    assert joints_near(body, _landmarks(body, reach - 0.1)) == [True] * 6
    assert joints_near(body, _landmarks(body, reach + 0.1)) == [False] * 6


def test_joints_that_the_map_does_not_show_are_not_judged(body):
    seen = _landmarks(body, 0)
    body[4, 2] = 0
    body[7, 0] = 300
    assert joints_near(body, seen) == [True] * 4


def test_without_a_body_nothing_is_judged(body):
    assert joints_near(body, None) is None


def _person(hair: str) -> dict:
    facts = {"hair": "short", "hair_colour": hair, "garment_colour": "red", "background_colour": "grey"}
    return {"attributes": facts | {"background": "studio", "pattern": "striped"}}


def _picture(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((200, 200, 3), colour, np.uint8)


def test_a_word_counts_only_where_its_render_is_judged_right():
    face = Face(box=(60, 60, 80, 80), landmarks=((80, 90), (120, 90), (100, 110), (85, 125), (115, 125)), score=0.9)
    dark, light = (30, 20, 10), (230, 200, 120)
    people = [_person(word) for word in ("black", "black", "blond", "blond", "blond")]
    darkish = (45, 35, 25)
    renders = [_picture(colour) for colour in (dark, dark, light, light, darkish)]  # the last one is no blond
    samples = [_picture(colour) for colour in (dark, light, light, light, light)]
    seen = [[face]] * 5
    followed = colours(people, samples, seen, renders, seen)
    assert followed.judge["hair"] == [True, True, True, True, False]
    assert followed.words["hair"] == [True, False, True, True]
    assert followed.words["garment"] == [], "patterned garments are not judged"
