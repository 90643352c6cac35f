"""Crops are cut where the face is and go back where they came from."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_studio.portrait import crops, faces
from portrait_studio.portrait.crops import CropError, FaceCrops
from portrait_studio.portrait.faces import Face

from .scenes import astronaut, group, image, turned


def face_at(x: float, y: float, width: float, height: float, roll: float = 0.0) -> Face:
    """A face whose landmarks lean by `roll` degrees inside an upright box."""
    centre = np.array((x + width / 2, y + height / 2))
    spots = np.array([(-0.22, -0.1), (0.22, -0.1), (0, 0.08), (-0.17, 0.25), (0.17, 0.25)]) * (width, height)
    angle = math.radians(roll)
    turn = np.array([(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))])
    return Face((x, y, width, height), tuple(map(tuple, spots @ turn + centre)), 0.9)


@pytest.fixture(scope="module")
def portrait() -> torch.Tensor:
    return image(astronaut())


@pytest.fixture(scope="module")
def found() -> list[Face]:
    return faces.detect(astronaut())


def test_the_crop_is_the_face_times_the_ratio(portrait, found):
    plan = crops.plan([found], 512, 512, 2.2, level=False)
    (region,) = plan.regions
    assert region.side == pytest.approx(found[0].side * 2.2, abs=0.51)
    assert math.dist(region.centre, found[0].centre) < 1
    crop = crops.cut(portrait, plan, 256)
    assert crop.shape == (1, 256, 256, 3)
    (again,) = faces.detect((crop[0].numpy() * 255).astype(np.uint8))
    assert again.side == pytest.approx(256 / 2.2, rel=0.1)
    assert math.dist(again.centre, (128, 128)) < 10


def test_a_crop_of_its_own_size_holds_the_very_pixels(portrait, found):
    plan = crops.plan([found], 512, 512, 1.5, level=False)
    (region,) = plan.regions
    side = round(region.side)
    left, top = round(region.centre[0] - side / 2), round(region.centre[1] - side / 2)
    crop = crops.cut(portrait, plan, side)
    assert torch.equal(crop[0], portrait[0, top : top + side, left : left + side])


def test_levelling_puts_the_eyes_on_one_line():
    leaning = turned(astronaut(), 25)
    found = faces.detect(leaning)
    plan = crops.plan([found], 512, 512, 2.2, level=True)
    crop = (crops.cut(image(leaning), plan, 256)[0].numpy() * 255).astype(np.uint8)
    assert abs(found[0].roll) > 18
    assert abs(faces.detect(crop)[0].roll) < 6


def test_a_levelled_crop_has_the_scale_and_direction_of_its_region():
    """A white dot below and right of the centre lands where to_crop says."""
    picture = torch.zeros((1, 300, 400, 3))
    picture[0, 170:173, 220:223] = 1.0
    plan = crops.plan([[face_at(150, 100, 60, 70, roll=30)]], 300, 400, 3, level=True)
    crop = crops.cut(picture, plan, 140)[0, ..., 0]
    spot = (
        crop / crop.sum() * torch.stack(torch.meshgrid(torch.arange(140.0), torch.arange(140.0), indexing="ij"))
    ).sum((1, 2)) + 0.5
    expected = plan.regions[0].to_crop(221.5, 171.5, 140)
    assert (float(spot[1]), float(spot[0])) == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize("padding", crops.PADDINGS)
def test_what_lies_outside_is_padded_as_asked(padding):
    picture = torch.linspace(0.2, 1.0, 40)[None, None, :, None].expand(1, 40, 40, 3).contiguous()
    plan = crops.plan([[face_at(0, 10, 10, 20)]], 40, 40, 2, level=False)
    crop = crops.cut(picture, plan, 40, padding)[0]
    row = crop[20, :, 0]
    first = 15  # the picture begins here: centre 5, side 40
    assert torch.allclose(row[first:], picture[0, 0, : 40 - first, 0])
    outside = {
        "reflect": picture[0, 0, 1 : first + 1, 0].flip(0),
        "edge": picture[0, 0, :1, 0].expand(first),
        "black": torch.zeros(first),
    }
    assert torch.allclose(row[:first], outside[padding])


def test_an_unknown_padding_names_the_paddings(portrait, found):
    with pytest.raises(CropError, match=r"'wrap'; choose one of reflect, edge, black"):
        crops.cut(portrait, crops.plan([found], 512, 512, 2, False), 64, "wrap")


def test_a_ratio_of_nothing_is_refused():
    for ratio in (0, -1, math.nan):
        with pytest.raises(CropError, match="ratio"):
            crops.plan([[]], 10, 10, ratio, False)


@pytest.mark.parametrize("level", [False, True])
@pytest.mark.parametrize(("ratio", "size"), [(1.2, 256), (2.2, 256), (2.2, 512), (4.0, 512)])
def test_untouched_crops_give_back_the_picture(portrait, found, level, ratio, size):
    """At a size no smaller than its source, the RMS error under the crop stays below 3 steps of 8 bit."""
    plan = crops.plan([found], 512, 512, ratio, level)
    back = crops.paste(portrait, crops.cut(portrait, plan, size), plan, feather=0.1)
    changed = crops.paste(portrait, 1 - crops.cut(portrait, plan, size), plan, feather=0.1) != portrait
    error = (back - portrait)[changed]
    assert changed.float().mean() > 0.05
    assert float(error.abs().mean()) < 1.5 / 255
    assert float(error.square().mean().sqrt()) < 3 / 255


def test_untouched_crops_of_a_smooth_picture_give_it_back_at_any_size():
    x = torch.linspace(0, 1, 300)
    picture = torch.stack(
        [x[None, :].expand(200, 300), x[:200, None].expand(200, 300), x[None, :].expand(200, 300) ** 2], -1
    )
    picture = picture[None].contiguous()
    for size in (64, 160, 500):
        for roll in (0, 17):
            plan = crops.plan([[face_at(110, 60, 50, 60, roll)]], 200, 300, 2.0, level=True)
            back = crops.paste(picture, crops.cut(picture, plan, size), plan, feather=0.0)
            assert float((back - picture).abs().max()) < 2 / 255, (size, roll)


@pytest.mark.parametrize("level", [False, True])
@pytest.mark.parametrize("feather", [0.0, 0.1, 0.5])
def test_pixels_outside_the_crop_keep_their_bits(portrait, found, level, feather):
    plan = crops.plan([found], 512, 512, 1.6, level)
    pasted = crops.paste(portrait, torch.zeros((1, 128, 128, 3)), plan, feather)
    (region,) = plan.regions
    y, x = torch.meshgrid(torch.arange(512) + 0.5, torch.arange(512) + 0.5, indexing="ij")
    u, v = region.to_crop(x.numpy(), y.numpy(), 1) if not level else turned_coordinates(region, x, y)
    inside = (np.abs(np.asarray(u) - 0.5) <= 0.5 + 1e-4) & (np.abs(np.asarray(v) - 0.5) <= 0.5 + 1e-4)
    inside = torch.from_numpy(np.asarray(inside))
    assert torch.equal(pasted[0][~inside], portrait[0][~inside])
    assert float(pasted[0, round(region.centre[1]), round(region.centre[0])].max()) < 0.01


def turned_coordinates(region: crops.Region, x: torch.Tensor, y: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    points = [region.to_crop(float(a), float(b), 1) for a, b in zip(x.ravel(), y.ravel(), strict=True)]
    array = np.array(points)
    return array[:, 0].reshape(x.shape), array[:, 1].reshape(x.shape)


def test_the_feather_rises_from_the_border_to_the_inside():
    picture = torch.zeros((1, 100, 100, 3))
    plan = crops.plan([[face_at(30, 30, 40, 40)]], 100, 100, 2, level=False)
    row = crops.paste(picture, torch.ones((1, 80, 80, 3)), plan, feather=0.25)[0, 50, 10:50, 0]
    assert (row.diff() >= 0).all()
    assert float(row[0]) < 0.01
    assert float(row[9]) == pytest.approx(0.5, abs=0.1)
    assert float(row[21]) == 1.0


def test_neighbours_that_overlap_do_not_undo_each_other():
    """Each of two crops was repainted in its own colour; each face shows its own."""
    picture = torch.full((1, 100, 160, 3), 0.5)
    plan = crops.plan([[face_at(30, 30, 40, 40), face_at(90, 30, 40, 40)]], 100, 160, 2.2, level=False)
    patches = torch.stack([torch.zeros((88, 88, 3)), torch.ones((88, 88, 3))])
    for order in ([0, 1], [1, 0]):
        again = FaceCrops(100, 160, tuple(plan.regions[index] for index in order))
        pasted = crops.paste(picture, patches[order], again, feather=0.1)
        assert float(pasted[0, 50, 50, 0]) < 0.05
        assert float(pasted[0, 50, 110, 0]) > 0.95
        assert float(pasted[0, 50, 80, 0]) == pytest.approx(0.5, abs=0.05)


def test_twelve_untouched_faces_go_back():
    picture = group(3, 4)
    found = faces.detect(picture)
    plan = crops.plan([found], *picture.shape[:2], ratio=2.2, level=True)
    assert len(plan) == 12
    batch = image(picture)
    back = crops.paste(batch, crops.cut(batch, plan, 256), plan)
    assert float((back - batch).abs().mean()) < 1.5 / 255


def test_faces_of_several_pictures_go_back_each_to_its_own():
    batch = image(astronaut(), np.ascontiguousarray(astronaut()[:, ::-1]))
    plan = crops.plan([faces.detect((each.numpy() * 255).astype(np.uint8)) for each in batch], 512, 512, 2.0, False)
    assert [region.frame for region in plan.regions] == [0, 1]
    patches = torch.stack([torch.zeros((64, 64, 3)), torch.ones((64, 64, 3))])
    pasted = crops.paste(batch, patches, plan)
    assert float(pasted[0, 120, 224].max()) == 0.0
    assert float(pasted[1, 120, 512 - 224].min()) == 1.0


def test_no_crops_leave_the_picture_as_it_is(portrait):
    plan = crops.plan([[]], 512, 512, 2.2, False)
    assert crops.cut(portrait, plan, 64).shape == (0, 64, 64, 3)
    assert torch.equal(crops.paste(portrait, torch.zeros((1, 64, 64, 3)), plan), portrait)


def test_another_picture_or_another_number_of_crops_is_refused(portrait, found):
    plan = crops.plan([found], 512, 512, 2.2, False)
    with pytest.raises(CropError, match="256 x 256 px, but the crops were cut from one of 512 x 512"):
        crops.paste(torch.zeros((1, 256, 256, 3)), torch.zeros((1, 64, 64, 3)), plan)
    with pytest.raises(CropError, match="2 crops cannot be pasted into 1 places"):
        crops.paste(portrait, torch.zeros((2, 64, 64, 3)), plan)
    second = FaceCrops(512, 512, (crops.plan([[], found], 512, 512, 2.2, False).regions[0],))
    with pytest.raises(CropError, match="only 1 arrived"):
        crops.paste(portrait, torch.zeros((1, 64, 64, 3)), second)


def test_the_soft_mask_covers_the_face_and_not_the_corners(found):
    plan = crops.plan([found], 512, 512, 2.2, False)
    (mask,) = crops.face_masks(plan, 256)
    for x, y in found[0].landmarks:
        u, v = plan.regions[0].to_crop(x, y, 256)
        assert float(mask[round(v), round(u)]) == 1.0
    assert float(mask[:20].max()) == 0.0
    assert float(mask[:, :20].max()) == 0.0
    assert 0.1 < float(mask.mean()) < 0.3
    soft = (mask > 0.05) & (mask < 0.95)
    assert float(soft.float().mean()) > 0.01


def test_a_letterbox_keeps_the_whole_picture_and_its_shape():
    picture = torch.ones((100, 50, 3))
    square = crops.letterbox(picture, 64)
    assert square.shape == (64, 64, 3)
    assert float(square[:, :15].max()) == 0.0
    assert float(square[:, 17:47].min()) > 0.999


def test_colour_match_brings_a_tinted_crop_back_and_keeps_lips_red(portrait, found):
    plan = crops.plan([found], 512, 512, 1.6, False)
    crop = crops.cut(portrait, plan, 256)
    tinted = (crop * torch.tensor([0.8, 0.95, 1.0])).clamp(0, 1)
    plain = crops.paste(portrait, tinted, plan, 0.1, 0.0)
    matched = crops.paste(portrait, tinted, plan, 0.1, 1.0)
    inside = (slice(0, 1), slice(80, 165), slice(190, 260))
    error = lambda pasted: float((pasted[inside] - portrait[inside]).abs().mean())  # noqa: E731
    assert error(matched) < 0.4 * error(plain)
    lips = matched[0, 148:156, 215:235].mean((0, 1))
    before = portrait[0, 148:156, 215:235].mean((0, 1))
    assert float((lips - before).abs().max()) < 0.05


def test_colour_match_shifts_chroma_by_no_more_than_its_limit():
    from portrait_studio.portrait.colour_match import CHROMA_LIMIT, match_colour, to_oklab

    grey, green = torch.full((32, 32, 3), 0.5), torch.tensor([0.0, 0.8, 0.0]).expand(32, 32, 3)
    shifted = to_oklab(match_colour(grey, green, torch.ones(32, 32), 1.0))[..., 1:].mean((0, 1))
    assert float(shifted.abs().max()) <= CHROMA_LIMIT + 1e-3


def test_oklab_goes_there_and_back():
    from portrait_studio.portrait.colour_match import from_oklab, to_oklab

    colours = torch.rand((50, 3), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(from_oklab(to_oklab(colours)), colours, atol=2e-4)
    white = to_oklab(torch.ones(3))
    assert torch.allclose(white, torch.tensor([1.0, 0.0, 0.0]), atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(
    x=st.floats(-80, 120),
    y=st.floats(-80, 120),
    width=st.floats(0.5, 150),
    height=st.floats(0.5, 150),
    roll=st.floats(-180, 180),
    ratio=st.floats(0.3, 6),
    size=st.integers(8, 96),
    level=st.booleans(),
    padding=st.sampled_from(crops.PADDINGS),
)
def test_any_face_anywhere_is_cut_and_pasted_within_the_picture(x, y, width, height, roll, ratio, size, level, padding):
    picture = torch.rand((1, 60, 80, 3), generator=torch.Generator().manual_seed(0))
    plan = crops.plan([[face_at(x, y, width, height, roll)]], 60, 80, ratio, level)
    crop = crops.cut(picture, plan, size, padding)
    pasted = crops.paste(picture, crop, plan, 0.2, 0.5)
    mask = crops.face_masks(plan, size)
    assert crop.shape == (1, size, size, 3)
    assert pasted.shape == picture.shape
    for values in (crop, pasted, mask):
        assert bool(torch.isfinite(values).all())
        assert float(values.min()) >= 0.0
        assert float(values.max()) <= 1.0


def test_a_face_of_a_pixel_still_gives_a_crop_of_some_pixels():
    for level in (False, True):
        plan = crops.plan([[face_at(20, 20, 1, 1)]], 40, 40, 1.5, level=level)
        assert plan.regions[0].side == 8
        assert crops.cut(image(np.full((40, 40, 3), 90, np.uint8)), plan, 16).shape == (1, 16, 16, 3)
