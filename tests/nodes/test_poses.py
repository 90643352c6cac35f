"""PortraitPosePreset on the real host."""

from __future__ import annotations

import json

import numpy as np
import pytest

from portrait_studio.portrait import poses

pytestmark = pytest.mark.host


def graph(**inputs) -> dict:
    settings = {"preset": "half-waving", "width": 192, "height": 256, "pose_json": "", "hands": True, "fit": "contain"}
    return {
        "pose": {"class_type": "PortraitPosePreset", "inputs": settings | inputs},
        "map": {"class_type": "SaveImage", "inputs": {"images": ["pose", 0], "filename_prefix": "pose"}},
        "points": {"class_type": "PreviewAny", "inputs": {"source": ["pose", 1]}},
        "words": {"class_type": "PreviewAny", "inputs": {"source": ["pose", 2]}},
    }


def test_a_preset_becomes_a_map_key_points_and_words(run_graph):
    run = run_graph(graph())
    pose = poses.load("half-waving").pose.fitted(192, 256)
    assert np.array_equal(run.picture("map"), poses.draw(pose.keypoints, 192, 256))
    assert json.loads(run.text("points")) == poses.to_pose_keypoint(pose)
    assert run.text("words") == "half body, front view, waving hand"
    assert run.said("pose") == {"kind": "pose", "people": 1, "warnings": []}


def test_json_is_drawn_instead_of_the_preset(run_graph):
    text = json.dumps(poses.to_pose_keypoint(poses.load("full-walking").pose))
    run = run_graph(graph(pose_json=text, hands=False, fit="cover"))
    pose = poses.load("full-walking").pose.without_hands().fitted(192, 256, "cover")
    assert np.array_equal(run.picture("map"), poses.draw(pose.keypoints, 192, 256))
    assert run.text("words") == ""


@pytest.mark.parametrize(("preset", "fit"), [("head-front", "cover"), ("full-walking", "contain")])
def test_auto_brings_a_head_closer_and_keeps_a_body_whole(run_graph, preset, fit):
    run = run_graph(graph(preset=preset, width=256, fit="auto"))
    run = run_graph(graph(preset=preset, width=256, fit="auto"))
    pose = poses.load(preset).pose.fitted(256, 256, fit)
    assert np.array_equal(run.picture("map"), poses.draw(pose.keypoints, 256, 256))


def test_a_pose_outside_the_picture_is_warned_of(run_graph):
    people = [{"pose_keypoints_2d": [900.0, 900.0, 1.0] * 18}]
    run = run_graph(graph(pose_json=json.dumps({"people": people, "canvas_width": 192, "canvas_height": 256})))
    assert not run.picture("map").any()
    assert "black" in run.said("pose")["warnings"][0]


def test_what_is_no_pose_stops_with_one_sentence(run_graph):
    run = run_graph(graph(pose_json='{"people": [{}]}'))
    assert run.status == "error"
    assert run.error.strip() == "There is no 'pose_keypoints_2d' in person 1 of the pose JSON; each person needs it."


def test_an_unknown_preset_is_refused_before_anything_runs(post):
    answer = post(graph(preset="half-wavin"))
    assert "prompt_id" not in answer
    assert "'half-waving'" in answer["node_errors"]["pose"]["errors"][0]["details"]


def test_the_key_points_of_a_photo_are_drawn_instead_of_the_preset(run_graph):
    second = graph(preset="head-front", keypoints=["photo", 1])
    second["photo"] = {"class_type": "PortraitPosePreset", "inputs": graph(preset="full-walking")["pose"]["inputs"]}
    run = run_graph(second)
    pose = poses.load("full-walking").pose.fitted(192, 256)
    assert np.array_equal(run.picture("map"), poses.draw(pose.fitted(192, 256).keypoints, 192, 256))
    assert run.text("words") == ""


def test_a_reference_photo_without_a_body_is_refused_on_the_node(run_graph):
    second = graph(keypoints=["photo", 1])
    nobody = json.dumps({"people": [], "canvas_width": 640, "canvas_height": 480})
    second["photo"] = {"class_type": "PortraitPosePreset", "inputs": graph(pose_json=nobody)["pose"]["inputs"]}
    error = run_graph(second).error
    assert "No body was found in the reference photo" in error
    assert error.count(".") == 1
