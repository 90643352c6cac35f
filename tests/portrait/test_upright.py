"""Frames made upright RGB band by band: the same as Pillow makes of them at once."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps

from portrait_studio.portrait import upright
from portrait_studio.portrait.upright import eight_bit, flattened, is_plain, orientation, upright_rgb

CHANCE = np.random.default_rng(3)
COLOURS = Image.fromarray(CHANCE.integers(0, 256, (37, 23, 3), np.uint8))


@pytest.fixture(autouse=True, params=[50, 4_000_000], ids=["bands of two rows", "one band"])
def band(request, monkeypatch):
    monkeypatch.setattr(upright, "BAND", request.param)


def saved(picture: Image.Image, **options: object) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return Image.open(buffer)


def upright_of(picture: Image.Image, box: upright.Box | None = None) -> np.ndarray:
    return upright_rgb(picture, orientation(picture), picture.info.get("icc_profile"), box)


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(turn):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    picture = saved(COLOURS, exif=exif)
    assert np.array_equal(upright_of(picture), np.asarray(ImageOps.exif_transpose(picture)))


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_part_is_named_as_it_is_stored(turn):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    picture = saved(COLOURS, exif=exif)
    part = picture.crop((3, 5, 20, 31))
    part.getexif()[ExifTags.Base.Orientation] = turn
    assert np.array_equal(upright_of(picture, (3, 5, 20, 31)), np.asarray(ImageOps.exif_transpose(part)))


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_modes_without_transparency_are_converted_as_pillow_converts_them(mode):
    picture = COLOURS.convert(mode)
    assert np.array_equal(upright_of(picture), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_is_transparent_lies_on_white(mode):
    picture = COLOURS.convert(mode)
    picture.putalpha(Image.fromarray(CHANCE.choice([0, 255], (37, 23)).astype(np.uint8)))
    plain, seen = np.asarray(picture.convert("RGB")), np.asarray(picture.getchannel("A")) > 0
    made = upright_of(picture)
    assert (made[~seen] == 255).all()
    assert np.array_equal(made[seen], plain[seen])


@pytest.mark.parametrize("mode", ["1", "P", "PA", "LA", "RGBA"])
def test_a_flattened_frame_is_what_the_whole_would_have_been(mode):
    picture = COLOURS.convert("RGBA" if mode == "PA" else mode).convert(mode)
    assert not is_plain(picture)
    whole = upright_of(picture)
    assert np.array_equal(np.asarray(flattened(picture, None)), whole)
    assert np.array_equal(np.asarray(flattened(picture, None, 3)), np.asarray(Image.fromarray(whole).reduce(3)))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_what_can_be_averaged_as_it_is_is_plain(mode):
    assert is_plain(COLOURS.convert(mode))


def test_a_palette_with_a_transparent_colour_lies_on_white():
    picture = saved(COLOURS.quantize(8), transparency=2)
    clear = np.asarray(picture) == 2
    assert (upright_of(picture)[clear] == 255).all()


def test_colours_go_through_the_profile():
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    same = saved(COLOURS, icc_profile=linear.tobytes())
    assert np.abs(upright_of(same).astype(int) - np.asarray(COLOURS)).max() <= 1


@pytest.mark.parametrize(
    ("samples", "top"),
    [
        (CHANCE.integers(0, 65536, (37, 23)).astype(np.uint16), 65535),
        (CHANCE.integers(0, 65536, (37, 23)).astype(np.int32), 65535),
        (CHANCE.integers(65536, 2**31 - 1, (37, 23)).astype(np.int32), 2**31 - 1),
        (CHANCE.random((37, 23)).astype(np.float32), 1),
        ((CHANCE.random((37, 23)) * 255).astype(np.float32), 255),
    ],
    ids=["16 bit", "16 bit in 32", "32 bit", "0..1", "0..255"],
)
def test_wide_samples_are_scaled_to_eight_bits_by_the_largest_of_the_whole_picture(samples, top):
    made = np.asarray(eight_bit(Image.fromarray(samples)))
    assert made.dtype == np.uint8
    assert np.abs(made - samples / top * 255).max() <= 0.51


def test_samples_that_are_no_number_are_black():
    made = np.asarray(eight_bit(Image.fromarray(np.array([[np.nan, 0.5, 1.0]], np.float32))))
    assert made.tolist() == [[0, 128, 255]]
