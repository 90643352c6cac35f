"""Poses: the drawn map, the JSON that comes in, the presets."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_studio.portrait import poses
from portrait_studio.portrait.errors import PortraitError
from portrait_studio.portrait.poses.layout import (
    BODY,
    BODY_COLOURS,
    FACE,
    HAND_EDGES,
    LEFT_HAND,
    LIMBS,
    POINTS,
    RIGHT_HAND,
)


def person(**points: tuple[float, float]) -> np.ndarray:
    keypoints = np.zeros((1, POINTS, 3))
    for name, place in points.items():
        keypoints[0, int(name.removeprefix("p"))] = (*place, 1.0)
    return keypoints


def flat(count: int, value: tuple[float, float, float] = (100.0, 120.0, 0.9)) -> list[float]:
    return list(value) * count


# --- drawing


def test_a_limb_is_an_ellipse_at_six_tenths_of_its_colour_and_joints_lie_on_top():
    picture = poses.draw(person(p1=(100, 256), p2=(400, 256)), 512, 512)
    assert picture[256, 250].tolist() == [153, 0, 0]
    column = np.flatnonzero(picture[:, 250].any(axis=1))
    assert column.min() in (251, 252, 253) and column.max() in (258, 259, 260)
    assert picture[256, 100].tolist() == list(BODY_COLOURS[1])
    assert picture[256, 400].tolist() == list(BODY_COLOURS[2])
    assert np.count_nonzero(picture[:, 110].any(axis=1)) < np.count_nonzero(picture[:, 250].any(axis=1))


@pytest.mark.parametrize("place", [(100.5, 200.5), (100.0, 200.0), (100.3, 200.8)])
def test_a_joint_is_a_dot_of_radius_four_around_its_place(place):
    dot = poses.draw(person(p0=place), 512, 512).any(axis=-1)
    rows, columns = np.nonzero(dot)
    assert len(rows) == pytest.approx(49, abs=4), "OpenCV's own circle of radius 4 has 49 pixels"
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx(place, abs=0.25)


@pytest.mark.parametrize("limb", range(17))
def test_every_limb_has_the_colour_of_its_place_in_the_standard_order(limb):
    a, b = LIMBS[limb]
    picture = poses.draw(person(**{f"p{a}": (60, 60), f"p{b}": (450, 450)}), 512, 512)
    assert picture[255, 255].tolist() == [int(0.6 * part) for part in BODY_COLOURS[limb]]


def test_the_limb_order_is_the_published_one():
    one_based = [(a + 1, b + 1) for a, b in LIMBS]
    assert one_based == [
        *((2, 3), (2, 6), (3, 4), (4, 5), (6, 7), (7, 8), (2, 9), (9, 10), (10, 11), (2, 12), (12, 13), (13, 14)),
        *((2, 1), (1, 15), (15, 17), (1, 16), (16, 18)),
    ]
    assert HAND_EDGES[:5] == ((0, 1), (1, 2), (2, 3), (3, 4), (0, 5))
    assert HAND_EDGES[-1] == (19, 20)


def test_an_absent_point_leaves_its_limbs_out():
    keypoints = person(p1=(100, 100), p2=(300, 100), p3=(300, 300))
    keypoints[0, 2, 2] = 0
    picture = poses.draw(keypoints, 512, 512)
    assert not picture[100, 200].any() and not picture[200, 300].any() and not picture[100, 300].any()
    assert picture[300, 300].any()


@pytest.mark.parametrize("side", [256, 512, 1024, 2048])
def test_line_width_grows_with_the_canvas(side):
    picture = poses.draw(person(p1=(0.1 * side, 0.5 * side), p2=(0.9 * side, 0.5 * side)), side, side)
    thickness = np.count_nonzero(picture[:, side // 2].any(axis=1))
    assert thickness == pytest.approx(8 * side / 512, abs=1.5)


def test_hands_and_faces_are_drawn_in_their_own_colours():
    keypoints = np.zeros((1, POINTS, 3))
    keypoints[0, 39:60] = [(100 + 15 * i, 100 + (i % 4) * 40, 1) for i in range(21)]
    keypoints[0, 60:130] = [(20 + 6 * i, 400, 1) for i in range(70)]
    picture = poses.draw(keypoints, 512, 512)
    assert picture[100, 100].tolist() == [0, 0, 255]
    assert picture[120, 107].tolist() == [255, 0, 0]
    assert picture[400, 20].tolist() == [255, 255, 255]


def test_a_batch_is_the_same_pictures_one_by_one():
    people = [poses.load(name).pose.fitted(256, 256).keypoints for name in poses.names()[:4]]
    batch = poses.draw(np.stack(people), 256, 256)
    assert batch.shape == (4, 256, 256, 3)
    for one, drawn in zip(people, batch, strict=True):
        assert np.array_equal(poses.draw(one, 256, 256), drawn)


def test_nobody_is_a_black_map():
    assert not poses.draw(np.zeros((0, POINTS, 3)), 64, 48).any()
    assert poses.draw(np.zeros((0, POINTS, 3)), 64, 48).shape == (48, 64, 3)


@pytest.mark.parametrize("size", [(0, 64), (64, 9000), (-1, 1)])
def test_a_canvas_that_cannot_be_drawn_is_refused_by_its_size(size):
    with pytest.raises(PortraitError, match=f"{size[0]} x {size[1]}"):
        poses.draw(person(), *size)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-1e12, 1e12, width=64)] * 2), min_size=18, max_size=18))
def test_points_far_outside_the_canvas_never_break_the_drawing(places):
    keypoints = np.zeros((1, 18, 3))
    keypoints[0] = [(x, y, 1) for x, y in places]
    assert poses.draw(keypoints, 64, 96).shape == (96, 64, 3)


# --- reading


def test_flat_and_nested_points_read_alike():
    body = [[10.0 * i + 5, 7.0 * i + 3, 0.8] for i in range(18)]
    nested = poses.parse({"people": [{"pose_keypoints_2d": body}], "canvas_width": 300, "canvas_height": 200})
    flat_body = np.ravel(body).tolist()
    level = poses.parse({"people": [{"pose_keypoints_2d": flat_body}], "canvas_width": 300, "canvas_height": 200})
    assert np.array_equal(nested.keypoints, level.keypoints)
    assert nested.keypoints[0, 3].tolist() == [35.0, 24.0, 1.0]


def test_a_part_between_zero_and_one_is_scaled_by_the_canvas_and_others_are_not():
    document = {
        "people": [{"pose_keypoints_2d": flat(18, (0.5, 0.25, 1)), "hand_left_keypoints_2d": flat(21)}],
        "canvas_width": 400,
        "canvas_height": 800,
    }
    keypoints = poses.parse([document]).keypoints[0]
    assert keypoints[0].tolist() == [200.0, 200.0, 1.0]
    assert keypoints[LEFT_HAND][0].tolist() == [100.0, 120.0, 1.0]
    assert not keypoints[RIGHT_HAND].any() and not keypoints[FACE].any()


def test_confidences_become_zero_or_one():
    body = flat(18)
    body[2], body[5], body[8] = 0.049, 0.051, 0.0
    keypoints = poses.parse({"people": [{"pose_keypoints_2d": body}]}, (512, 512)).keypoints[0, BODY]
    assert keypoints[:4, 2].tolist() == [0, 1, 0, 1]
    assert keypoints[0].tolist() == [0, 0, 0]


def test_body_25_loses_mid_hip_and_feet():
    body = np.ravel([(i * 10 + 3, 5, 1) for i in range(25)]).tolist()
    keypoints = poses.parse({"people": [{"pose_keypoints_2d": body}]}, (512, 512)).keypoints[0, BODY]
    assert (keypoints[:, 0] - 3).tolist() == [
        10 * i for i in (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, *range(15, 19))
    ]


def test_a_list_of_people_needs_no_frame():
    pose = poses.read(json.dumps([{"pose_keypoints_2d": flat(18)}] * 3), (512, 512))
    assert len(pose.keypoints) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "empty list"),
        ("3", "'people'"),
        ('{"people": 3}', "'people'"),
        ('{"people": [3]}', "person 1"),
        ('{"people": [{}]}', "'pose_keypoints_2d' in person 1"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "'pose_keypoints_2d' of person 1 .* 18 or 25"),
        ('{"people": [{"pose_keypoints_2d": [["a"]]}]}', "not a list of numbers"),
        (json.dumps({"people": [{"pose_keypoints_2d": [float("nan")] * 54}]}), "NaN is not a JSON number"),
        (json.dumps({"people": [{"pose_keypoints_2d": flat(18), "hand_left_keypoints_2d": [1]}]}), "'hand_left"),
        (json.dumps({"people": [{"pose_keypoints_2d": flat(18)}] * 65}), "65 people"),
        ('{"people": [], "canvas_width": 0, "canvas_height": 9}', "canvas_width"),
        ('{"people": [], "canvas_width": 10}', "canvas_height"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_not_a_pose_is_refused_by_name(text, says):
    with pytest.raises(PortraitError, match=says):
        poses.read(text, (512, 512))


def test_json_without_a_canvas_says_what_is_missing():
    with pytest.raises(PortraitError, match="canvas_width"):
        poses.read(json.dumps({"people": [{"pose_keypoints_2d": flat(18)}]}))


def test_pose_keypoint_is_flat_with_exact_confidences_and_reads_back():
    pose = poses.load("half-waving").pose
    frames = poses.to_pose_keypoint(pose)
    body = frames[0]["people"][0]["pose_keypoints_2d"]
    assert len(body) == 54 and set(body[2::3]) <= {0.0, 1.0}
    assert frames[0]["people"][0]["face_keypoints_2d"] is None
    assert (frames[0]["canvas_width"], frames[0]["canvas_height"]) == (pose.width, pose.height)
    assert np.allclose(poses.read(json.dumps(frames)).keypoints, pose.keypoints)


def test_a_head_comes_closer_on_a_square_and_stays_whole_in_it():
    preset = poses.load("head-front")
    nose, right_ear, left_ear = preset.pose.fitted(256, 256, preset.fit).keypoints[0, [0, 16, 17], :2]
    assert left_ear[0] - right_ear[0] == pytest.approx(256 / 768 * (500.2 - 267.9), abs=0.1)
    assert nose[1] > left_ear[0] - right_ear[0]
    assert poses.load("full-walking").fit == poses.load("half-waving").fit == "contain"


def test_fits_contain_cover_and_stretch():
    corners = poses.Pose(person(p0=(0, 0), p1=(100, 200)), 100, 200)
    assert corners.fitted(400, 400, "contain").keypoints[0, :2, :2].tolist() == [[100, 0], [300, 400]]
    assert corners.fitted(400, 400, "cover").keypoints[0, :2, :2].tolist() == [[0, 0], [400, 800]]
    assert corners.fitted(100, 400, "cover").keypoints[0, :2, :2].tolist() == [[-50, 0], [150, 400]]
    assert corners.fitted(400, 400, "stretch").keypoints[0, :2, :2].tolist() == [[0, 0], [400, 400]]
    assert not corners.fitted(400, 400).keypoints[0, 2:].any()
    with pytest.raises(PortraitError, match="contain, cover, stretch"):
        corners.fitted(4, 4, "fill")  # type: ignore[arg-type]


# --- presets


def test_there_are_enough_presets_of_each_framing():
    framings = [poses.load(name).framing for name in poses.names()]
    assert len(framings) >= 24
    assert {framings.count(f) >= 6 for f in ("head and shoulders", "half body", "full body")} == {True}


@pytest.mark.parametrize("name", poses.names())
def test_every_preset_is_a_whole_person_in_its_picture(name):
    preset = poses.load(name)
    width, height = preset.aspect
    assert math.isclose(width / height, preset.pose.width / preset.pose.height)
    assert {"en", "ko"} <= set(preset.title)
    assert len(preset.pose.keypoints) == 1
    body = preset.pose.keypoints[0, BODY]
    seen = body[:, 2] == 1
    assert seen[[0, 1]].all() and seen[[14, 15]].any(), "nose, neck and an eye"
    if preset.framing == "full body":
        assert seen[[10, 13]].all(), "both ankles"
    elif preset.framing == "half body":
        assert seen[[8, 11]].any(), "a hip"
    assert ((body[seen, :2] >= 0) & (body[seen, :2] <= (preset.pose.width, preset.pose.height))).all()
    assert preset.prompt.startswith(preset.framing)
    raw = json.loads((poses.FOLDER / f"{name}.json").read_text("utf-8"))
    assert set(raw["people"][0]["pose_keypoints_2d"][2::3]) <= {0, 1}


def test_no_two_presets_are_the_same_picture_or_the_same_words():
    presets = [poses.load(name) for name in poses.names()]
    assert len({preset.prompt for preset in presets}) == len(presets)
    maps = [poses.draw(preset.pose.fitted(96, 128).keypoints, 96, 128).tobytes() for preset in presets]
    assert len(set(maps)) == len(maps)


def test_an_unknown_preset_is_answered_with_the_nearest_names():
    with pytest.raises(PortraitError, match="'half-waving'"):
        poses.load("half-wavin")


def test_a_preset_of_the_artist_is_found_and_wins(tmp_path):
    document = json.loads((poses.FOLDER / "head-front.json").read_text("utf-8"))
    (tmp_path / "head-front.json").write_text(json.dumps(document | {"words": "mine"}), "utf-8")
    (tmp_path / "broken.json").write_text("{", "utf-8")
    folders = (poses.FOLDER, tmp_path, tmp_path / "absent")
    assert "broken" in poses.names(folders)
    assert poses.load("head-front", folders).words == "mine"
    with pytest.raises(PortraitError, match=r"broken\.json"):
        poses.load("broken", folders)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"framing": "half"}, "half body"),
        ({"view": "back"}, "view"),
        ({"canvas": [768]}, "'canvas'"),
        ({"aspect": [3, -4]}, "'aspect'"),
        ({"people": None}, "'people'"),
        ({"title": "x"}, "'title'"),
    ],
)
def test_a_preset_with_a_wrong_field_is_refused_by_field(tmp_path, change, says):
    document = json.loads((poses.FOLDER / "head-front.json").read_text("utf-8"))
    (tmp_path / "mine.json").write_text(json.dumps(document | change), "utf-8")
    with pytest.raises(PortraitError, match=f"mine.json.*{says}"):
        poses.load("mine", (tmp_path,))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_help_page_names_every_preset(language):
    page = (Path(__file__).parents[2] / "web" / "docs" / "PortraitPosePreset" / f"{language}.md").read_text("utf-8")
    assert set(re.findall(r"`((?:head|half|full)-[a-z-]+)`", page)) == set(poses.names())


def test_a_point_far_outside_is_left_out_with_its_limb():
    picture = poses.draw(person(p1=(32, 48), p2=(1e12, 48)), 64, 96)
    assert np.array_equal(picture, poses.draw(person(p1=(32, 48)), 64, 96))
