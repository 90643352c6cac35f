"""Hair, glasses and beard: seen on ready subjects and a photograph, counted honestly, kept with the person's faces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from portrait_studio.portrait import faces, identity
from portrait_studio.portrait.likeness import heads, known, report
from portrait_studio.portrait.likeness.looks import ROWS, HeadLooks, OwnLooks, kept, own_looks, shares
from portrait_studio.portrait.subjects import SubjectError

from ..scenes import astronaut
from . import people

# Photos that look into the camera, nearly. In the second of henry, cloth of his hair's colour is beside his neck.
FRONT = (1, 3, 8)


def seen(picture: np.ndarray) -> HeadLooks:
    return heads.look_at(picture, faces.detect(picture)[0])


@pytest.mark.parametrize(
    ("name", "length", "glasses", "beard"),
    [
        ("nora", "long", False, False),
        ("mina", "long", True, False),
        ("david", "short", False, True),
        ("henry", "short", False, False),
        ("marcus", "short", False, False),
    ],
)
def test_what_the_ready_subjects_look_like_is_told_or_left_open(name, length, glasses, beard):
    looks = [seen(people.photo(name, number)) for number in FRONT]
    own = own_looks(looks)
    assert (own.length, own.glasses, own.beard) == (length, glasses, beard)
    for one in looks:
        assert one.length in (None, length)
        assert one.glasses in (None, glasses)
        assert one.beard in (None, beard)


def test_hair_is_of_its_own_colour():
    red, grey, black = (own_looks([seen(people.photo(name, number)) for number in FRONT]).hair for name in
                        ("nora", "henry", "marcus"))  # fmt: skip
    assert red is not None and grey is not None and black is not None
    assert red[1] > 20 > grey[1] + 10
    assert grey[0] > 45 > red[0] > 30 > black[0]


def test_a_photograph_is_looked_at_like_any_other():
    one = seen(astronaut())
    assert (one.length, one.glasses, one.beard) == ("short", False, False)
    assert one.hair is not None


def test_what_the_light_the_pose_or_the_focus_hides_is_not_told():
    picture = people.photo("mina", 1)
    assert seen((picture * 0.12).astype(np.uint8)) == HeadLooks()
    assert seen(people.photo("mina", 4)) == HeadLooks()  # turned by 42 degrees
    soft = np.array(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(6)))
    assert seen(soft).glasses is None
    grey = np.array(Image.fromarray(picture).convert("L").convert("RGB"))
    assert seen(grey).hair is None
    assert seen(grey).glasses is True


def test_a_close_up_without_its_background_says_nothing_of_the_hair():
    picture = people.photo("nora", 1)
    face = faces.detect(picture)[0]
    x, y, wide, high = (round(each) for each in face.box)
    cut = np.ascontiguousarray(picture[y - high // 5 : y + high, x - wide // 5 : x + wide + wide // 5])
    assert seen(cut).length is None


OWN = OwnLooks((40.0, 28.0, 30.0), "long", False, False)
SAME = HeadLooks((42.0, 27.0, 30.0), 1.0, 0.8, 2.0, 0.0)


def test_a_picture_keeps_what_the_photos_show_row_by_row():
    assert kept(SAME, OWN) == dict.fromkeys(ROWS, True)
    other = HeadLooks((20.0, 2.0, 3.0), 1.0, 0.0, 20.0, -40.0)
    assert kept(other, OWN) == dict.fromkeys(ROWS, False)
    assert kept(HeadLooks(), OWN) == dict.fromkeys(ROWS)
    assert kept(SAME, OwnLooks()) == dict.fromkeys(ROWS)
    assert kept(replace(SAME, covered=0.0, beside=None), OWN)["hair_length"] is False  # a bald head


def test_shares_are_of_the_pictures_that_can_be_told():
    told = shares([SAME, replace(SAME, beside=0.0), HeadLooks(), None], OWN)
    assert told["hair_length"].as_dict() == {"kept": 0.5, "told": 2, "pictures": 4}
    assert told["glasses"].as_dict() == {"kept": 1.0, "told": 2, "pictures": 4}
    assert shares([None], OWN)["beard"].as_dict() == {"kept": None, "told": 0, "pictures": 1}


def test_photos_that_contradict_each_other_or_are_too_few_say_nothing():
    assert own_looks([SAME]) == OwnLooks()
    assert own_looks([None, HeadLooks()]) == OwnLooks()
    assert own_looks([SAME, SAME]).length == "long"
    mixed = own_looks([SAME, SAME, replace(SAME, beside=0.0, hair=(90.0, 0.0, 0.0)), replace(SAME, beside=0.0)])
    assert mixed.length is None
    assert mixed.glasses is False


def test_the_report_says_what_pictures_keep_and_the_file_brings_it_back(tmp_path):
    numbers = (*people.TRAINED, *people.HELD_OUT)
    looks = tuple(seen(people.photo("david", number)) for number in numbers)
    own = replace(people.known("david"), looks=(None, *looks[1:]))
    known.save(own, tmp_path / "faces.safetensors")
    back = known.load(tmp_path / "faces.safetensors")
    assert back.looks[0] is None
    assert [one and one.length for one in back.looks] == [one and one.length for one in own.looks]
    pictures = [people.photo("david", 101), people.photo("nora", 1), np.zeros((64, 64, 3), np.uint8)]
    told = report.report(pictures, people.person("david"), back, identity.embedder()).as_dict()["looks"]
    assert list(told) == list(ROWS)
    assert all(one["pictures"] == 3 for one in told.values())
    assert told["beard"] == {"kept": 0.5, "told": 2, "pictures": 3}
    assert report.report(pictures, people.person("david"), people.known("david"), identity.embedder()).looks == {}


@pytest.mark.parametrize(
    "bad", ['[{"rim": "a"}]', "[1]", "{}", "[null]", '[{"hair": [1, 2]}]', '[{"chin": NaN}]', "nothing"]
)
def test_looks_that_are_none_are_refused_with_the_file(tmp_path, bad):
    from safetensors.numpy import load_file, save_file

    file = tmp_path / "faces.safetensors"
    known.save(people.known("david"), file)
    about = {"backend": "sface", "names": '["' + '", "'.join(people.known("david").names) + '"]', "looks": bad}
    save_file(load_file(file), file, about)
    with pytest.raises(SubjectError, match="does not hold the faces"):
        known.load(file)


def test_an_older_file_without_looks_is_read(tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    file = tmp_path / "faces.safetensors"
    known.save(people.known("nora"), file)
    with safe_open(file, "numpy") as opened:
        about = {key: value for key, value in opened.metadata().items() if key != "looks"}
    save_file(load_file(file), file, about)
    assert known.load(file).looks == ()
