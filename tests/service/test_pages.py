"""The pages as a browser without scripts uses them, and what every one of them must hold."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import select

from portrait_studio.service import words
from portrait_studio.service.accounts import first_link, make_token
from portrait_studio.service.api import make_app
from portrait_studio.service.pages import add_pages
from portrait_studio.service.pages.app import ROUTERS
from portrait_studio.service.storage import AccountRow, JobRow, LoginRow, PersonRow, PhotoRow, PictureRow, new_id
from portrait_studio.service.words import consent
from portrait_studio.service.work import poses, tones

from .conftest import PASSWORD, photo

PAGES = Path(words.__file__).parents[1] / "pages"


@pytest.fixture
def app(studio):
    made = make_app(studio)
    add_pages(made)
    return made


def browser(app) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1:8300", raise_server_exceptions=False, follow_redirects=False)


def signed(app, name) -> TestClient:
    visitor = browser(app)
    answer = visitor.post("/sign-in", data={"name": name, "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/people")
    return visitor


@pytest.fixture
def visitor(app, anna):
    return signed(app, "anna")


def csrf(visitor) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', visitor.get("/people").text)[1]


def send(visitor, url, **fields):
    return visitor.post(url, data={"csrf": csrf(visitor), **fields})


def new_person(visitor, name="Mina") -> str:
    given = {"name": name, "class_word": "woman", "version": consent("en")["version"], "agreed": "yes"}
    answer = send(visitor, "/people/new", **given)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].rpartition("/")[2]


def upload(visitor, person, *files, **headers):
    return visitor.post(
        f"/people/{person}/photos",
        data={"csrf": csrf(visitor)},
        files=[("files", one) for one in files],
        headers=headers,
    )


def with_good_photos(visitor, studio) -> str:
    person = new_person(visitor)
    assert upload(visitor, person, *((f"{n}.jpg", photo(n)) for n in range(6))).status_code == 200
    with studio.database.session() as session:
        for row in session.scalars(select(PhotoRow).where(PhotoRow.person_id == person)):
            row.state = "accepted"
        session.get_one(PersonRow, person).report = {"missing": ["add a left profile"], "doubts": []}
    return person


def with_a_portrait(visitor, studio) -> dict[str, str]:
    """An id of each kind, all of one account, by their names in paths."""
    person = with_good_photos(visitor, studio)
    ordered = send(visitor, f"/people/{person}/looks", pose=poses()[0], tone=tones()[0])
    session_id = ordered.headers["location"].rpartition("/")[2]
    with studio.database.session() as session:
        photo_row = session.scalars(select(PhotoRow).where(PhotoRow.person_id == person)).first()
        job = session.scalars(select(JobRow).where(JobRow.sitting_id == session_id, JobRow.kind == "draw")).one()
        ids = []
        for place, stage, likeness in ((5, "upscale", 0.71), (1, "text-to-image", 0.4)):
            row = PictureRow(
                owner_id=photo_row.owner_id, person_id=person, job_id=job.id,
                stage=stage, place=place, likeness=likeness,
                blob=studio.blobs.put("pictures", photo()), sha256=new_id(), size=9, media_type="image/jpeg",
                created=studio.settings.clock(),
            )  # fmt: skip
            session.add(row)
            session.flush()
            ids.append(row.id)
        account = session.get_one(AccountRow, photo_row.owner_id)
        token, _ = make_token(session, account, "script", ["read"], studio.settings.clock())
        rows = {"person": person, "photo": photo_row.id, "session": session_id, "picture": ids[0], "token": token}
        return {**rows, "pose": poses()[0], "tone": tones()[0]}


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
    assert set(kinds.values()) == {(150, 200)}


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


# --- Somebody else's --------------------------------------------------------------------------------------------------

OPEN = {"/sign-in", "/welcome/{secret}", "/language", "/"}
"""Pages for whoever is not signed in."""
EVERYBODYS = {"/looks/poses/{pose}", "/looks/tones/{tone}"}
"""Pages that are the same for whoever is signed in."""


def page_routes() -> list[tuple[str, str]]:
    return [
        (method, route.path) for router in ROUTERS for route in router.routes for method in route.methods - {"HEAD"}
    ]


def test_no_page_is_missed_here(app):
    """FastAPI has no route that the routers above do not have, but the API's and the static files."""
    known = {path for _, path in page_routes()}
    strange = set()
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            strange.add(getattr(route, "path", ""))
        elif inner not in ROUTERS:
            strange |= {f"/api/v1{one.path}" for one in inner.routes}
    assert all(path in known or path.startswith(("/api/v1/", "/static")) for path in strange), strange


def asked(visitor, method, path, ids, token):
    url = path.format(**{"secret": "x", **ids})
    return visitor.request(method, url, data={"csrf": token} if method == "POST" else None)


def test_a_second_account_is_refused_at_every_page_and_id_of_the_first(app, studio, visitor, bert):
    ids = with_a_portrait(visitor, studio)
    other = signed(app, "bert")
    token = csrf(other)
    for method, path in page_routes():
        names = re.findall(r"{(\w+)}", path)
        if not names or path in OPEN or path in EVERYBODYS:
            continue
        assert set(names) <= set(ids), f"{path} has an id that this test does not know: add one to with_a_portrait"
        answer = asked(other, method, path, ids, token)
        assert answer.status_code == 404, (method, path, answer.status_code)
    mine = csrf(visitor)
    for method, path in page_routes():
        if method == "GET" and "{" in path and path not in OPEN:  # the first account's own are all there still
            assert asked(visitor, method, path, ids, mine).status_code == 200, path


def test_pages_of_a_second_account_show_nothing_of_the_first(app, studio, visitor, bert):
    ids = with_a_portrait(visitor, studio)
    other = signed(app, "bert")
    for method, path in page_routes():
        if method == "GET" and "{" not in path:
            text = other.get(path).text
            assert not [id for id in ids.values() if id in text], path
            assert "Mina" not in text


def test_whoever_is_not_signed_in_is_led_to_where_they_can_be(app, studio, visitor):
    ids = with_a_portrait(visitor, studio)
    stranger = browser(app)
    for method, path in page_routes():
        if path not in OPEN:
            answer = asked(stranger, method, path, ids, "guess")
            assert (answer.status_code, answer.headers.get("location")) == (303, "/sign-in"), (method, path)


def test_a_form_of_another_site_changes_nothing(app, studio, visitor):
    ids = with_a_portrait(visitor, studio)
    token = csrf(visitor)
    for method, path in page_routes():
        if method != "POST":
            continue
        url = path.format(**{"secret": "x", **ids})
        elsewhere = visitor.post(url, data={"csrf": token}, headers={"Origin": "https://evil.example"})
        assert elsewhere.status_code == 403, path
        if path not in OPEN:
            assert visitor.post(url, data={"csrf": "guess"}).status_code == 403, path
            assert visitor.post(url).status_code == 403, path
    with studio.database.session() as session:
        assert session.get(PersonRow, ids["person"]) is not None
        assert session.get(PictureRow, ids["picture"]) is not None


def test_only_an_operator_sees_the_operators_page(app, studio, visitor, operator):
    assert visitor.get("/operator").status_code == 404
    assert send(visitor, "/operator/invite").status_code == 404
    theirs = signed(app, "olivia")
    page = theirs.get("/operator").text
    assert "anna" in page
    assert "no signature" in page
    assert "/welcome/" in send(theirs, "/operator/invite").text


def test_a_key_made_on_a_page_opens_the_api_and_is_shown_once(app, visitor):
    page = send(visitor, "/my-data/tokens", name="a script", scope=["read", "photos"]).text
    secret = re.search(r"pst_[\w-]+", page)[0]
    told = browser(app).get("/api/v1/account", headers={"Authorization": f"Bearer {secret}"})
    assert told.json()["name"] == "anna"
    listed = visitor.get("/my-data").text
    assert "a script" in listed
    assert secret not in listed


def test_signing_out_ends_the_cookie(app, studio, visitor):
    stolen = visitor.cookies["login"]
    assert send(visitor, "/sign-out").status_code == 303
    thief = browser(app)
    thief.cookies.set("login", stolen)
    assert thief.get("/people").status_code == 303
    with studio.database.session() as session:
        assert session.scalar(select(LoginRow)) is None


def test_static_files_are_ours_and_may_be_loaded(app):
    for name in ("htmx.min.js", "studio.js", "studio.css", "icon.svg"):
        answer = browser(app).get(f"/static/{name}")
        assert answer.status_code == 200
        assert "unsafe" not in answer.headers["content-security-policy"]


def test_a_password_is_changed_by_who_knows_it_and_every_browser_signs_in_again(app, visitor):
    elsewhere = signed(app, "anna")
    refused = send(visitor, "/my-data/password", old="not that one", new=PASSWORD * 2)
    assert refused.status_code == 403
    assert "That is not the password you have now" in refused.text
    assert send(visitor, "/my-data/password", old=PASSWORD, new="short").status_code == 422
    assert elsewhere.get("/people").status_code == 200
    changed = send(visitor, "/my-data/password", old=PASSWORD, new=PASSWORD * 2)
    assert (changed.status_code, changed.headers["location"]) == (303, "/sign-in")
    for one in (visitor, elsewhere):
        assert one.get("/people").headers["location"] == "/sign-in"
    assert browser(app).post("/sign-in", data={"name": "anna", "password": PASSWORD}).status_code == 403
    again = browser(app).post("/sign-in", data={"name": "anna", "password": PASSWORD * 2})
    assert again.headers["location"] == "/people"
