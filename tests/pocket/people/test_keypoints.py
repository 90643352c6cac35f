from __future__ import annotations

from itertools import pairwise

import torch

from portrait_studio.pocket.people.body import Body
from portrait_studio.pocket.people.keypoints import BODY, COUNT, HAND, LEFT_HAND, RIGHT_HAND, mirror_order
from portrait_studio.portrait.poses import layout


def standing_with_arms_out(body: Body) -> dict[str, torch.Tensor]:
    """Keypoints by name of the average body in a T-pose."""
    pose = torch.zeros(1, len(body.bones), 3)
    for side, sign in (("L", 1.0), ("R", -1.0)):
        pose[0, body.bones.index(f"upperarm01.{side}"), 1] = -sign * torch.deg2rad(torch.tensor(48.0))
    points = body.mesh(pose=pose).keypoints[0]
    return dict(zip(BODY, points[: len(BODY)], strict=True))


def test_the_order_is_the_one_that_maps_are_drawn_in():
    assert layout.BODY_POINTS == BODY
    assert (layout.LEFT_HAND, layout.RIGHT_HAND) == (LEFT_HAND, RIGHT_HAND)
    assert COUNT == 60 and len(HAND) == 21


def test_left_is_to_the_right_of_a_picture_from_the_front(body: Body):
    points = standing_with_arms_out(body)
    for name in BODY:
        if name.startswith("left"):
            twin = points[name.replace("left", "right")]
            assert points[name][0] > 0.02 > -0.02 > twin[0], name
            assert (points[name] * torch.tensor([-1.0, 1.0, 1.0]) - twin).norm() < 2e-3, name


def test_the_points_of_a_t_pose_sit_where_they_must(body: Body):
    points = standing_with_arms_out(body)
    x = {name: point[0].item() for name, point in points.items()}
    y = {name: point[1].item() for name, point in points.items()}
    z = {name: point[2].item() for name, point in points.items()}
    assert z["left_eye"] > z["nose"] > z["neck"] > z["left_hip"] > z["left_knee"] > z["left_ankle"]
    assert y["nose"] < y["left_eye"] < y["left_ear"]  # it faces -y
    assert x["left_ear"] > x["left_eye"] > abs(x["nose"])
    assert x["left_wrist"] > x["left_elbow"] > x["left_shoulder"] > x["left_hip"]
    assert abs(x["neck"]) < 1e-3 and abs(z["neck"] - (z["left_shoulder"] + z["right_shoulder"]) / 2) < 1e-5
    # Sizes of an average adult (metres), with room for any adult.
    lengths = {
        ("left_shoulder", "left_elbow"): 0.26,
        ("left_hip", "left_knee"): 0.40,
        ("left_knee", "left_ankle"): 0.38,
    }
    for (upper, lower), length in lengths.items():
        assert abs((points[upper] - points[lower]).norm() - length) < 0.06, (upper, lower)


def test_hands_run_from_the_wrist_to_the_tips_of_five_fingers(body: Body):
    for hand, side in ((LEFT_HAND, "left"), (RIGHT_HAND, "right")):
        points = dict(zip(HAND, body.mesh().keypoints[0, hand], strict=True))
        wrist = body.mesh().keypoints[0, BODY.index(f"{side}_wrist")]
        assert (points["wrist"] - wrist).norm() < 0.02
        for finger in ("index", "middle", "ring", "little"):
            steps = [(points[f"{finger}_{joint}"] - points["wrist"]).norm().item() for joint in (1, 2, 3, 4)]
            assert steps == sorted(steps) and 0.08 < steps[-1] < 0.24, (side, finger)
        knuckles = [points[f"{finger}_1"] for finger in ("index", "middle", "ring", "little")]
        gaps = [(b - a).norm().item() for a, b in pairwise(knuckles)]
        assert all(0.008 < gap < 0.035 for gap in gaps)
        assert (points["thumb_2"] - knuckles[0]).norm() < (points["thumb_2"] - knuckles[3]).norm()


def test_every_keypoint_has_its_twin():
    order = mirror_order()
    assert sorted(order) == list(range(COUNT))
    assert [order[index] for index in order] == list(range(COUNT))
    assert order[BODY.index("left_knee")] == BODY.index("right_knee")
    assert order[LEFT_HAND.start + 8] == RIGHT_HAND.start + 8


def test_other_bodies_carry_their_points_with_them(body: Body):
    tall, short = (body.mesh({"height": height, "age": 0.7}).keypoints[0] for height in (1.0, 0.0))
    spans = [(points[0] - points[BODY.index("left_ankle")]).norm() for points in (tall, short)]
    assert spans[0] - spans[1] > 0.3
