"""Phones pack videos, gain maps and depth maps into the files of their photos; the photo itself is what is read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portrait_studio.portrait import decoding, photos
from portrait_studio.portrait.closeups import close_ups
from portrait_studio.portrait.faces import detect
from portrait_studio.portrait.originals import open_photo

from . import phone_files
from .scenes import astronaut, scaled
from .test_photos import STORED

UPRIGHT = scaled(astronaut(), 4.4)[:2200, :2000]
GAIN = np.tile(np.linspace(0, 255, 500).astype(np.uint8), (550, 1))


def packed(kind: str, primary: bytes) -> bytes:
    if kind == "motion photo":
        return phone_files.motion_photo(primary)
    if kind == "gain map":
        return phone_files.ultra_hdr(primary, GAIN)
    if kind == "gain map and motion":
        return phone_files.ultra_hdr(primary, GAIN) + phone_files.mp4()
    depth = phone_files.jpeg(np.repeat(GAIN[..., None], 3, 2))
    return phone_files.two_pictures(primary, depth)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("kind", ["motion photo", "gain map", "gain map and motion", "depth map"])
def test_what_is_packed_with_a_photo_changes_nothing_about_it(tmp_path, kind, orientation):
    primary = phone_files.jpeg(np.ascontiguousarray(STORED[orientation](UPRIGHT)), orientation=orientation)
    plain, path = tmp_path / "plain.jpg", tmp_path / "phone.jpg"
    plain.write_bytes(primary)
    path.write_bytes(packed(kind, primary))
    decoding.check(path)
    whole = photos.read(plain)
    assert whole.shape == UPRIGHT.shape
    assert np.array_equal(photos.read(path), whole)
    reduced, photo = open_photo(plain), open_photo(path)
    assert photo.original is not None
    assert photo.original.size == (2000, 2200)
    assert np.array_equal(photo.pixels, reduced.pixels)
    (seen,), (wanted,) = close_ups(photo), close_ups(reduced)
    assert seen.face == wanted.face


def test_the_files_are_what_they_say(tmp_path):
    """Pillow itself finds the second picture where the index says that it is."""
    primary = phone_files.jpeg(UPRIGHT)
    with Image.open(io.BytesIO(packed("depth map", primary))) as opened:
        assert opened.format == "MPO"
        assert opened.n_frames == 2
        opened.seek(1)
        assert opened.size == (500, 550)


@pytest.mark.parametrize("kind", ["motion photo", "gain map", "depth map"])
def test_a_photo_that_ends_before_its_video_or_map_is_whole_nonetheless(tmp_path, kind):
    primary = phone_files.jpeg(UPRIGHT[:400, :400])
    path = tmp_path / "phone.jpg"
    path.write_bytes(packed(kind, primary)[:-2000])
    assert np.array_equal(photos.read(path), photos.read(_plain(tmp_path, primary)))


def test_an_index_that_leads_nowhere_does_not_lose_the_photo(tmp_path):
    primary = phone_files.jpeg(UPRIGHT[:400, :400])
    whole = packed("depth map", primary)
    mark = whole.index(b"MPF\0") + 4
    path = tmp_path / "phone.jpg"
    for at in range(mark, mark + 80, 3):
        path.write_bytes(whole[:at] + b"\xff\xff\xff" + whole[at + 3 :])
        try:
            assert photos.read(path).shape == (400, 400, 3)
        except photos.PhotoError as error:
            pytest.fail(f"byte {at - mark} of the index: {error}")


def _plain(folder: Path, data: bytes) -> Path:
    path = folder / "plain.jpg"
    path.write_bytes(data)
    return path


def test_a_heic_photo_with_a_thumbnail_and_a_depth_map_is_reduced_like_any_other(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "IMG_0001.HEIC"
    file = heif.from_pillow(Image.fromarray(UPRIGHT))
    file.save(path, quality=90, save_nclx_profile=True, thumbnails=[512], exif=_exif())
    assert heif.open_heif(path)[0].info["thumbnails"] == [512]
    photo = open_photo(path)
    assert photo.original is not None
    assert photo.original.size == (2000, 2200)
    decoding.check(path)
    (seen,), (wanted,) = close_ups(photo), detect(photos.read(path))
    assert np.abs(np.array(seen.face.box) - wanted.box).max() < 0.04 * wanted.side
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(photos.PhotoError, match=r"IMG_0001\.HEIC is "):
        open_photo(path)


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Apple"
    return exif.tobytes()
