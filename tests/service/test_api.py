"""The HTTP API as programs use it: in one process with the studio, over real rows and files."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import select

from portrait_studio.service.accounts import SCOPES, make_token
from portrait_studio.service.api import account, make_app, sessions, subjects
from portrait_studio.service.storage import AccountRow, JobRow, PersonRow, PhotoRow, PictureRow, new_id
from portrait_studio.service.words import consent
from portrait_studio.service.work import poses, tones

from .conftest import photo

API = "/api/v1"


@pytest.fixture
def app(studio):
    return make_app(studio)


@pytest.fixture
def client(app, studio, anna):
    """A program of Anna's with every right."""
    return program(app, studio, anna)


def program(app, studio, account, *scopes) -> TestClient:
    with studio.database.session() as session:
        row = session.get_one(AccountRow, account.id)
        _, secret = make_token(session, row, "program", list(scopes or SCOPES), studio.settings.clock())
    return TestClient(app, headers={"Authorization": f"Bearer {secret}"}, raise_server_exceptions=False)


def new_subject(client, name="Mina") -> str:
    given = {"version": consent("en")["version"], "language": "en"}
    made = client.post(f"{API}/subjects", json={"name": name, "class_word": "woman", "consent": given})
    assert made.status_code == 201, made.text
    return made.json()["id"]


def send(client, subject, *files):
    return client.post(f"{API}/subjects/{subject}/photos", files=[("files", one) for one in files])


def with_good_photos(client, studio, count=6) -> str:
    """A subject whose photos have been looked at and found good."""
    subject = new_subject(client)
    assert send(client, subject, *((f"{n}.jpg", photo(n)) for n in range(count))).status_code == 200
    with studio.database.session() as session:
        for row in session.scalars(select(PhotoRow).where(PhotoRow.person_id == subject)):
            row.state = "accepted"
    return subject


def order(client, subject, **more):
    looks = {"poses": [poses()[0]], "tones": [tones()[0]], **more}
    return client.post(f"{API}/subjects/{subject}/sessions", json=looks, headers=more.pop("headers", {}))


def problem(answer) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told = answer.json()
    assert set(told) == {"type", "title", "status", "detail"}
    assert told["status"] == answer.status_code
    return answer.status_code, told["type"].rpartition(":")[2]


def test_from_a_subject_to_waiting_jobs(client, studio):
    subject = with_good_photos(client, studio)
    made = order(client, subject, count=2).json()
    assert [(job["kind"], job["state"], job["place"]) for job in made["jobs"]] == [
        ("train", "waiting", 1), ("draw", "waiting", 2), ("draw", "waiting", 2),
    ]  # fmt: skip
    assert client.get(f"{API}/sessions/{made['id']}").json() == made
    assert [one["id"] for one in client.get(f"{API}/sessions").json()] == [made["id"]]


def test_a_photo_is_kept_upright_and_without_exif(client, studio):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010E] = "taken at home"
    subject = new_subject(client)
    (taken,) = send(client, subject, ("IMG_1.jpg", photo(size=(400, 300), exif=exif))).json()
    assert (taken["photo"]["width"], taken["photo"]["height"]) == (300, 400)
    kept = client.get(f"{API}/photos/{taken['photo']['id']}/file")
    with Image.open(io.BytesIO(kept.content)) as opened:
        assert opened.size == (300, 400)
        assert not dict(opened.getexif())
    assert b"taken at home" not in kept.content


BAD = {
    "a PDF named .jpg": b"%PDF-1.7\n" + bytes(2000),
    "an empty file": b"",
    "a zip": b"PK\x03\x04" + bytes(200),
    "a picture of 200 megapixels": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    + (20000).to_bytes(4, "big") + (10000).to_bytes(4, "big") + b"\x08\x02\x00\x00\x00" + bytes(100),
    "half a photo": photo()[:500],
    "a page": b"<html><script>alert(1)</script>",
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_photo_is_refused_in_one_sentence_and_the_others_are_taken(client, what):
    subject = new_subject(client)
    answer = send(client, subject, ("bad.jpg", BAD[what]), ("good.jpg", photo()))
    bad, good = answer.json()
    assert bad["photo"] is None
    assert bad["reason"].count(".") >= 1
    assert "Traceback" not in bad["reason"]
    assert good["photo"]["state"] == "waiting"
    assert len(client.get(f"{API}/subjects/{subject}/photos").json()) == 1


def test_the_same_set_again_adds_nothing(client):
    subject = new_subject(client)
    files = [(f"{n}.jpg", photo(n)) for n in range(3)]
    send(client, subject, *files)
    again = send(client, subject, *files).json()
    assert [one["reason"] for one in again] == ["This photo is here already."] * 3
    assert len(client.get(f"{API}/subjects/{subject}/photos").json()) == 3


def test_ten_thousand_files_are_refused_before_any_is_kept(client, studio):
    subject = new_subject(client)
    answer = send(client, subject, *((f"{n}.jpg", b"x") for n in range(10_000)))
    assert problem(answer) == (413, "too_many_files")
    assert client.get(f"{API}/subjects/{subject}/photos").json() == []


def test_a_request_that_is_too_large_is_cut_off_whatever_it_says_of_itself(client):
    def body():
        for _ in range(4):
            yield b'{"name": "' + b"x" * 60_000

    assert problem(client.post(f"{API}/subjects", content=body())) == (413, "too_large")
    assert problem(client.post(f"{API}/subjects", content=b"x" * 100_000)) == (413, "too_large")


@pytest.mark.parametrize("name", ["😀" * 300, "../../etc/passwd", 'a"b\n.jpg', "C:\\photos\\mina.jpg", ""])
def test_a_strange_file_name_is_shown_and_nothing_else(client, name):
    subject = new_subject(client)
    (taken,) = send(client, subject, (name or "x", photo())).json()
    assert taken["photo"], taken
    assert len(taken["photo"]["name"]) <= 60
    assert "/" not in taken["photo"]["name"]


def test_a_subject_of_300_emoji_is_refused_in_a_sentence(client):
    given = {"version": consent("en")["version"]}
    answer = client.post(f"{API}/subjects", json={"name": "😀" * 300, "consent": given})
    assert problem(answer) == (422, "bad_request")


def test_a_session_waits_for_the_report_and_for_enough_photos(client, studio):
    subject = new_subject(client)
    assert problem(order(client, subject)) == (409, "no_photos")
    send(client, subject, ("a.jpg", photo()))
    assert problem(order(client, subject)) == (409, "still_looking")
    with studio.database.session() as session:
        session.scalars(select(PhotoRow)).one().state = "accepted"
    answer = order(client, subject)
    assert problem(answer) == (409, "too_few_photos")
    assert "add 4 more" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("wish", "kind"),
    [
        ({"poses": ["none of ours"]}, "unknown_look"),
        ({"poses": []}, "unknown_look"),
        ({"count": 9}, "bad_request"),
        ({"seed": -1}, "bad_request"),
        ({"poses": list(poses()), "tones": list(tones())}, "too_many_pictures"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused_and_nothing_waits(client, studio, wish, kind):
    assert problem(order(client, with_good_photos(client, studio), **wish)) == (422, kind)
    assert client.get(f"{API}/sessions").json() == []


def test_the_same_key_orders_once_and_another_request_cannot_have_it(client, studio):
    subject = with_good_photos(client, studio)
    url, looks = f"{API}/subjects/{subject}/sessions", {"poses": [poses()[0]], "tones": [tones()[0]]}
    first = client.post(url, json=looks, headers={"Idempotency-Key": "night-7"})
    again = client.post(url, json=looks, headers={"Idempotency-Key": "night-7"})
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert len(client.get(f"{API}/sessions").json()) == 1
    other = client.post(url, json={**looks, "seed": 9}, headers={"Idempotency-Key": "night-7"})
    assert problem(other) == (422, "key_reused")


def test_cancelling_the_training_cancels_what_waits_for_it(client, studio):
    made = order(client, with_good_photos(client, studio), count=3).json()
    client.post(f"{API}/jobs/{made['jobs'][0]['id']}/cancel")
    jobs = client.get(f"{API}/sessions/{made['id']}").json()["jobs"]
    assert {job["state"] for job in jobs} == {"cancelled"}
    assert problem(client.post(f"{API}/jobs/{made['jobs'][0]['id']}/cancel")) == (409, "job_over")


def test_news_come_as_server_sent_events_and_go_on_where_a_reader_was(client, studio):
    made = order(client, with_good_photos(client, studio), count=2).json()
    client.post(f"{API}/sessions/{made['id']}/cancel")
    text = client.get(f"{API}/sessions/{made['id']}/events").text
    events = [block.split("\n") for block in text.strip().split("\n\n")]
    assert [block[1] for block in events[:-1]] == ["event: job"] * 3
    assert events[-1][0] == "event: end"
    told = json.loads(events[0][2].removeprefix("data: "))
    assert (told["job"], told["state"]) == (made["jobs"][0]["id"], "cancelled")
    last = events[1][0].removeprefix("id: ")
    rest = client.get(f"{API}/sessions/{made['id']}/events", headers={"Last-Event-ID": last}).text
    assert rest.count("event: job") == 1


def test_one_who_orders_one_portrait_does_not_wait_for_forty_of_anothers(app, studio, client, bert):
    other = program(app, studio, bert)
    order(client, with_good_photos(client, studio), count=8)
    theirs = order(other, with_good_photos(other, studio)).json()
    assert theirs["jobs"][0]["place"] == 2


def test_deleting_a_subject_is_final(client, studio):
    subject = with_good_photos(client, studio)
    order(client, subject)
    assert client.delete(f"{API}/subjects/{subject}").status_code == 204
    assert problem(client.get(f"{API}/subjects/{subject}")) == (404, "not_found")
    assert list(studio.blobs.names()) == []
    with studio.database.session() as session:
        assert session.scalar(select(JobRow)) is None


def test_the_export_is_a_zip_with_the_photos(client, studio):
    with_good_photos(client, studio)
    with zipfile.ZipFile(io.BytesIO(client.post(f"{API}/account/export").content)) as packed:
        assert sum(name.startswith("photos/") for name in packed.namelist()) == 6


def test_a_token_makes_no_token_with_more_rights(app, studio, anna):
    reader = program(app, studio, anna, "read", "work")
    assert problem(reader.post(f"{API}/tokens", json={"name": "b", "scopes": ["read", "delete"]})) == (
        403,
        "not_allowed",
    )
    assert reader.post(f"{API}/tokens", json={"name": "b", "scopes": ["read"]}).status_code == 201


def test_only_an_operator_operates(app, studio, client, operator):
    assert problem(client.get(f"{API}/operator/accounts")) == (403, "not_allowed")
    theirs = program(app, studio, operator)
    assert {row["name"] for row in theirs.get(f"{API}/operator/accounts").json()} == {"olivia", "anna"}
    link = theirs.post(f"{API}/operator/invitations", json={}).json()["link"]
    assert "/welcome/" in link
    assert "token made" in {row["action"] for row in theirs.get(f"{API}/operator/audit").json()}
    assert theirs.get(f"{API}/operator/queue").json()["counts"] == {}


def test_too_many_requests_are_slowed_down(app, client):
    app.state.pace.count = 3
    answers = [client.get(f"{API}/account").status_code for _ in range(5)]
    assert answers == [200, 200, 200, 429, 429]


def test_a_problem_speaks_the_readers_language(client):
    korean = client.get(f"{API}/photos/{new_id()}", headers={"Accept-Language": "ko-KR,ko;q=0.9"})
    assert "자료가 없습니다" in korean.json()["detail"]


def test_nothing_may_be_inline_or_from_elsewhere(client):
    headers = client.get(f"{API}/account").headers
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert (
        headers["referrer-policy"] == "same-origin"
    )  # with no-referrer a browser sends our own forms with Origin null
    assert headers["cache-control"] == "no-store"


def test_the_description_is_openapi_3_1_and_every_route_of_it_tells_its_problems(client):
    told = client.get(f"{API}/openapi.json").json()
    assert told["openapi"].startswith("3.1")
    for path, methods in told["paths"].items():
        for method, what in methods.items():
            assert what.get("description"), (method, path)
            assert {"401", "404", "422"} <= set(what["responses"]), (method, path)


# --- Somebody else's --------------------------------------------------------------------------------------------------

OPEN = {("GET", f"{API}/openapi.json")}
"""Routes that tell nothing of anybody, and are open to all."""


def api_routes(app) -> list[tuple[str, str]]:
    """Every (method, path) of the API, from the description that is made of the routes themselves."""
    listed = [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]
    return [(method, path) for method, path in listed if path.startswith(API)]


def ids_of(client, studio) -> dict[str, str]:
    """An id of each kind, all of one account, by their name in a path."""
    subject = with_good_photos(client, studio)
    made = order(client, subject).json()
    with studio.database.session() as session:
        person = session.get_one(PersonRow, subject)
        picture = PictureRow(
            owner_id=person.owner_id, person_id=subject, job_id=made["jobs"][1]["id"],
            blob=studio.blobs.put("pictures", b"p"),
            sha256=new_id(), size=1, media_type="image/png", stage="", place=0, created=studio.settings.clock(),
        )  # fmt: skip
        session.add(picture)
        session.flush()
        photo_id = session.scalars(select(PhotoRow.id).where(PhotoRow.person_id == subject)).first()
        found = {"subject": subject, "photo": photo_id, "picture": picture.id}
    token = client.post(f"{API}/tokens", json={"name": "t", "scopes": ["read"]}).json()["id"]
    return {**found, "session": made["id"], "job": made["jobs"][0]["id"], "token": token}


BODIES = {
    "/subjects/{subject}/sessions": {"json": {"poses": ["a"], "tones": ["a"]}},
    "/subjects/{subject}/photos": {"files": [("files", ("a.jpg", b"x"))]},
}


def test_a_second_account_is_refused_at_every_url_and_id_of_the_first(app, studio, client, bert):
    ids = ids_of(client, studio)
    other = program(app, studio, bert)
    seen_with_id = set()
    for method, path in api_routes(app):
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        for name in names:
            assert name in ids, (
                f"{path} has an id that this test does not know: add one of the first account's to ids_of"
            )
            seen_with_id.add(name)
        if not names:
            continue
        url = path.format(**ids)
        body = BODIES.get(path.removeprefix(API), {}) if method == "POST" else {}
        assert problem(other.request(method, url, **body)) == (404, "not_found"), (method, path)
    assert seen_with_id == set(ids)
    # And nothing was changed or taken away meanwhile.
    for name, plural in (("subject", "subjects"), ("photo", "photos"), ("picture", "pictures"), ("job", "jobs")):
        assert client.get(f"{API}/{plural}/{ids[name]}").status_code == 200
    assert client.get(f"{API}/sessions/{ids['session']}").json()["jobs"][0]["state"] == "waiting"


def test_lists_of_a_second_account_show_nothing_of_the_first(app, studio, client, bert):
    ids = ids_of(client, studio)
    other = program(app, studio, bert)
    for method, path in api_routes(app):
        if method == "GET" and "{" not in path and "/operator/" not in path:
            text = other.get(path).text
            assert not [id for id in ids.values() if id in text], path


def test_without_a_token_every_route_is_closed(app, studio, client):
    ids = ids_of(client, studio)
    nobody = TestClient(app, raise_server_exceptions=False)
    for headers in ({}, {"Authorization": "Bearer pst_guess"}, {"Authorization": "Basic YTpi"}, {"Cookie": "login=x"}):
        for method, path in api_routes(app):
            if (method, path) not in OPEN:
                answer = nobody.request(method, path.format(**ids), headers=headers)
                assert problem(answer) == (401, "sign_in"), (method, path)


def test_every_route_asks_for_a_scope_and_a_token_without_it_is_refused(app, studio, client, anna):
    ids = ids_of(client, studio)
    scopes = {one: scope_of(*one) for one in api_routes(app) if one not in OPEN}
    assert set(scopes.values()) <= set(SCOPES)
    for (method, path), scope in scopes.items():
        without = program(app, studio, anna, *(one for one in SCOPES if one != scope))
        answer = without.request(method, path.format(**ids))
        assert problem(answer) == (403, "not_allowed"), (method, path)


def scope_of(method, path) -> str:
    """The scope of a route, of its dependency; fails for a route that has none."""
    routes = [route for module in (subjects, sessions, account) for route in module.router.routes]
    (route,) = [one for one in routes if API + one.path == path and method in one.methods]
    (scope,) = [one.call.scope for one in route.dependant.dependencies if hasattr(one.call, "scope")]
    return scope
