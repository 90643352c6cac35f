"""The photo report: every verdict, its reason in words, and the contact sheet."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_studio.portrait import contact_sheet, identity, lettering, report
from portrait_studio.portrait.duplicates import alike, fingerprint, near_duplicates
from portrait_studio.portrait.errors import PortraitError
from portrait_studio.portrait.faces import Face
from portrait_studio.portrait.quality import Quality
from portrait_studio.portrait.report import Limits, PhotoReport, Verdict

from ..present import present
from .scenes import astronaut, group, nobody, person, scaled, turned

RENDERED = Limits(same_person=0.67)
ADA = ("ada_4.jpg", "ada_2.jpg", "ada_6.jpg", "ada_13.jpg")


def judged(extra: np.ndarray, limits: Limits = RENDERED) -> Verdict:
    """The verdict on one more photo beside four good ones of Ada."""
    return report.judge([*map(person, ADA), extra], limits=limits).verdicts[-1]


def test_good_photos_of_one_person_are_accepted():
    result = report.judge([person(name) for name in ADA], list(ADA), RENDERED)
    assert result.accepted == [0, 1, 2, 3]
    assert all(present(verdict.likeness) > 0.8 for verdict in result.verdicts)
    assert result.backend == "sface"


def bright(picture: np.ndarray, gain: float) -> np.ndarray:
    return np.clip(picture * gain, 0, 255).astype(np.uint8)


def with_little_face() -> np.ndarray:
    return np.pad(scaled(person("ada_8.jpg"), 0.4), ((100, 400), (200, 300), (0, 0)), constant_values=120)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        pytest.param(nobody, "no face found", id="nobody"),
        pytest.param(with_little_face, "face too small: ", id="small"),
        pytest.param(lambda: bright(person("ada_4.jpg"), 0.3), "face too dark", id="dark"),
        pytest.param(lambda: bright(astronaut(), 1.8), "face over-exposed: ", id="blown"),
        pytest.param(lambda: cv2.GaussianBlur(person("ada_4.jpg"), (0, 0), 4), "face blurred", id="blurred"),
        pytest.param(lambda: person("ben_0.jpg"), "another person (likeness 0.", id="stranger"),
        pytest.param(lambda: np.ascontiguousarray(np.rot90(person("ada_4.jpg"))), "is on its side", id="on its side"),
        pytest.param(lambda: scaled(person("ada_4.jpg"), 0.9), "nearly the same as photo 1", id="duplicate"),
    ],
)
def test_a_photo_that_will_not_do_is_rejected_with_its_reason(picture, reason):
    verdict = judged(picture())
    assert not verdict.accepted
    assert verdict.reason.startswith(reason)


@pytest.mark.parametrize(("name", "side"), [("ada_8.jpg", "right"), ("ada_0.jpg", "left")])
def test_a_face_turned_too_far_is_rejected_and_the_side_named(name, side):
    verdict = judged(person(name), Limits(same_person=0.5, max_yaw=40))
    assert verdict.reason.startswith(f"turned away to the {side} (")
    assert judged(person(name), Limits(same_person=0.5, max_yaw=85)).accepted


def test_the_subjects_face_counts_in_a_picture_of_two():
    pair = np.concatenate([person("ben_0.jpg"), person("ada_6.jpg")], 1)
    photos = [person(name) for name in ("ada_4.jpg", "ada_2.jpg", "ada_13.jpg")]
    verdict = report.judge([*photos, pair], limits=RENDERED).verdicts[-1]
    assert verdict.accepted
    assert verdict.remarks == ["1 other face in the picture"]
    assert verdict.faces[verdict.face].centre[0] > 320


def test_the_subject_is_who_most_photos_show_not_who_has_most_faces():
    """Six heads in one group picture are one photo; Ada is in two."""
    result = report.judge([group(2, 3), person("ada_4.jpg"), person("ada_2.jpg")], limits=RENDERED)
    assert result.accepted == [1, 2]
    assert result.verdicts[0].reason.startswith("another person")
    assert result.verdicts[0].remarks == ["5 other faces in the picture"]


def test_the_person_asked_for_is_the_subject_even_in_the_minority():
    ben = identity.reference(identity.embed_largest([person("ben_1.jpg")]))
    photos = [person(name) for name in (*ADA, "ben_0.jpg")]
    assert report.judge(photos, limits=RENDERED, person=ben).accepted == [4]


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(slice(40, 240), slice(210, 410)), (slice(100, 300), slice(130, 330)), (slice(0, 140), slice(130, 270))],
    ids=["left", "top", "bottom"],
)
def test_a_face_at_the_border_is_remarked(rows, columns):
    (verdict,) = report.judge([np.ascontiguousarray(astronaut()[rows, columns])]).verdicts
    assert verdict.remarks == ["the face touches the border"]


def test_a_whole_face_is_not_remarked():
    assert report.judge([astronaut()]).verdicts[0].remarks == []


def test_the_sharpest_of_near_duplicates_stays():
    soft = cv2.GaussianBlur(person("ada_4.jpg"), (0, 0), 1.0)
    result = report.judge([soft, person("ada_4.jpg"), person("ada_2.jpg")], ["soft", "crisp", "other"], RENDERED)
    assert result.accepted == [1, 2]
    assert result.verdicts[0].reason == "nearly the same as crisp"


def test_no_photos_and_wrong_names_are_said_in_words():
    with pytest.raises(PortraitError, match="no photos to report on"):
        report.judge([])
    with pytest.raises(PortraitError, match="1 photos arrived with 2 names"):
        report.judge([nobody()], ["a", "b"])


def test_progress_is_told_photo_by_photo():
    told = []
    report.judge([nobody(), nobody()], progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_the_report_is_json():
    facts = report.judge([person("ada_4.jpg"), nobody()], ["가.jpg", "no.jpg"], RENDERED).as_dict()
    again = json.loads(json.dumps(facts))
    assert again == facts
    assert [photo["accepted"] for photo in again["photos"]] == [True, False]
    assert again["photos"][0]["yaw"] == pytest.approx(0, abs=12)
    assert again["photos"][1]["box"] is None


def seen(yaw: float, accepted: bool = True) -> Verdict:
    return Verdict("x", accepted, quality=Quality(yaw, 0, 0, 0.1, 0.8, 0))


def test_missing_views_are_asked_for():
    wanted = report.missing([seen(yaw) for yaw in (0, 5, -30, 60, 0)])
    assert [text.split(",")[0] for text in wanted] == [
        "add a view turned half to the right of the picture",
        "add a left profile",
    ]
    assert report.missing([seen(yaw) for yaw in (0, 30, -30, 60, -60)]) == []
    assert report.missing([seen(0)])[0].startswith("add photos: 1 accepted")
    assert len(report.missing([seen(yaw, accepted=False) for yaw in (0, 30, -30, 60, -60)])) == 6


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        pytest.param(lambda picture: scaled(picture, 0.5), True, id="smaller"),
        pytest.param(lambda picture: bright(picture, 1.2), True, id="brighter"),
        pytest.param(lambda picture: (picture * 0.5).astype(np.uint8), True, id="darker"),
        pytest.param(lambda picture: np.ascontiguousarray(picture[6:, 6:]), True, id="cut a little"),
        pytest.param(lambda picture: turned(picture, 6), False, id="turned"),
        pytest.param(lambda picture: np.ascontiguousarray(picture[40:, 40:]), False, id="framed again"),
        pytest.param(lambda picture: np.ascontiguousarray(picture[:, ::-1]), False, id="mirrored"),
    ],
)
def test_near_duplicates_are_told_from_new_frames(changed, same):
    assert alike(fingerprint(astronaut()), fingerprint(changed(astronaut()))) is same


def test_different_photos_of_one_person_are_no_duplicates():
    assert near_duplicates([fingerprint(person(name)) for name in ("ada_0.jpg", *ADA, "ada_8.jpg", "ada_10.jpg")]) == []


def test_flat_pictures_have_a_fingerprint():
    assert near_duplicates([fingerprint(np.zeros((9, 9, 3), np.uint8))] * 3) == [[0, 1, 2]]


GREEN, RED = contact_sheet.GREEN, contact_sheet.RED


def test_the_contact_sheet_frames_the_accepted_green_and_the_rejected_red():
    photos = [person("ada_4.jpg"), nobody()]
    sheet = contact_sheet.draw(photos, report.judge(photos, ["one", "two"], RENDERED))
    assert sheet.dtype == np.uint8
    cell, gap = contact_sheet.CELL, contact_sheet.GAP
    columns = [sheet[:, gap - 3], sheet[:, gap + cell + gap - 3]]
    for column, colour in zip(columns, (GREEN, RED), strict=True):
        assert (column == colour).all(-1).sum() >= cell


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.text(max_size=80), st.text(max_size=200), st.booleans()), min_size=1, max_size=5),
)
def test_names_and_reasons_of_any_script_are_drawn(rows):
    verdicts = [
        Verdict(name, accepted, reason, [reason], [Face((-5, -5, 400, 9), ((0, 0),) * 5, 0.9)], 0)
        for name, reason, accepted in rows
    ]
    result = PhotoReport(verdicts, [reason for _, reason, _ in rows], "sface", Limits())
    sheet = contact_sheet.draw([np.zeros((9, 14, 3), np.uint8)] * len(rows), result)
    assert sheet.shape[1] >= 3 * contact_sheet.CELL


def test_lone_surrogates_in_a_file_name_are_drawn():
    assert lettering.printable("bad\udcff\n\tname") == "bad   name"


def test_long_text_stays_inside_its_cell():
    font = lettering.font(15)
    for text in ("word " * 60, "x" * 300, "가" * 100, "short"):
        lines = lettering.wrapped(text, font, contact_sheet.CELL, 3)
        assert 1 <= len(lines) <= 3
        assert all(font.getlength(line) <= contact_sheet.CELL for line in lines)
        assert font.getlength(lettering.elided(text, font, contact_sheet.CELL)) <= contact_sheet.CELL
    assert lettering.wrapped("", font, 100, 3) == []
    assert lettering.wrapped("one two", font, 1000, 3) == ["one two"]


def test_an_elided_name_keeps_both_ends():
    shorter = lettering.elided("IMG_20260101_family_gathering_in_the_garden_0042.jpg", lettering.font(15), 200)
    assert shorter.startswith("IMG_")
    assert shorter.endswith("2.jpg")
    assert "..." in shorter
