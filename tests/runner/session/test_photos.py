"""Which photos a session takes, and when it stops before anything is done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from portrait_studio.portrait.photos import PhotoError
from portrait_studio.runner.session import PhotosUnfitError, PhotoVerdict, Verdicts, chosen_photos
from portrait_studio.runner.session.judging import read_verdicts

SUBJECTS = Path(__file__).parents[3] / "pocket" / "subjects"


def folder(path: Path, photos: list[str]) -> Path:
    path.mkdir()
    for number, name in enumerate(photos):
        shutil.copyfile(SUBJECTS / name.partition("-")[0] / f"{name}.jpg", path / f"{number} {name}.jpg")
    return path


def test_a_folder_and_files_are_taken_together_and_equal_photos_once(tmp_path):
    six = folder(tmp_path / "안나 photos", [f"nora-0{number}" for number in (1, 2, 3, 4, 5, 1)])
    extra = SUBJECTS / "nora" / "nora-06.jpg"
    found = chosen_photos([six, extra, extra])
    assert [path.name for path in found.values()] == [
        *(f"{number} nora-0{number + 1}.jpg" for number in range(5)),
        "nora-06.jpg",
    ]
    assert all(len(sha256) == 64 for sha256 in found)


def test_a_folder_without_photos_is_said_to_have_none(tmp_path):
    (tmp_path / "notes.txt").write_text("no photo")
    with pytest.raises(PhotoError, match="holds no photos"):
        chosen_photos([tmp_path])


def test_one_photo_is_too_few(tmp_path):
    with pytest.raises(PhotosUnfitError, match=r"one photo in 'one', and 5 are the least"):
        chosen_photos([folder(tmp_path / "one", ["nora-01"])])


def test_the_same_photo_five_times_is_one_photo(tmp_path):
    with pytest.raises(PhotosUnfitError, match="one photo"):
        chosen_photos([folder(tmp_path / "five", ["nora-01"] * 5)])


def test_a_photo_that_is_none_is_named(tmp_path):
    photos = folder(tmp_path / "bad", [f"nora-0{number}" for number in range(1, 7)])
    (photos / "torn.jpg").write_bytes((photos / "0 nora-01.jpg").read_bytes()[:2000])
    with pytest.raises(PhotoError, match=r"torn\.jpg"):
        chosen_photos([photos])


def verdicts(accepted: int, strangers: int = 0, rejected: int = 0) -> Verdicts:
    photos = [PhotoVerdict(f"a{number}.jpg", "", "accepted") for number in range(accepted)]
    photos += [PhotoVerdict(f"s{number}.jpg", "", "rejected", "another person") for number in range(strangers)]
    photos += [PhotoVerdict(f"r{number}.jpg", "", "rejected", "face blurred") for number in range(rejected)]
    return Verdicts(tuple(photos), tuple(f"s{number}.jpg" for number in range(strangers)), (), ())


def test_two_people_in_equal_number_stop_a_session_and_the_others_photos_are_named():
    with pytest.raises(PhotosUnfitError, match=r"two people: one is in 6, another in 6 \(s0\.jpg"):
        verdicts(6, strangers=6).insist()


def test_a_single_stranger_stops_nothing():
    verdicts(6, strangers=1).insist()


def test_too_few_good_photos_stop_a_session_with_the_reasons():
    with pytest.raises(PhotosUnfitError, match=r"4 of 6 photos will do, and 5 are needed \(r0\.jpg: face blurred"):
        verdicts(4, rejected=2).insist()


def test_the_report_of_a_host_is_told_in_the_names_of_this_machine():
    files = {"ab12": ("Anna 1.jpg", "1" * 64), "cd34": ("Anna 2.JPG", "2" * 64)}
    said = {
        "portrait_studio": [
            {"kind": "photo_report", "strangers": [], "doubts": [], "missing": ["add a view"], "warnings": []}
        ],
        "portrait_studio_photos": [
            {"name": "ab12.jpg", "verdict": "held out", "reason": ""},
            {"name": "portrait-studio/cd34.jpg", "verdict": "rejected", "reason": "nearly the same as ab12.jpg"},
        ],
    }
    found = read_verdicts({"2": said}, files)
    assert [(one.name, one.verdict, one.reason) for one in found.photos] == [
        ("Anna 1.jpg", "held out", ""),
        ("Anna 2.JPG", "rejected", "nearly the same as Anna 1.jpg"),
    ]
    assert Verdicts.of(found.as_dict()) == found


@pytest.mark.parametrize("photos", [[], [{"name": "stranger.jpg"}], ["words"], "words"])
def test_a_host_whose_report_is_on_other_photos_is_not_believed(photos):
    from portrait_studio.runner.client.errors import HostError

    said = {"portrait_studio": [{"kind": "photo_report"}], "portrait_studio_photos": photos}
    with pytest.raises(HostError):
        read_verdicts({"2": said}, {"ab12": ("Anna 1.jpg", "1" * 64)})
