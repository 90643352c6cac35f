from __future__ import annotations

import numpy as np
import pytest
import torch

from portrait_studio.pocket.people import dataset
from portrait_studio.pocket.people.identity import held_out

pytest.importorskip("numba", reason="SYNTHETIC PEOPLE NOT TESTED: numba is not installed (pip install numba)")
pytestmark = pytest.mark.usefixtures("body")


def test_the_stream_yields_what_training_expects_and_is_reproducible():
    torch.set_num_threads(2)
    batches = list(dataset.render_dataset(3, 11, "cpu", 64, batch=2))
    assert [len(b.captions) for b in batches] == [2, 1]
    first = batches[0]
    assert first.images.shape == (2, 3, 64, 64)
    assert first.images.dtype == torch.uint8
    assert first.keypoints.shape == (2, 60, 3)
    assert first.keypoints.dtype == torch.float32
    assert first.face_box.shape == (2, 4)
    assert first.mask.shape == (2, 64, 64)
    assert first.mask.max() == 1
    assert first.identity.dtype == torch.int64
    again = next(iter(dataset.render_dataset(3, 11, "cpu", 64, batch=2)))
    assert torch.equal(again.images, first.images)
    assert again.captions == first.captions


def test_neighbouring_pictures_show_one_person_in_other_clothes_and_light():
    shots = [dataset.shot_of(1, n) for n in range(dataset.VIEWS)]
    assert len({s.identity.seed for s in shots}) == 1
    assert len({s.outfit.words for s in shots}) > 1
    assert dataset.shot_of(1, dataset.VIEWS).identity.seed != shots[0].identity.seed


def test_every_framing_is_drawn_in_its_share():
    seen = [dataset.shot_of(1, n).camera.framing for n in range(400)]
    for framing, share in dataset.FRAMINGS.items():
        assert abs(np.mean([f == framing for f in seen]) - share) < 0.08


def test_training_identities_lie_outside_the_held_out_ones():
    never = set(held_out()["measurement"]) | set(held_out()["subjects"])
    assert not never & {dataset.shot_of(5, n).identity.seed for n in range(0, 400, dataset.VIEWS)}
