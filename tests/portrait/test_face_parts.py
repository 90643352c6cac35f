"""The parts of a face in its crop, and what of a crop is pasted."""

from __future__ import annotations

import math

import pytest
import torch

from portrait_studio.portrait import crops, face_parts, faces, poses

from .scenes import astronaut
from .test_crops import face_at, image

SIZE = 256


@pytest.fixture(scope="module")
def plan() -> crops.FaceCrops:
    return crops.plan([faces.detect(astronaut())], 512, 512, 2.2, level=False)


def at(mask: torch.Tensor, plan: crops.FaceCrops, place: tuple[float, float]) -> float:
    """The mask's value at a point of the picture."""
    x, y = plan.regions[0].to_crop(*place, SIZE)
    return float(mask[0, round(y), round(x)])


def test_eyes_and_lips_are_where_the_landmarks_are_and_nowhere_else(plan):
    left_eye, right_eye, nose, left_mouth, right_mouth = plan.regions[0].face.landmarks
    mouth = ((left_mouth[0] + right_mouth[0]) / 2, (left_mouth[1] + right_mouth[1]) / 2)
    eyes, lips = face_parts.eyes(plan, SIZE), face_parts.lips(plan, SIZE)
    assert [at(eyes, plan, place) for place in (left_eye, right_eye, nose, mouth)] == [1, 1, 0, 0]
    assert [at(lips, plan, place) for place in (left_eye, right_eye, nose, mouth)] == [0, 0, 0, 1]
    assert torch.equal(face_parts.eyes_and_lips(plan, SIZE), torch.maximum(eyes, lips))
    assert 0.01 < float(lips.mean()) < 0.04


def test_the_ring_lies_on_the_border_of_the_face_and_spares_eyes_and_lips(plan):
    ring = face_parts.ring(plan, SIZE, 0.75, 1.3)
    face = plan.regions[0].face
    side = (face.centre[0] - face.box[2] * crops.MASK_GROWTH / 2, face.centre[1])
    assert at(ring, plan, side) == 1
    assert at(ring, plan, face.centre) == 0
    assert float((ring * face_parts.eyes_and_lips(plan, SIZE)).max()) < 0.26
    assert float(ring[0, 0, 0]) == 0


@pytest.mark.parametrize("roll", [-30.0, 30.0])
def test_the_parts_lean_with_the_face(roll):
    face = face_at(100, 100, 120, 160, roll)
    lips = face_parts.lips(crops.plan([[face]], 400, 400, 2.2, level=False), SIZE)
    rows, columns = torch.nonzero(lips[0] > 0.5, as_tuple=True)
    spread = torch.cov(torch.stack((columns.float(), rows.float())))
    lean = math.degrees(0.5 * math.atan2(2 * float(spread[0, 1]), float(spread[0, 0] - spread[1, 1])))
    assert lean == pytest.approx(roll, abs=3)


def test_without_faces_there_are_no_masks():
    nobody = crops.plan([[]], 90, 120, 2.2, level=False)
    for made in (face_parts.eyes, face_parts.lips, face_parts.eyes_and_lips):
        assert made(nobody, SIZE).shape == (0, SIZE, SIZE)
    assert face_parts.ring(nobody, SIZE, 0.75, 1.3).shape == (0, SIZE, SIZE)
    assert face_parts.head_points([]).shape == (0, 130, 3)


def test_the_head_is_drawn_with_the_sitters_own_left_and_right(plan):
    face = plan.regions[0].face
    (person,) = face_parts.head_points([face])
    named = dict(zip(poses.layout.BODY_POINTS, person[:18].tolist(), strict=True))
    assert named["right_eye"] == [*face.landmarks[0], 1.0]
    assert named["left_eye"][0] > named["nose"][0] > named["right_eye"][0]
    assert person[:, 2].sum() == 3
    assert poses.draw(person[None], 512, 512).any()


def test_only_what_the_mask_shows_is_pasted_and_the_rest_keeps_its_bits(plan):
    portrait = image(astronaut())
    black = torch.zeros((1, SIZE, SIZE, 3))
    lips = face_parts.lips(plan, SIZE)
    pasted = crops.paste(portrait, black, plan, only=lips)
    changed = (pasted != portrait).any(-1)[0]
    face = plan.regions[0].face
    x, y = (round((face.landmarks[3][i] + face.landmarks[4][i]) / 2) for i in (0, 1))
    assert float(pasted[0, y, x].max()) < 0.05
    assert 0 < int(changed.sum()) < 2500
    eye = face.landmarks[0]
    assert torch.equal(pasted[0, round(eye[1]), round(eye[0])], portrait[0, round(eye[1]), round(eye[0])])


def test_lips_keep_their_own_colour_while_the_rest_of_the_crop_is_matched(plan):
    portrait = image(astronaut())
    tinted = (crops.cut(portrait, plan, SIZE) * torch.tensor([0.75, 0.9, 1.0])).clamp(0, 1)
    lips = face_parts.lips(plan, SIZE)
    kept = crops.paste(portrait, tinted, plan, colour_match=1.0, keep_colour=lips)
    matched = crops.paste(portrait, tinted, plan, colour_match=1.0)
    plain = crops.paste(portrait, tinted, plan)
    face = plan.regions[0].face
    x, y = (round((face.landmarks[3][i] + face.landmarks[4][i]) / 2) for i in (0, 1))
    spot = (0, slice(y - 1, y + 2), slice(x - 2, x + 3))
    assert float((kept[spot] - plain[spot]).abs().max()) < 0.02
    assert float((kept[spot] - matched[spot]).abs().max()) > 0.04
    cheek = (0, round(face.landmarks[2][1]), round(face.landmarks[0][0]))
    assert float((kept[cheek] - matched[cheek]).abs().max()) < 0.01


def test_masks_for_another_number_of_crops_are_refused(plan):
    with pytest.raises(crops.CropError, match="2 masks do not fit 1 crops"):
        crops.paste(image(astronaut()), torch.zeros((1, 8, 8, 3)), plan, only=torch.zeros((2, 8, 8)))
