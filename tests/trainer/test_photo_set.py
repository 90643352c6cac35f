"""From photos to a training set: what is cut, what is held out, and what is refused in one sentence."""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.portrait import identity, photos, report
from portrait_studio.portrait.errors import PortraitError
from portrait_studio.portrait.faces import Face, detect, overlap
from portrait_studio.trainer import photo_set
from portrait_studio.trainer.photo_set import PhotoSetError, PhotoSetOptions, crop_box, from_report, prepare

from ..present import present

ROOT = Path(__file__).parents[2]
SUBJECTS = ROOT / "pocket" / "subjects"
PEOPLE = ROOT / "tests" / "data" / "people"
READY = ("david", "henry", "leila", "marcus", "mina", "nora")
OPTIONS = PhotoSetOptions("anb3ll", "woman")


@functools.cache
def photos_of(name: str) -> tuple[list[np.ndarray], list[str]]:
    paths = sorted((SUBJECTS / name).glob("*.jpg"))
    return [photos.read(path) for path in paths], [path.name for path in paths]


@functools.cache
def report_on(name: str) -> report.PhotoReport:
    """The report on a ready subject's photos with one of the next subject's among them."""
    pictures, names = mixed(name)
    return report.judge(pictures, names)


def mixed(name: str) -> tuple[list[np.ndarray], list[str]]:
    other = READY[(READY.index(name) + 1) % len(READY)]
    pictures, names = photos_of(name)
    strange, strange_names = photos_of(other)
    return [strange[0], *pictures], [strange_names[0], *names]


@pytest.mark.parametrize("name", READY)
def test_a_stranger_among_a_subjects_photos_is_flagged_and_nobody_else(name):
    result = report_on(name)
    assert [result.verdicts[index].name for index in result.strangers] == [mixed(name)[1][0]]
    made = from_report(mixed(name)[0], result, OPTIONS)
    assert [one.name for one in made.rejected] == [mixed(name)[1][0], f"{name}-11.jpg"]
    assert made.rejected[0].reason.startswith("another person (likeness 0.")
    assert made.rejected[1].reason in ("face blurred", "face too dark")


@pytest.mark.parametrize("name", READY)
def test_in_a_photo_of_two_the_subjects_own_face_is_cut(name):
    """The last photo of each ready subject shows the subject on the left and somebody as large on the right."""
    pictures, _ = mixed(name)
    picture = np.ascontiguousarray(pictures[-1][:, ::-1])  # now the subject is on the right
    result = report.judge([*photos_of(name)[0][:5], picture], limits=report.Limits())
    assert result.verdicts[-1].accepted
    made = from_report([*photos_of(name)[0][:5], picture], result, OPTIONS)
    crop = next(one.image for one in made.examples if one.name == "photo 6")
    faces = detect(crop)
    assert len(faces) == 1
    known = identity.reference(identity.embed_largest(photos_of(name)[0][:3]))
    assert identity.likeness(identity.embed(crop, faces[0]), known) > 0.8


def test_the_accepted_photos_alone_give_the_same_set_again():
    pictures, _ = mixed("nora")
    result = report_on("nora")
    first = from_report(pictures, result, OPTIONS)
    kept = [pictures[index] for index in result.accepted]
    again = prepare(kept, [result.verdicts[index].name for index in result.accepted], OPTIONS)
    assert [one.sha256 for one in again.examples] == [one.sha256 for one in first.examples]
    assert [one.name for one in again.held_out] == [one.name for one in first.held_out]
    assert again.rejected == ()


def test_what_is_held_out_is_a_fifth_and_never_trained_on():
    made = from_report(mixed("nora")[0], report_on("nora"), OPTIONS)
    assert len(made.held_out) == 2
    assert len({one.sha256 for one in made.examples}) == 9
    assert not {one.sha256 for one in made.held_out} & {one.sha256 for one in made.examples}
    for one in made.held_out:
        assert one.embedding.shape == (128,)
        assert np.linalg.norm(one.embedding) == pytest.approx(1, abs=1e-5)
        again = identity.embed(one.image, detect(one.image)[0])
        assert identity.likeness(again, one.embedding) > 0.97
    assert made.backend == "sface"
    assert made.prompt_words == "anb3ll woman"


def test_every_photo_gives_a_loose_crop_and_a_close_up_with_the_mask_on_the_face_and_their_caption():
    made = from_report(mixed("mina")[0], report_on("mina"), OPTIONS)
    loose = {}
    for one in made.examples:
        high, wide = one.image.shape[:2]
        face = detect(one.image)[0]
        close = loose.setdefault(one.sha256, one) is not one
        ratio = (high * wide) ** 0.5 / face.side
        assert 1.5 < ratio < 2.1 if close else 1.7 < ratio < 3.2, one.name
        taken_close = ratio < 2  # the photo itself is one: there is no room for a looser crop
        assert ("close-up" in one.caption) == (close or taken_close), one.name
        assert one.mask.shape == (high, wide)
        assert one.mask.dtype == np.float32
        x, y = (round(value) for value in face.centre)
        assert one.mask[y, x] == pytest.approx(1)
        assert one.mask.min() == pytest.approx(0)
        assert 0.05 < one.mask.mean() < 0.8
        assert one.caption.startswith("portrait photo of anb3ll woman")
        quality = next(verdict.quality for verdict in report_on("mina").verdicts if verdict.name == one.name)
        assert ("turned to the left" in one.caption) == (present(quality).yaw <= -20)
    assert len(made.examples) > 1.5 * len(loose)


def test_a_photo_too_small_for_a_close_up_gives_one_crop():
    pictures, result = mixed("mina")[0], report_on("mina")
    sides = [result.verdicts[index].faces[result.verdicts[index].face].side for index in result.accepted]
    ratio = 255 / max(sides)
    made = from_report(pictures, result, PhotoSetOptions("anb3ll", "woman", close_up=ratio))
    none = from_report(pictures, result, PhotoSetOptions("anb3ll", "woman", close_up=0))
    assert [one.sha256 for one in made.examples] == [one.sha256 for one in none.examples]
    assert len({one.sha256 for one in none.examples}) == len(none.examples)


def test_flips_are_made_only_if_allowed_and_their_captions_turned_round():
    plain = from_report(mixed("nora")[0], report_on("nora"), OPTIONS)
    both = from_report(mixed("nora")[0], report_on("nora"), PhotoSetOptions("anb3ll", "woman", flip=True))
    assert len(both.examples) == 2 * len(plain.examples)
    assert [one.caption for one in both.examples[::2]] == [one.caption for one in plain.examples]
    for upright, mirrored in zip(both.examples[::2], both.examples[1::2], strict=True):
        assert np.array_equal(mirrored.image, upright.image[:, ::-1])
        assert np.array_equal(mirrored.mask, upright.mask[:, ::-1])
        assert mirrored.caption == upright.caption.replace("left", "#").replace("right", "left").replace("#", "right")
    assert any("left" in one.caption for one in both.examples[1::2])


def test_a_near_copy_is_not_trained_on_twice():
    pictures = photos_of("nora")[0][:6]
    smaller = cv2.resize(pictures[0], None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)
    made = prepare([*pictures, smaller], None, OPTIONS)
    assert [(one.name, one.reason) for one in made.rejected] == [("photo 7", "nearly the same as photo 1")]


def test_the_person_picked_is_trained_even_in_the_minority():
    ada = [photos.read(PEOPLE / f"ada_{index}.jpg") for index in (2, 4, 6, 8, 13)]
    nora, names = photos_of("nora")
    known = identity.reference(identity.embed_largest(ada[:2]))
    made = prepare([*nora[:6], *ada], [*names[:6], *"abcde"], OPTIONS, person=known)
    assert {one.name for one in (*made.examples, *made.held_out)} == set("abcde")


def test_two_persons_in_as_many_photos_are_said():
    made = prepare([*photos_of("nora")[0][:6], *photos_of("mina")[0][:5]], None, OPTIONS)
    assert any("6 photos show one person and 5 another; connect a reference photo" in text for text in made.warnings)


# --- bad input


def test_two_photos_are_too_few():
    with pytest.raises(PhotoSetError, match=r"^2 photos are too few; 5 are needed at least, 10 to 20"):
        prepare(photos_of("nora")[0][:2], ["a", "b"], OPTIONS)


def test_when_all_are_rejected_every_reason_is_given():
    grey = np.full((200, 200, 3), 128, np.uint8)
    blurred = photos_of("nora")[0][10]
    with pytest.raises(PhotoSetError) as refusal:
        prepare([grey, blurred], ["wall", "shaky"], OPTIONS)
    assert str(refusal.value).startswith(
        "Of 2 photos none will do (wall: no face found; shaky: face blurred); add others"
    )


def test_nobodys_face_twice_is_said():
    five = [photos_of(name)[0][0] for name in READY[:5]]
    with pytest.raises(PhotoSetError, match=r"^No face appears in two of the 5 photos"):
        prepare(five, None, PhotoSetOptions("anb3ll", limits=report.Limits(same_person=0.67)))


def test_a_trigger_that_is_no_word_is_refused_before_any_photo_is_looked_at():
    with pytest.raises(PortraitError, match="trigger '' is not a word"):
        prepare([], None, PhotoSetOptions(""))


# --- geometry

sides = st.integers(40, 3000)


def face_at(x: float, y: float, side: float, score: float = 0.9) -> Face:
    return Face((x - 0.4 * side, y - side / 2, 0.8 * side, side), ((0, 0),) * 5, score)


@given(sides, sides, st.floats(0, 1), st.floats(0, 1), st.floats(0.05, 1.2), st.floats(1.6, 6))
def test_a_crop_stays_inside_the_photo_and_is_square_where_there_is_room(wide, high, right, down, part, ratio):
    face = face_at(right * wide, down * high, part * min(wide, high))
    left, top, end, bottom = crop_box(face, (wide, high), ratio)
    assert 0 <= left < end <= wide
    assert 0 <= top < bottom <= high
    side = round(face.side * ratio)
    assert end - left == max(1, min(wide, side))
    assert bottom - top == max(1, min(high, side))
    assert left <= face.centre[0] <= end


def test_a_neighbour_is_kept_out_and_a_pattern_taken_for_a_face_is_not_heeded():
    mine, neighbour = face_at(300, 300, 100), face_at(420, 300, 90)
    loose = crop_box(mine, (600, 600), 2.75)
    assert loose[2] - loose[0] == 275
    tight = crop_box(mine, (600, 600), 2.75, [neighbour])
    box = (tight[0], tight[1], tight[2] - tight[0], tight[3] - tight[1])
    assert overlap(box, neighbour.box) == 0
    assert tight[2] - tight[0] >= 160
    assert crop_box(mine, (600, 600), 2.75, [face_at(420, 300, 90, 0.63)]) == loose


def test_the_hash_of_a_photo_is_that_of_its_pixels_and_shape():
    picture = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    assert photo_set.photo_hash(picture) == photo_set.photo_hash(picture.copy())
    assert photo_set.photo_hash(picture) != photo_set.photo_hash(picture.reshape(4, 3, 3))
    assert photo_set.photo_hash(picture[:, ::-1]) != photo_set.photo_hash(picture)


def test_enormous_photos_give_bounded_crops():
    large = cv2.resize(photos_of("nora")[0][0], None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    made = prepare([large, *photos_of("nora")[0][1:7]], None, PhotoSetOptions("anb3ll", max_side=512))
    for one in made.examples:
        assert max(one.image.shape[:2]) <= 512
        assert one.mask.shape == one.image.shape[:2]
