"""Photographs decoded whole, reduced, and region by region."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from portrait_studio.portrait import decoding
from portrait_studio.portrait.decoding import PhotoError

from .scenes import astronaut, scaled
from .test_photos import STORED

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\n%%EndComments\n0 0 90 90 rectfill\nshowpage\n%%EOF\n"


def photograph(factor: float = 2.0, width: int = 0) -> np.ndarray:
    picture = scaled(astronaut(), factor)
    return picture[:, :width] if width else picture


def save(path: Path, upright: np.ndarray, orientation: int = 1, **options: Any) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](upright))
    Image.fromarray(stored).save(path, exif=exif, **options)
    return path


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(1e-9, float(np.mean((first.astype(float) - second) ** 2))))


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for Ghostscript is a shell script")
@pytest.mark.parametrize("read", [decoding.read_whole, decoding.check, lambda path: decoding.read_reduced(path, 10)])
def test_postscript_named_jpg_is_refused_and_no_interpreter_is_run(tmp_path, monkeypatch, read):
    ran = tmp_path / "ran"
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch '{ran}'\nexit 1\n")
    ghostscript.chmod(ghostscript.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{ghostscript.parent}{os.pathsep}{os.environ['PATH']}")
    path = tmp_path / "holiday.jpg"
    path.write_bytes(EPS)
    with pytest.raises(PhotoError, match=r"holiday\.jpg is not a picture that can be read"):
        read(path)
    assert not ran.exists()


@pytest.mark.parametrize("name", ["PPM", "TGA", "PCX", "ICO", "DDS", "SGI"])
def test_a_format_that_is_not_promised_is_refused(tmp_path, name):
    path = tmp_path / "photo.png"
    Image.fromarray(photograph(0.25)).save(path, name)
    with pytest.raises(PhotoError, match=r"photo\.png is not a picture that can be read"):
        decoding.read_whole(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_a_reduced_photo_shows_the_same_upright_and_says_how_large_it_is(tmp_path, suffix, orientation):
    upright = photograph(2.0, 800)
    options = {"quality": 95} if suffix in ("jpg", "webp") else {}
    path = save(tmp_path / f"photo.{suffix}", upright, orientation, **options)
    pixels, size = decoding.read_reduced(path, 100_000)
    assert size == (800, 1024)
    assert 60_000 <= pixels.shape[0] * pixels.shape[1] <= 100_000
    wanted = cv2.resize(upright, pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert psnr(pixels, wanted) > 34


def test_a_photo_with_no_more_pixels_than_asked_for_is_returned_whole(tmp_path):
    path = save(tmp_path / "small.jpg", photograph(0.5))
    pixels, size = decoding.read_reduced(path, 256 * 256)
    assert size == (256, 256)
    assert np.array_equal(pixels, decoding.read_whole(path))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_region_at_full_scale_is_that_of_the_whole_photo(tmp_path, suffix, orientation):
    path = save(tmp_path / f"photo.{suffix}", photograph(1.0, 333), orientation)
    whole = decoding.read_whole(path)
    (patch,) = decoding.read_regions(path, [(40, 97, 201, 300)], least=1000)
    assert (patch.left, patch.top, patch.scale) == (40, 97, 1)
    assert np.array_equal(patch.pixels, whole[97:300, 40:201])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_region_of_a_jpeg_is_decoded_no_finer_than_asked_and_lies_where_it_says(tmp_path, orientation):
    upright = photograph(4.0, 1501)[:1803]
    path = save(tmp_path / "photo.jpg", upright, orientation, quality=95)
    (patch,) = decoding.read_regions(path, [(403, 201, 1203, 1001)], least=200)
    assert patch.scale == 4
    height, width = patch.pixels.shape[:2]
    assert 200 <= width <= 203
    assert patch.left <= 403 < patch.left + 4
    assert patch.top <= 201 < patch.top + 4
    left, top = round(patch.left), round(patch.top)
    covered = upright[top : top + 4 * height, left : left + 4 * width]
    lies = cv2.resize(covered, (width, height), interpolation=cv2.INTER_AREA)
    assert psnr(patch.pixels, lies) > 36


def test_several_regions_come_from_one_decode_at_the_scale_of_the_smallest(tmp_path):
    path = save(tmp_path / "photo.jpg", photograph(4.0), quality=95)
    patches = decoding.read_regions(path, [(0, 0, 1600, 1600), (100, 100, 500, 500)], least=200)
    assert [patch.scale for patch in patches] == [2, 2]
    assert [patch.pixels.shape for patch in patches] == [(800, 800, 3), (200, 200, 3)]


def test_a_region_outside_the_photo_keeps_a_pixel_of_its_border(tmp_path):
    path = save(tmp_path / "photo.png", photograph(0.25))
    inside, beyond = decoding.read_regions(path, [(-50, -50, 40, 30), (900, 900, 950, 950)], least=1)
    assert inside.pixels.shape == (30, 40, 3)
    assert beyond.pixels.shape == (1, 1, 3)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_a_check_finds_a_file_that_is_cut_short(tmp_path, suffix):
    path = save(tmp_path / f"photo.{suffix}", photograph(1.0))
    decoding.check(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(PhotoError, match=rf"photo\.{suffix} is damaged or cut short"):
        decoding.check(path)


@given(
    st.binary(max_size=300),
    st.sampled_from(
        [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF", b"II*\x00", b"\0\0\0\x18ftyp"]
    ),
)
def test_wild_bytes_are_pixels_or_a_sentence_however_they_are_read(tmp_path_factory, data, start):
    path = tmp_path_factory.getbasetemp() / "wild.jpg"
    path.write_bytes(start + data)
    for read in (
        decoding.check,
        lambda file: decoding.read_reduced(file, 16),
        lambda file: decoding.read_regions(file, [(0, 0, 9, 9)], 4),
    ):
        try:
            read(path)
        except PhotoError as error:
            assert "wild.jpg" in str(error)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ["device", "pipe", "sparse"])
@pytest.mark.parametrize("read", [decoding.read_whole, decoding.check, decoding.read_bytes])
def test_a_photo_that_is_no_regular_file_or_never_ends_is_refused_by_name(tmp_path, kind, read):
    photo = tmp_path / "photo.jpg"
    if kind == "device":
        photo.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(photo)
    else:
        with photo.open("wb") as file:
            file.truncate(300_000_000_000)
    why = "more than the 300 MB" if kind == "sparse" else "not a regular file"
    with pytest.raises(PhotoError, match=f"photo.jpg cannot be opened .*{why}"):
        read(photo)


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("TIFF", ".tif")])
def test_a_checked_photo_is_told_by_its_format_and_not_by_what_its_name_ends_with(tmp_path, kind, suffix):
    Image.new("RGB", (64, 64)).save(tmp_path / "Portrait of Mrs.Anna Smith-Secret", kind)
    assert decoding.check(tmp_path / "Portrait of Mrs.Anna Smith-Secret") == suffix
