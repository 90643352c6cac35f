"""Pictures between ComfyUI and the detectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from portrait_studio.portrait.tensors import to_image, to_uint8


def test_every_grey_survives_the_way_there_and_back():
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    assert np.array_equal(to_uint8(to_image(pixels)[0]), pixels)


def test_samples_are_rounded_clamped_and_never_undefined():
    values = [0.4999 / 255, 0.5001 / 255, 1.0, 1.7, -0.2, float("inf"), -float("inf"), float("nan")]
    picture = torch.tensor(values)[None, :, None].expand(1, len(values), 3)
    assert to_uint8(picture)[0, :, 0].tolist() == [0, 1, 255, 255, 0, 255, 0, 0]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_one_channel_is_repeated_and_alpha_left_out(channels):
    picture = torch.rand(5, 7, channels)
    before = picture.clone()
    pixels = to_uint8(picture)
    assert pixels.shape == (5, 7, 3) and pixels.dtype == np.uint8
    assert (pixels[..., 2] == np.round(picture[..., min(2, channels - 1)].numpy() * 255)).all()
    assert torch.equal(picture, before)
