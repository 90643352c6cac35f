"""What a program asks of the API."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy import select

from portrait_studio.service.accounts import SCOPES, begin, make_front, make_token
from portrait_studio.service.storage import AccountRow, PersonRow, PhotoRow, PictureRow, new_id
from portrait_studio.service.words import consent
from portrait_studio.service.work import poses, tones

from ..conftest import photo

API = "/api/v1"


def program(app, studio, account, *scopes) -> TestClient:
    with studio.database.session() as session:
        row = session.get_one(AccountRow, account.id)
        _, secret = make_token(session, row, "program", list(scopes or SCOPES), studio.settings.clock())
    return TestClient(app, headers={"Authorization": f"Bearer {secret}"}, raise_server_exceptions=False)


def browser_at_a_front(app, studio, account) -> TestClient:
    """What a server with pages asks for somebody who is signed in there."""
    with studio.database.session() as session:
        token = make_front(session, f"front of {account.name}", studio.settings.clock())
        login = begin(session, session.get_one(AccountRow, account.id), studio.settings.clock()).secret
    headers = {"Authorization": f"Bearer {token}", "Studio-Login": login}
    return TestClient(app, headers=headers, raise_server_exceptions=False)


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
    mine = {"session": made["id"], "job": made["jobs"][0]["id"], "token": token}
    return {**found, **mine, "pose": poses()[0], "tone": tones()[0]}


def problem(answer) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told = answer.json()
    assert set(told) == {"type", "title", "status", "detail"}
    assert told["status"] == answer.status_code
    return answer.status_code, told["type"].rpartition(":")[2]
