"""Faces are found at any size, refused where they cannot be, and chosen as asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch

from portrait_studio.portrait import faces, weights
from portrait_studio.portrait.faces import Face, FaceError

from .scenes import astronaut, group, nobody, person, scaled, turned

BOX = (180, 65, 88, 113)  # the astronaut's face as marked by hand, within a few pixels


def face(x: float, y: float, width: float = 10, height: float = 12, score: float = 0.9) -> Face:
    return Face((x, y, width, height), ((x, y),) * 5, score)


def test_one_face_is_found_where_it_is():
    (found,) = faces.detect(astronaut())
    assert faces.overlap(found.box, BOX) > 0.8
    left_eye, right_eye, nose, left_mouth, right_mouth = found.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    assert abs(found.roll) < 10


@pytest.mark.parametrize("factor", [0.15, 0.5, 2, 6])
def test_the_same_face_is_found_in_pictures_of_any_size(factor):
    (found,) = faces.detect(scaled(astronaut(), factor))[:1]
    assert faces.overlap([value / factor for value in found.box], BOX) > 0.7


def test_a_face_as_large_as_the_picture_is_found():
    tight = scaled(astronaut()[60:180, 175:275], 12)
    assert len(faces.detect(tight)) == 1


def test_a_small_face_in_a_wide_picture_is_found_at_the_second_look():
    wide = np.full((2000, 6000, 3), 90, np.uint8)
    wide[500:820, 100:420] = scaled(astronaut()[:320, 100:420], 1)
    wide[900:1000] = 60
    small = scaled(wide, 0.5)
    assert len(faces.detect(small)) == 1


def test_twelve_faces_are_all_found():
    found = faces.detect(group(3, 4))
    assert len(found) == 12
    columns = sorted(round(each.centre[0] // 200) for each in found)
    assert columns == sorted([0, 1, 2, 3] * 3)


def test_nobody_is_an_empty_list():
    assert faces.detect(nobody()) == []
    assert faces.detect(np.zeros((600, 800, 3), np.uint8)) == []


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 5000), (5000, 3), (23, 600), (24, 3000), (31, 31), (32, 3000), (40, 2000), (2000, 40)]
)
def test_strips_hold_no_face_whatever_was_looked_at_before(shape):
    noise = np.random.default_rng(0)
    for _ in range(8):
        faces.detect(noise.integers(0, 255, (300, 320, 3), dtype=np.uint8))
        assert faces.detect(np.full((*shape, 3), 128, np.uint8)) == []


def test_a_face_larger_than_the_picture_is_found_at_a_smaller_size():
    (face,) = faces.detect(astronaut())
    left, top = (round(middle - 0.65 * face.side / 2) for middle in face.centre)
    side = round(0.65 * face.side)
    part = np.ascontiguousarray(astronaut()[top : top + side, left : left + side])
    assert len(faces.detect(cv2.resize(part, (1400, 1400), interpolation=cv2.INTER_CUBIC))) == 1


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(slice(40, 200), slice(210, 370)), (slice(100, 300), slice(130, 330)), (slice(0, 140), slice(130, 270))],
    ids=["cut at the left", "cut at the top", "cut at the bottom"],
)
def test_a_face_at_the_border_is_found(rows, columns):
    assert len(faces.detect(np.ascontiguousarray(astronaut()[rows, columns]))) == 1


@pytest.mark.parametrize("degrees", [-40, -20, 20, 40])
def test_the_roll_of_a_leaning_face_is_measured(degrees):
    (found,) = faces.detect(turned(astronaut(), degrees))
    level = faces.detect(astronaut())[0].roll
    assert found.roll - level == pytest.approx(degrees, abs=6)


def test_detection_is_the_same_every_time_and_in_every_thread():
    picture = group(2, 3)
    once = faces.detect(picture)
    with ThreadPoolExecutor(4) as pool:
        assert all(again == once for again in pool.map(faces.detect, [picture] * 8))


def test_the_lean_is_read_by_the_second_look():
    leaning = turned(astronaut(), 40)
    (once,), (twice,) = faces.detect(leaning, refine=False), faces.detect(leaning)
    assert abs(once.roll - 40) > 15
    assert abs(twice.roll - 40) < 12


def test_pictures_searched_together_have_the_faces_that_each_has_alone():
    pictures = [
        astronaut(),
        nobody(),
        group(2, 3),
        turned(astronaut(), 20),
        scaled(astronaut(), 0.4),
        person("ada_4.jpg"),
    ]
    together = faces.detect_all(pictures)
    assert [len(found) for found in together] == [1, 0, 6, 1, 1, 1]
    for found, picture in zip(together, pictures, strict=True):
        for face, alone in zip(found, faces.detect(picture), strict=True):
            assert np.allclose(face.box, alone.box, atol=0.05)
            assert np.allclose(face.landmarks, alone.landmarks, atol=0.05)
            assert face.score == pytest.approx(alone.score, abs=1e-4)


def test_a_tensor_is_searched_like_an_array():
    assert faces.detect(torch.from_numpy(astronaut().copy())) == faces.detect(astronaut())


def test_no_pictures_have_no_faces():
    assert faces.detect_all([]) == []


def test_a_host_that_computes_in_half_precision_changes_nothing():
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        inside = faces.detect(astronaut())
    assert inside == faces.detect(astronaut())


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((50, 50), np.uint8), np.zeros((50, 50, 4), np.uint8), np.zeros((50, 50, 3), np.float32)],
)
def test_arrays_that_are_no_picture_are_refused(wrong):
    with pytest.raises(FaceError, match="RGB uint8 pictures"):
        faces.detect(wrong)


def test_a_higher_score_leaves_fewer_faces():
    assert faces.detect(astronaut(), min_score=0.99) == []


PEOPLE = [face(50, 40, 30, 36), face(10, 50), face(80, 5, 12, 12), face(45, 45, 8, 8)]


@pytest.mark.parametrize(
    ("how", "expected"),
    [("largest", 0), ("leftmost", 1), ("rightmost", 2), ("topmost", 2), ("centre", 3)],
)
def test_a_face_is_chosen_by_size_or_place(how, expected):
    assert faces.choose(PEOPLE, how, (100, 100)) == [PEOPLE[expected]]


def test_a_face_is_chosen_by_likeness():
    chosen = faces.choose(PEOPLE, "likeness", likeness=lambda each: -abs(each.box[0] - 79))
    assert chosen == [PEOPLE[2]]


def test_all_keeps_every_face_in_order_up_to_the_limit():
    assert faces.choose(PEOPLE) == PEOPLE
    assert faces.choose(PEOPLE, "all", max_faces=2) == PEOPLE[:2]
    assert faces.choose(PEOPLE, "leftmost", max_faces=2) == [PEOPLE[1], PEOPLE[3]]


def test_faces_alike_keep_their_order():
    twins = [face(10, 10, score=0.8), face(10, 10, score=0.9)]
    assert faces.choose(twins, "largest", max_faces=2) == twins


def test_an_unknown_choice_names_the_choices():
    with pytest.raises(FaceError, match=r"'biggest'; choose one of all, largest"):
        faces.choose(PEOPLE, "biggest")


def test_likeness_without_a_subject_says_what_is_missing():
    with pytest.raises(FaceError, match="needs a subject or reference photos"):
        faces.choose(PEOPLE, "likeness")


def test_a_damaged_or_missing_model_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    name = weights.pins()["face_detection"]["file"]
    with pytest.raises(weights.WeightsError, match=rf"{name} is missing"):
        weights.read("face_detection")
    (tmp_path / name).write_bytes(b"half")
    with pytest.raises(weights.WeightsError, match=rf"{name} is damaged"):
        weights.read("face_detection")


def test_every_shipped_model_is_the_pinned_one_with_its_licence_beside_it():
    for role, pin in weights.pins().items():
        assert len(weights.read(role)) == pin["bytes"]
        licence = (weights.FOLDER / pin["licence_file"]).read_text("utf-8")
        assert pin["licence"].split("-")[0].split(",")[0] in licence
