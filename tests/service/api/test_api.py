"""The HTTP API as programs use it: in one process with the studio, over real rows and files."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from PIL import Image
from sqlalchemy import select

from portrait_studio.service.storage import JobRow, PhotoRow, new_id
from portrait_studio.service.words import consent
from portrait_studio.service.work import poses, tones

from ..conftest import photo
from .asking import API, new_subject, order, problem, program, send, with_good_photos


def test_from_a_subject_to_waiting_jobs(client, studio):
    subject = with_good_photos(client, studio)
    made = order(client, subject, count=2).json()
    assert [(job["kind"], job["state"], job["place"]) for job in made["jobs"]] == [
        ("train", "waiting", 1), ("draw", "waiting", 2), ("draw", "waiting", 3),
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
