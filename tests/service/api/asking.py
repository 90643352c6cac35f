"""What a program asks of the API."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy import select

from portrait_studio.service.accounts import SCOPES, make_token
from portrait_studio.service.storage import AccountRow, PhotoRow
from portrait_studio.service.words import consent
from portrait_studio.service.work import poses, tones

from ..conftest import photo

API = "/api/v1"


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
