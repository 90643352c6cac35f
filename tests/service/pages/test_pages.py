"""The pages as a browser without scripts uses them, and what every one of them must hold."""

from __future__ import annotations

import io
import json
import re
import zipfile

import pytest
from PIL import Image
from sqlalchemy import select

from portrait_studio.portrait.places import ROOT
from portrait_studio.service import words
from portrait_studio.service.accounts import first_link
from portrait_studio.service.storage import JobRow, PersonRow, PhotoRow
from portrait_studio.service.words import consent
from portrait_studio.service.work import looks, poses, samples, tones

from ..conftest import PASSWORD, photo
from .visiting import PAGES, browser, new_person, send, upload, with_a_portrait, with_good_photos


@pytest.mark.parametrize("language", ["en", "ko"])
def test_looks_are_shown_with_their_pictures_and_names(visitor, studio, language):
    person = with_good_photos(visitor, studio)
    page = visitor.get(f"/people/{person}/looks", headers={"accept-language": language}).text
    assert {"en": "Hand in hair", "ko": "머리를 넘기는 손"}[language] in page
    assert {"en": "Warm film", "ko": "따뜻한 필름"}[language] in page
    pictures = re.findall(r'<img src="(/looks/[^"]+)"', page)
    assert len(pictures) == len(poses()) + len(tones())
    kinds = {}
    for path in pictures:
        answer = visitor.get(path)
        assert answer.headers["content-type"] == "image/webp"
        kinds[answer.content] = Image.open(io.BytesIO(answer.content)).size
    assert len(kinds) == len(pictures)  # no look is like another
    assert set(kinds.values()) == {(168, 224)}


@pytest.mark.parametrize("path", ["/looks/poses/none", "/looks/tones/..%2Fwarm-film", "/looks/poses/warm-film"])
def test_a_look_that_is_not_offered_has_no_picture(visitor, path):
    assert visitor.get(path).status_code in (404, 422)


def test_from_the_first_link_to_waiting_portraits(app, studio):
    with studio.database.session() as session:
        secret = first_link(session, studio.settings.clock())
    visitor = browser(app)
    assert visitor.get(f"/welcome/{secret}").status_code == 200
    made = visitor.post(f"/welcome/{secret}", data={"name": "지수", "password": PASSWORD})
    assert (made.status_code, made.headers["location"]) == (303, "/people")
    assert "HttpOnly" in made.headers["set-cookie"]
    assert "SameSite=strict" in made.headers["set-cookie"]
    person = with_good_photos(visitor, studio)
    page = visitor.get(f"/people/{person}").text
    assert "can be used" in page
    assert "add a left profile" in page
    ordered = send(visitor, f"/people/{person}/looks", pose=poses()[0], tone=[*tones()[:2]], count=2)
    progress = visitor.get(ordered.headers["location"]).text
    assert "Place 1 in the queue" in progress
    assert progress.count("Drawing ") == 4


def test_the_link_is_used_up(app, studio, visitor):
    answer = browser(app).post("/welcome/guess", data={"name": "eve", "password": PASSWORD})
    assert answer.status_code == 410
    assert "used already" in answer.text


def test_a_wrong_password_is_told_in_one_sentence_and_too_many_are_stopped(app, anna):
    stranger = browser(app)
    for _ in range(8):
        answer = stranger.post("/sign-in", data={"name": "anna", "password": "wrong"})
        assert (answer.status_code, "do not belong together" in answer.text) == (403, True)
    stopped = stranger.post("/sign-in", data={"name": "anna", "password": PASSWORD})
    assert stopped.status_code == 429
    assert "wait 15 minutes" in stopped.text


def test_without_consent_nobody_is_made(visitor, studio):
    given = {"name": "Mina", "class_word": "woman", "version": consent("en")["version"]}
    answer = send(visitor, "/people/new", **given)
    assert answer.status_code == 409
    assert "Agree first" in answer.text
    with studio.database.session() as session:
        assert session.scalar(select(PersonRow)) is None


def test_a_refused_photo_says_why_beside_its_name(visitor):
    person = new_person(visitor)
    answer = upload(visitor, person, ("holiday.jpg", b"%PDF-1.7"), ("good.jpg", photo()), **{"HX-Request": "true"})
    assert answer.text.lstrip().startswith("<section")
    assert re.search(r"<strong>holiday.jpg</strong>: .*not a picture", answer.text)
    assert "being looked at" in answer.text
    assert 'hx-trigger="every 2s"' in answer.text


def test_the_gallery_shows_the_last_stage_with_its_likeness(visitor, studio):
    ids = with_a_portrait(visitor, studio)
    page = visitor.get(f"/people/{ids['person']}/gallery").text
    assert f'src="/pictures/{ids["picture"]}/file"' in page
    assert "likeness 0.71" in page
    assert 'type="range" min="0" max="1"' in page
    kept = visitor.get(f"/pictures/{ids['picture']}/file?download=true")
    assert kept.headers["content-disposition"].startswith("attachment")


def test_once_more_takes_a_seed_that_was_not_used(visitor, studio):
    ids = with_a_portrait(visitor, studio)
    assert send(visitor, f"/pictures/{ids['picture']}/again").status_code == 303
    with studio.database.session() as session:
        seeds = [one["seed"] for one in session.scalars(select(JobRow.settings).where(JobRow.kind == "draw"))]
        assert sorted(seeds) == [1, 2]


def test_once_more_with_another_pose_or_tone_keeps_the_seed(visitor, studio):
    ids = with_a_portrait(visitor, studio)
    page = visitor.get(f"/people/{ids['person']}/gallery").text
    assert page.count(f'<option value="{poses()[3]}">') == 1
    assert send(visitor, f"/pictures/{ids['picture']}/again", pose=poses()[3], tone=tones()[0]).status_code == 303
    assert send(visitor, f"/pictures/{ids['picture']}/again", tone=tones()[2]).status_code == 303
    assert send(visitor, f"/pictures/{ids['picture']}/again", tone="none").status_code == 422
    with studio.database.session() as session:
        looks = session.scalars(select(JobRow.settings).where(JobRow.kind == "draw").order_by(JobRow.number)).all()
    first = {"pose": poses()[0], "tone": tones()[0], "seed": 1}
    assert looks == [first, first | {"pose": poses()[3]}, first | {"tone": tones()[2]}]


def test_all_portraits_come_as_one_zip_the_last_stage_of_each(visitor, studio):
    ids = with_a_portrait(visitor, studio)
    assert f'href="/people/{ids["person"]}/gallery/archive"' in visitor.get(f"/people/{ids['person']}/gallery").text
    answer = visitor.get(f"/people/{ids['person']}/gallery/archive")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.namelist() == ["portrait-01.jpg"]
        assert packed.read("portrait-01.jpg") == visitor.get(f"/pictures/{ids['picture']}/file").content


def test_every_pose_and_tone_has_a_picture_that_was_made_of_todays_preset():
    made_of = json.loads(samples.MADE_OF.read_text("utf-8"))
    wanted = {f"poses/{name}": looks.fingerprint("pose", name) for name in poses()}
    assert made_of == wanted | {f"tones/{name}": looks.fingerprint("tone", name) for name in tones()}
    files = sorted(
        file.relative_to(samples.FOLDER).with_suffix("").as_posix() for file in samples.FOLDER.rglob("*.webp")
    )
    assert files == sorted(made_of)


def test_deleting_a_person_is_one_press_and_my_data_says_until_when(visitor, studio):
    person = with_good_photos(visitor, studio)
    page = visitor.get("/my-data").text
    assert "30 days" in page
    assert "Delete Mina for good" in page
    assert send(visitor, f"/people/{person}/delete").status_code == 303
    assert list(studio.blobs.names()) == []
    assert visitor.get(f"/people/{person}").status_code == 404


def test_a_name_is_text_wherever_it_is_shown(visitor, studio):
    name = '<script>alert("x")</script>'
    person = new_person(visitor, name)
    upload(visitor, person, ('"><img src=x onerror=alert(1)>.jpg', photo()))
    for url in ("/people", f"/people/{person}", "/my-data", f"/people/{person}/gallery"):
        text = visitor.get(url).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_pages_speak_korean_when_asked_and_remember_it(app, visitor):
    assert 'lang="ko"' in visitor.get("/people", headers={"Accept-Language": "ko"}).text
    assert visitor.post("/language", data={"language": "ko"}).status_code == 303
    assert "인물" in visitor.get("/people").text


def test_both_languages_say_the_same_things():
    def keys(value, path=""):
        return {path} if isinstance(value, str) else {one for k, v in value.items() for one in keys(v, f"{path}.{k}")}

    def holes(value):
        return set(re.findall(r"{(\w+)}", value))

    english, korean = words._words("en"), words._words("ko")
    assert keys(english) == keys(korean)
    for part in ("problems", "pages"):
        for key, text in english[part].items():
            assert holes(text) == holes(korean[part][key]), key


def test_what_a_report_says_is_korean_for_korean_readers(visitor, studio):
    person = with_good_photos(visitor, studio)
    with studio.database.session() as session:
        row = session.scalars(select(PhotoRow).where(PhotoRow.person_id == person)).first()
        row.state, row.reason = "refused", "face too small: 40 px, 64 needed"
        missing = ["add a left profile, the nose pointing to the left of the picture"]
        session.get_one(PersonRow, person).report = {"missing": missing, "doubts": []}
    page = visitor.get(f"/people/{person}", headers={"Accept-Language": "ko"}).text
    assert "얼굴이 너무 작음: 40px, 64px 필요" in page
    assert "코가 그림의 왼쪽을 향한 옆얼굴을 더하세요" in page
    assert "face too small: 40 px" in visitor.get(f"/people/{person}").text


def test_the_korean_of_reports_is_that_of_the_canvas():
    text = (ROOT / "web" / "js" / "korean.js").read_text("utf-8")
    photos = text[text.index("// Photos.") : text.index("// Training.")]
    canvas = [json.loads(one) for one in re.findall(r"^ *(\[.*\]),$", photos, re.MULTILINE)]
    ours = [[pattern, re.sub(r"\\(\d)", r"$\1", korean)] for pattern, korean in words._reports()]
    assert ours == canvas[2:]  # the first two count photos, which our page does itself


def test_every_text_of_a_template_is_a_text_that_there_is():
    used = {
        key
        for file in (PAGES / "templates").glob("*.html")
        for key in re.findall(r'\bt\("(\w+)"', file.read_text("utf-8"))
    }
    assert used - {"kind_"} <= set(words._words("en")["pages"])
    assert len(used) > 50


def test_no_template_holds_a_script_a_style_or_another_site():
    for file in (PAGES / "templates").glob("*.html"):
        text = file.read_text("utf-8")
        assert not re.search(
            r"<script(?! src=\"/static/)|<style|\sstyle=|\son\w+=|hx-on|javascript:|https?://", text
        ), file.name


def test_every_form_that_changes_something_carries_its_token():
    for file in (PAGES / "templates").glob("*.html"):
        for form in re.findall(r'<form[^>]*method="post"[^>]*>.*?</form>', file.read_text("utf-8"), re.S):
            if not re.search(r'action="/(sign-in|language|welcome/)', form):
                assert 'name="csrf"' in form, (file.name, form[:80])
