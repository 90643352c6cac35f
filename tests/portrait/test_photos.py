"""Photographs from disk."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from portrait_studio.portrait import photos
from portrait_studio.portrait.photos import PhotoError

# Red, green, blue and white corners, so that every way of turning a picture differs from every other.
CORNERS = np.zeros((24, 40, 3), np.uint8)
CORNERS[:12, :20], CORNERS[:12, 20:], CORNERS[12:, :20], CORNERS[12:, 20:] = (
    (220, 30, 30),
    (30, 200, 30),
    (30, 30, 220),
    (240, 240, 240),
)
# How a picture must be stored so that orientation N shows CORNERS upright (EXIF 2.3, tag 0x0112).
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


def save(path: Path, picture: Image.Image | np.ndarray, **options: Any) -> Path:
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_every_exif_orientation_is_turned_upright(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](CORNERS))
    options = {"quality": 95, "subsampling": 0} if suffix == "jpg" else {"lossless": True} if suffix == "webp" else {}
    read = photos.read(save(tmp_path / f"turned.{suffix}", stored, exif=exif, **options))
    assert read.shape == CORNERS.shape
    assert np.abs(read.astype(int) - CORNERS).max() <= 12


def test_a_sixteen_bit_picture_with_an_orientation_is_scaled_and_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    ramp = np.linspace(0, 65535, 32 * 16).reshape(32, 16).astype(np.uint16)
    read = photos.read(save(tmp_path / "grey16.png", Image.fromarray(np.ascontiguousarray(np.rot90(ramp))), exif=exif))
    assert read.shape == (32, 16, 3)
    assert np.abs(read[..., 0] - ramp / 257.0).max() <= 0.51


def test_transparency_is_put_on_white(tmp_path):
    picture = np.zeros((8, 8, 4), np.uint8)
    picture[..., 0], picture[:, 4:, 3], picture[:, :4, 3] = 200, 255, 0
    for name in ("clear.png", "clear.webp"):
        read = photos.read(save(tmp_path / name, picture, lossless=True))
        assert read[0, 0].tolist() == [255, 255, 255]
        assert read[0, 7].tolist() == [200, 0, 0]


def test_grey_with_half_transparency_is_mixed_with_white(tmp_path):
    read = photos.read(save(tmp_path / "la.png", Image.new("LA", (4, 4), (0, 128))))
    assert read.shape == (4, 4, 3)
    assert abs(int(read[0, 0, 0]) - 127) <= 1


def test_a_palette_with_a_transparent_colour_is_put_on_white(tmp_path):
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 10, 120, 30])
    picture.putpixel((0, 0), 0)
    read = photos.read(save(tmp_path / "palette.gif", picture, transparency=0))
    assert read[0, 0].tolist() == [255, 255, 255]
    assert read[2, 2].tolist() == [10, 120, 30]


def test_greyscale_becomes_three_equal_channels(tmp_path):
    read = photos.read(save(tmp_path / "grey.png", Image.new("L", (5, 3), 77)))
    assert read.shape == (3, 5, 3)
    assert (read == 77).all()


def test_one_bit_becomes_black_and_white(tmp_path):
    assert set(photos.read(save(tmp_path / "bits.png", Image.new("1", (4, 4), 1))).ravel().tolist()) == {255}


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path):
    read = photos.read(save(tmp_path / "print.jpg", Image.new("CMYK", (16, 16), (0, 255, 255, 0)), quality=95))
    red, green, blue = read[8, 8].tolist()
    assert red > 220
    assert green < 40
    assert blue < 40


def test_sixteen_bit_colour_is_scaled_not_clipped(tmp_path):
    cv2 = pytest.importorskip("cv2")
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)
    picture = np.stack([np.tile(ramp, (4, 1)), np.tile(ramp[::-1], (4, 1)), np.full((4, 64), 30000, np.uint16)], -1)
    for name in ("deep.png", "deep.tif"):
        assert cv2.imwrite(str(tmp_path / name), picture[..., ::-1])
        read = photos.read(tmp_path / name).astype(float)
        assert np.abs(read - picture / 257.0).max() <= 1.0, name


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_floating_point_tiffs_are_scaled(tmp_path, top):
    values = np.tile(np.linspace(0, top, 32, dtype=np.float32), (4, 1))
    read = photos.read(save(tmp_path / "float.tif", Image.fromarray(values)))
    assert np.abs(read[0, :, 0] - np.linspace(0, 255, 32)).max() <= 0.51


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "green", "blue")]
    for name in ("moving.gif", "moving.webp", "moving.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
        assert photos.read(tmp_path / name)[0, 0].tolist() == [255, 0, 0], name


def test_an_icc_profile_is_converted_to_srgb(tmp_path):
    """A profile whose red and green primaries are swapped shows red where green is stored."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    for index in range(count):
        at = 132 + 12 * index
        name = bytes(profile[at : at + 4])
        if name in (b"rXYZ", b"gXYZ"):
            profile[at : at + 4] = b"gXYZ" if name == b"rXYZ" else b"rXYZ"
    green = Image.new("RGB", (4, 4), (0, 200, 0))
    read = photos.read(save(tmp_path / "profiled.png", green, icc_profile=bytes(profile)))
    assert read[0, 0, 0] > 150
    assert read[0, 0, 1] < 60


def test_a_broken_icc_profile_leaves_the_colours(tmp_path):
    read = photos.read(save(tmp_path / "bad.png", Image.new("RGB", (4, 4), (9, 99, 199)), icc_profile=b"not a profile"))
    assert read[0, 0].tolist() == [9, 99, 199]


def test_a_heic_photo_is_read_when_the_library_is_there(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    path = save(tmp_path / "phone.heic", Image.new("RGB", (64, 48), (200, 60, 60)))
    read = photos.read(path)
    assert read.shape == (48, 64, 3)
    assert abs(int(read[20, 20, 0]) - 200) < 12


def test_a_heic_photo_without_the_library_names_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for name in ("phone.heic", "renamed.jpg"):
        (tmp_path / name).write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(64))
        with pytest.raises(PhotoError, match=rf"{name}.*pillow-heif.*JPEG"):
            photos.read(tmp_path / name)


def png_header(width: int, height: int) -> bytes:
    """A valid PNG that promises so many pixels and holds one row of zeros."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(30_000, 30_000), (30_000, 10), (10, 30_000), (12_000, 12_000)])
def test_a_picture_of_giant_dimensions_is_refused_by_name_before_it_is_decoded(tmp_path, size):
    (tmp_path / "bomb.png").write_bytes(png_header(*size))
    with pytest.raises(PhotoError, match=r"bomb\.png is too large .* save it smaller"):
        photos.read(tmp_path / "bomb.png")


def test_a_hundred_megapixel_header_is_not_called_too_large(tmp_path):
    (tmp_path / "phone.png").write_bytes(png_header(12_000, 9_000))
    with pytest.raises(PhotoError, match=r"phone\.png is damaged or cut short"):
        photos.read(tmp_path / "phone.png")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "gif", "bmp"])
def test_a_truncated_photo_is_refused_by_name(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = save(tmp_path / f"half.{suffix}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PhotoError, match=rf"half\.{suffix} is "):
        photos.read(path)


def test_a_truncated_photo_is_refused_even_when_another_pack_made_pillow_lenient(tmp_path, monkeypatch):
    path = save(tmp_path / "half.jpg", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:1500])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(PhotoError, match=r"half\.jpg"):
        photos.read(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_an_empty_file_is_refused_by_name(tmp_path):
    (tmp_path / "nothing.jpg").touch()
    with pytest.raises(PhotoError, match=r"nothing\.jpg is empty \(0 bytes\)"):
        photos.read(tmp_path / "nothing.jpg")


def test_a_text_named_jpg_is_refused_by_name(tmp_path):
    (tmp_path / "letter.jpg").write_text("Dear photographer,")
    with pytest.raises(PhotoError, match=r"letter\.jpg is not a picture"):
        photos.read(tmp_path / "letter.jpg")


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(PhotoError, match=r"gone\.jpg cannot be opened"):
        photos.read(tmp_path / "gone.jpg")
    with pytest.raises(PhotoError, match=r"folder\.jpg is a folder; name the photos in it"):
        photos.read(tmp_path / "folder.jpg")


def test_a_damaged_exif_block_does_not_lose_the_photo(tmp_path):
    read = photos.read(save(tmp_path / "odd.jpg", CORNERS, exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f\x00", quality=95))
    assert read.shape == CORNERS.shape


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF", b"II*\x00"]),
)
def test_wild_bytes_are_a_photo_or_a_sentence_never_a_crash(tmp_path_factory, data, start):
    path = tmp_path_factory.getbasetemp() / "wild.jpg"
    path.write_bytes(start + data)
    try:
        read = photos.read(path)
    except PhotoError as error:
        assert "wild.jpg" in str(error)
    else:
        assert read.dtype == np.uint8
        assert read.shape[2] == 3


def test_cutting_a_jpeg_anywhere_is_a_photo_or_a_sentence(tmp_path):
    sink = io.BytesIO()
    Image.fromarray(CORNERS).save(sink, "JPEG", exif=Image.Exif())
    whole = sink.getvalue()
    path = tmp_path / "cut.jpg"
    for end in range(0, len(whole) - 2, 7):
        path.write_bytes(whole[:end])
        with pytest.raises(PhotoError, match=r"cut\.jpg"):
            photos.read(path)


def test_every_unreadable_photo_of_a_set_is_named_at_once(tmp_path):
    good = save(tmp_path / "good.png", CORNERS)
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b.jpg").write_text("text")
    with pytest.raises(PhotoError, match=r"2 photos cannot be read: a\.jpg .* b\.jpg") as caught:
        photos.read_all([tmp_path / "a.jpg", good, tmp_path / "b.jpg"])
    assert "good.png" not in str(caught.value)
    assert len(photos.read_all([good, good])) == 2
