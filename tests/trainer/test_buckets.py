"""Buckets: multiples of the step, never too large, and no picture is stretched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from portrait_studio.portrait.errors import PortraitError
from portrait_studio.trainer import buckets

resolutions = st.integers(64, 1280)


def test_the_sizes_are_those_that_sd15_and_the_pocket_model_are_fed():
    assert buckets.sizes(512) == ((384, 640), (448, 576), (512, 512), (576, 448), (640, 384))
    assert buckets.sizes(256) == ((192, 320), (224, 288), (256, 256), (288, 224), (320, 192))
    assert (832, 1216) in buckets.sizes(1024)
    assert [buckets.step_for(side) for side in (64, 128, 256, 300, 512, 1024)] == [8, 16, 32, 32, 64, 64]


@given(resolutions, st.sampled_from([None, 8, 16, 32, 64]))
def test_every_size_is_a_multiple_of_the_step_and_no_larger_than_the_square(resolution, step):
    step = step or buckets.step_for(resolution)
    sizes = buckets.sizes(resolution, step)
    for width, height in sizes:
        assert width % step == height % step == 0
        assert width * height <= resolution**2
        assert (height, width) in sizes
        assert 0.5 <= width / height <= 2
    square = resolution // step * step
    assert (square, square) in sizes
    assert len(set(sizes)) == len(sizes)


@given(resolutions, st.integers(32, 4000), st.integers(32, 4000))
def test_the_nearest_shape_is_chosen(resolution, width, height):
    chosen = buckets.choose(width, height, resolution)
    off = {size: abs(np.log(size[0] / size[1] * height / width)) for size in buckets.sizes(resolution)}
    assert off[chosen] <= min(off.values()) + 1e-6


def test_a_step_that_latents_cannot_have_is_refused():
    with pytest.raises(PortraitError, match="multiple of 8"):
        buckets.sizes(512, 12)
    with pytest.raises(PortraitError, match="resolution 32 in steps of 64"):
        buckets.sizes(32, 64)


def disc(width: int, height: int, radius: int, x: float, y: float) -> np.ndarray:
    across, down = np.meshgrid(np.arange(width) + 0.5 - x, np.arange(height) + 0.5 - y)
    return (np.hypot(across, down) < radius).astype(np.float32)


def diameters(disc: np.ndarray) -> tuple[float, float]:
    """Return how wide and how high a disc is: four times its standard deviation in either direction."""

    def diameter(weights: np.ndarray) -> float:
        at = np.arange(len(weights))
        return 4 * float(np.sqrt(np.average((at - np.average(at, weights=weights)) ** 2, weights=weights)))

    return diameter(disc.sum(0)), diameter(disc.sum(1))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(200, 500),
    st.integers(200, 500),
    st.sampled_from([128, 256, 320]),
    st.floats(0.3, 0.7),
    st.floats(0.3, 0.7),
)
@example(238, 307, 320, 0.7, 0.5)
def test_a_round_face_stays_round_and_inside(width, height, resolution, right, down):
    radius = 40
    mask = disc(width, height, radius, right * width, down * height)
    image = np.repeat((mask * 255).astype(np.uint8)[..., None], 3, axis=2)
    size = buckets.choose(width, height, resolution)
    fitted, soft = buckets.fit(image, mask, size)
    assert fitted.shape == (size[1], size[0], 3)
    assert fitted.dtype == np.uint8
    assert soft.shape == fitted.shape[:2]
    assert soft.min() >= 0
    assert soft.max() <= 1
    wide, high = diameters(fitted[..., 0].astype(float))
    assert wide == pytest.approx(high, rel=0.01)
    assert wide == pytest.approx(2 * radius * max(size[0] / width, size[1] / height), rel=0.02)
    assert np.abs((fitted[..., 0] / 255 > 0.5) ^ (soft > 0.5)).mean() < 0.01


def test_what_is_cut_off_is_not_the_face():
    mask = disc(300, 900, 50, 150, 120)
    image = np.repeat((mask * 255).astype(np.uint8)[..., None], 3, axis=2)
    _, soft = buckets.fit(image, mask, (256, 256))
    assert soft.sum() == pytest.approx(mask.sum() * (256 / 300) ** 2, rel=0.02)
