"""The BBOX_DETECTOR contract of the Impact Pack, line by line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.portrait import detector
from portrait_studio.portrait.detector import SEG, FaceBoxDetector
from portrait_studio.portrait.faces import FaceError

from ..present import present
from .scenes import astronaut, group, image, nobody

FIELDS = ("cropped_image", "cropped_mask", "confidence", "crop_region", "bbox", "label", "control_net_wrapper")


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return image(astronaut())


def test_a_segment_has_the_fields_of_the_contract_and_the_last_is_optional():
    assert SEG._fields == FIELDS
    assert SEG(1, 2, 3, 4, 5, 6).control_net_wrapper is None


def test_detect_answers_the_size_and_a_list_of_segments(picture):
    (height, width), segments = FaceBoxDetector().detect(picture, 0.5, 0, 3.0)
    assert (height, width) == (512, 512)
    (segment,) = segments
    assert segment.label == "face"
    assert 0.5 < float(segment.confidence) <= 1
    assert all(type(value) is int for value in (*segment.bbox, *segment.crop_region))
    left, top, right, bottom = segment.bbox
    assert left < 224 < right
    assert top < 120 < bottom


def test_the_mask_is_a_numpy_float_array_of_the_crop_regions_size(picture):
    _, (segment,) = FaceBoxDetector().detect(picture, 0.5, 0, 2.0)
    left, top, right, bottom = segment.crop_region
    assert isinstance(segment.cropped_mask, np.ndarray)
    assert np.issubdtype(segment.cropped_mask.dtype, np.floating)
    assert segment.cropped_mask.shape == (bottom - top, right - left)
    assert segment.cropped_mask.astype(np.uint8).sum() == (segment.bbox[2] - segment.bbox[0]) * (
        segment.bbox[3] - segment.bbox[1]
    )
    assert torch.equal(segment.cropped_image, picture[:, top:bottom, left:right])


def test_dilation_grows_the_mask_and_a_negative_one_shrinks_it(picture):
    size = [FaceBoxDetector().detect(picture, 0.5, by, 3.0)[1][0].cropped_mask.sum() for by in (-10, 0, 10)]
    box = FaceBoxDetector().detect(picture, 0.5, 0, 3.0)[1][0].bbox
    wide, high = box[2] - box[0], box[3] - box[1]
    assert size == [(wide - 20) * (high - 20), wide * high, (wide + 20) * (high + 20)]
    assert FaceBoxDetector().detect(picture, 0.5, -500, 3.0)[1][0].cropped_mask.sum() == 0


def test_no_face_is_an_empty_list_never_none():
    assert FaceBoxDetector().detect(image(nobody(300, 400)), 0.5, 10, 3.0) == ((300, 400), [])
    assert FaceBoxDetector().detect_combined(image(nobody()), 0.5, 10) is None


def test_boxes_below_the_drop_size_are_left_out(picture):
    assert len(FaceBoxDetector().detect(picture, 0.5, 0, 3.0, drop_size=60)[1]) == 1
    assert FaceBoxDetector().detect(picture, 0.5, 0, 3.0, drop_size=200)[1] == []


def test_the_threshold_of_the_caller_and_our_own_both_count(picture):
    assert FaceBoxDetector(0.3).detect(picture, 0.99, 0, 3.0)[1] == []
    assert FaceBoxDetector(0.99).detect(picture, 0.3, 0, 3.0)[1] == []


def test_set_aux_names_the_segments_until_it_is_taken_back(picture):
    own = FaceBoxDetector()
    assert own.setAux("portrait") is None
    assert own.detect(picture, 0.5, 0, 3.0)[1][0].label == "portrait"
    own.setAux(None)
    assert own.detect(picture, 0.5, 0, 3.0)[1][0].label == "face"


def test_the_hooks_of_a_detailer_are_honoured(picture):
    class Hook:
        def post_crop_region(self, width, height, box, region):
            assert (width, height) == (512, 512)
            assert box[0] >= region[0]
            return 0, 0, 400, 300

        def post_detection(self, segs):
            return segs[0], [segment._replace(label="hooked") for segment in segs[1]]

    size, (segment,) = FaceBoxDetector().detect(picture, 0.5, 0, 3.0, detailer_hook=Hook())
    assert size == (512, 512)
    assert segment.label == "hooked"
    assert segment.crop_region == (0, 0, 400, 300)
    assert segment.cropped_mask.shape == (300, 400)


def test_a_hook_without_methods_is_no_hindrance(picture):
    assert len(FaceBoxDetector().detect(picture, 0.5, 0, 3.0, detailer_hook=object())[1]) == 1


def test_all_faces_come_in_one_mask():
    picture = image(group(3, 4))
    mask = present(FaceBoxDetector().detect_combined(picture, 0.5, 4))
    assert mask.shape == picture.shape[1:3]
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    _, segments = FaceBoxDetector().detect(picture, 0.5, 4, 1.5)
    assert len(segments) == 12
    for segment in segments:
        left, top, right, bottom = segment.bbox
        assert float(mask[top:bottom, left:right].min()) == 1.0


def test_a_batch_is_refused_in_words():
    with pytest.raises(FaceError, match="one picture at a time"):
        FaceBoxDetector().detect(torch.zeros((2, 64, 64, 3)), 0.5, 0, 3.0)


@given(
    box=st.tuples(st.integers(0, 99), st.integers(0, 79), st.integers(1, 100), st.integers(1, 80)),
    factor=st.floats(1.0, 10.0),
)
def test_a_crop_region_slides_inside_the_picture_and_never_shrinks_needlessly(box, factor):
    left, top = box[:2]
    right, bottom = min(100, left + box[2]), min(80, top + box[3])
    x1, y1, x2, y2 = detector.crop_region((left, top, right, bottom), 100, 80, factor)
    assert 0 <= x1 <= left
    assert 0 <= y1 <= top
    assert right <= x2 <= 100
    assert bottom <= y2 <= 80
    assert x2 - x1 == min(100, round((right - left) * factor))
    assert y2 - y1 == min(80, round((bottom - top) * factor))


def test_a_region_at_the_corner_slides_inwards():
    assert detector.crop_region((0, 0, 10, 10), 100, 100, 3.0) == (0, 0, 30, 30)
    assert detector.crop_region((90, 90, 100, 100), 100, 100, 3.0) == (70, 70, 100, 100)


def test_a_chosen_face_is_the_only_one_that_is_found():
    picture = image(astronaut())
    two = torch.cat((picture, picture), 2)
    found = {
        which: FaceBoxDetector(which=which).detect(two, 0.5, 0, 2.0)[1] for which in ("all", "leftmost", "rightmost")
    }
    assert [len(segments) for segments in found.values()] == [2, 1, 1]
    assert found["leftmost"][0].bbox[0] < 512 < found["rightmost"][0].bbox[0]
    mask = present(FaceBoxDetector(which="rightmost").detect_combined(two, 0.5, 0))
    assert not mask[:, :512].any()
    assert mask[:, 512:].any()
