"""The report on the disk and as a page."""

from __future__ import annotations

import json
import re

import pytest

from portrait_studio.portrait import identity
from portrait_studio.portrait.likeness import page, papers, report
from portrait_studio.portrait.subjects import SubjectError

from .people import TRAINED, known, person, photo


@pytest.fixture
def folder(tmp_path):
    pictures = [photo("david", 101), photo("david", TRAINED[0])]
    told = report.report(pictures, person("david"), known("david"), identity.embedder())
    papers.write(tmp_path / "likeness", told, pictures, known("david"), "David & <b>Co</b>")
    return tmp_path / "likeness"


def test_the_page_shows_every_picture_beside_its_nearest_photo_and_marks_the_copy(folder):
    text = page.page(folder)
    assert text.count('src="data:image/jpeg;base64,') == 4
    assert text.count('class="pair copy"') == 1
    assert "Nearest photo david-01.jpg: face 1.00, pixels 1.00, copied 1.00" in text.split('class="pair copy"')[1]
    assert "Copies of training photos: <b>1</b> of 2" in text


def test_the_page_fetches_nothing_runs_nothing_and_escapes_names(folder):
    text = page.page(folder)
    assert "David &amp; &lt;b&gt;Co&lt;/b&gt;" in text
    assert "<script" not in text
    assert not re.findall(r"(?:src|href)=\"(?!data:)", text)
    assert "default-src 'none'" in text


def test_a_report_that_holds_anything_is_text_on_the_page_or_refused(folder):
    facts = json.loads((folder / papers.REPORT).read_text())
    hostile = "<script>alert(1)</script>"
    facts |= {"backend": hostile, "likeness": hostile, "own_band": {"low": hostile}, "remarks": [hostile]}
    facts |= {"photos": [hostile] * 9, "copies": hostile, "second": {"backend": hostile, "likeness": hostile}}
    facts |= {"spread": {hostile: hostile}, "looks": {hostile: hostile}}
    facts["pictures"][0] |= {"band": hostile, "nearest_face": hostile, "likeness": hostile, "copied": hostile}
    (folder / papers.REPORT).write_text(json.dumps(facts))
    assert "<script" not in page.page(folder)
    (folder / papers.REPORT).write_text("[]")
    with pytest.raises(SubjectError, match="not what training writes"):
        page.page(folder)


def test_a_new_report_takes_the_place_of_the_old_one(folder):
    told = report.report([photo("david", 102)], person("david"), known("david"), identity.embedder())
    papers.write(folder, told, [photo("david", 102)], known("david"), "David")
    assert len(list(folder.glob("picture-*.jpg"))) == 1


def test_a_subject_without_a_report_is_told_to_be_trained_again(tmp_path):
    with pytest.raises(SubjectError, match="train it again"):
        page.page(tmp_path)
