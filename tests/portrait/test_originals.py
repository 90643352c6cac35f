"""Photos of which reduced pixels are passed on: what is judged and cut is what the whole photo would give."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from portrait_studio.portrait import crops, identity, originals, photos, quality, report
from portrait_studio.portrait.closeups import close_ups
from portrait_studio.portrait.decoding import PhotoError
from portrait_studio.portrait.faces import Face, detect
from portrait_studio.portrait.finer import cut_finer
from portrait_studio.portrait.originals import Photo, open_photo
from portrait_studio.portrait.tensors import image_photos, original_of, photo_image, singles, to_image, to_uint8

from .scenes import astronaut, scaled

NORA = Path(__file__).parents[2] / "pocket" / "subjects" / "nora"
FRAME = (3000, 4000)


def frame(face: float, picture: np.ndarray | None = None, blur: float = 0.0) -> np.ndarray:
    """A photo of 12 megapixels in which the face of a picture has a side of so many pixels."""
    picture = astronaut() if picture is None else picture
    picture = scaled(picture, face / detect(picture)[0].side)
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur * face)
    high, wide = min(FRAME[0], picture.shape[0]), min(FRAME[1], picture.shape[1])
    canvas = cv2.resize(picture[:8], FRAME[::-1], interpolation=cv2.INTER_LINEAR)
    top, left = (FRAME[0] - high) // 2, (FRAME[1] - wide) // 3
    canvas[top : top + high, left : left + wide] = picture[:high, :wide]
    return canvas


def saved(folder: Path, pixels: np.ndarray, name: str = "photo.jpg", orientation: int = 1) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(folder / name, quality=92, exif=exif)
    return folder / name


@pytest.mark.parametrize("face", [90, 160, 300, 900])
def test_a_face_of_a_reduced_photo_is_seen_as_in_the_whole_one(tmp_path, face):
    path = saved(tmp_path, frame(face))
    whole, photo = photos.read(path), open_photo(path)
    assert photo.pixels.shape[0] * photo.pixels.shape[1] <= originals.REDUCED
    (seen,), (wanted,) = close_ups(photo), detect(whole)
    corners = np.abs(np.array(seen.face.box) - wanted.box).max()
    assert corners < 0.06 * wanted.side
    alike = identity.likeness(identity.embed(seen.pixels, seen.seen), identity.embed(whole, wanted))
    assert alike > 0.985  # a search of the region instead of the closer look alone gives .88
    ours, theirs = quality.measure(seen.pixels, seen.seen), quality.measure(whole, wanted)
    assert ours.sharpness == pytest.approx(theirs.sharpness, rel=0.2)
    assert abs(ours.yaw - theirs.yaw) < 4


def test_a_small_face_needs_the_file_to_be_seen_as_well(tmp_path):
    photo = open_photo(saved(tmp_path, frame(120)))
    (near,), (far,) = close_ups(photo), detect(photo.pixels)
    assert min(near.seen.box[2:]) > 1.8 * min(far.box[2:])


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_photo_turned_by_its_exif_has_its_face_where_it_is_upright(tmp_path, orientation):
    path = saved(tmp_path, np.rot90(frame(200), {1: 0, 3: 2, 6: 1, 8: -1}[orientation]).copy(), orientation=orientation)
    photo = open_photo(path)
    assert photo.original is not None
    assert photo.original.size == FRAME[::-1]
    (seen,), (wanted,) = close_ups(photo), detect(photos.read(path))
    assert np.abs(np.array(seen.face.box) - wanted.box).max() < 12


def test_verdicts_on_reduced_photos_are_those_on_whole_ones(tmp_path):
    pictures = [photos.read(path) for path in photos.list_folder(NORA.parent, "nora")[:4]]
    scenes = {
        "far": frame(70, pictures[0]),
        "too far": frame(50, pictures[1]),
        "near": frame(1100, pictures[1]),
        "head and shoulders": frame(500, pictures[2]),
        "softer copy": cv2.GaussianBlur(frame(500, pictures[2]), (0, 0), 6),
        "a little soft": frame(150, pictures[3], blur=0.012),
        "blurred": frame(150, pictures[3], blur=0.03),
        "dark": (frame(300, pictures[3]) * 0.12).astype(np.uint8),
    }
    paths = [saved(tmp_path, scene, f"{name}.jpg") for name, scene in scenes.items()]
    whole = report.judge(photos.read_all(paths), list(scenes))
    reduced = report.judge(photos.open_all(paths), list(scenes))
    assert {name: one.size for name, one in zip(scenes, reduced.verdicts, strict=True)} == dict.fromkeys(
        scenes, FRAME[::-1]
    )
    assert [one.accepted for one in reduced.verdicts] == [one.accepted for one in whole.verdicts]
    kinds = [[one.reason.partition(":")[0].partition("(")[0] for one in each.verdicts] for each in (reduced, whole)]
    assert kinds[0] == kinds[1]
    assert {"face too small", "face blurred", "face too dark", ""} <= set(kinds[1])
    assert reduced.held_out == whole.held_out


def test_a_crop_shows_what_the_whole_photo_shows(tmp_path):
    path = saved(tmp_path, frame(260))
    image = photo_image(open_photo(path))
    whole = to_image(photos.read(path))
    (face,) = detect(to_uint8(image[0]))
    plan = crops.plan([[face]], *image.shape[1:3], ratio=2.2, level=True)
    scale = whole.shape[2] / image.shape[2]
    x, y, w, h = (value * scale for value in face.box)
    large = Face((x, y, w, h), tuple((x * scale, y * scale) for x, y in face.landmarks), 1.0)
    wanted = crops.cut(whole, crops.plan([[large]], *whole.shape[1:3], ratio=2.2, level=True), 512)
    finer = cut_finer(image, original_of(image), plan, 512, "reflect")
    coarse = crops.cut(image, plan, 512)
    assert psnr(finer, wanted) > 38
    assert psnr(finer, wanted) > psnr(coarse, wanted) + 4


def psnr(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(-10 * torch.log10(((first - second) ** 2).mean()))


def test_an_image_forgets_its_file_when_anything_is_done_with_it(tmp_path):
    image = photo_image(open_photo(saved(tmp_path, frame(200))))
    assert original_of(image) is not None
    assert [photo.original for photo in image_photos([image])] == [original_of(image)]
    for other in (image.clone(), image * 1.0, image[:, :900], image.flip(2)):
        assert original_of(other) is None
    image[:, 400:500, 600:700] = 0.0  # another pack paints into the picture that it was handed
    assert original_of(image) is None


def test_single_pictures_keep_their_files_and_batches_are_taken_apart(tmp_path):
    image = photo_image(open_photo(saved(tmp_path, frame(200))))
    one, two, three = singles([image, torch.zeros(2, 4, 4, 3)])
    assert original_of(one) is original_of(image)
    assert two.shape == three.shape == (1, 4, 4, 3)


def test_a_file_that_changed_or_went_since_it_was_loaded_is_named(tmp_path):
    path = saved(tmp_path, frame(100))
    photo = open_photo(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(PhotoError, match=r"photo\.jpg has changed since it was loaded; queue the graph again"):
        close_ups(photo)
    path.unlink()
    with pytest.raises(PhotoError, match=r"photo\.jpg cannot be opened"):
        photo.whole()


def test_a_small_photo_is_whole_and_needs_no_file(tmp_path):
    photo = open_photo(saved(tmp_path, astronaut()))
    assert photo.original is None
    assert original_of(photo_image(photo)) is None


def test_pixels_given_as_a_function_are_made_when_asked_for():
    made = []
    photo = Photo(lambda: made.append(1) or np.zeros((2, 2, 3), np.uint8))
    assert not made
    assert photo.pixels.shape == (2, 2, 3)
