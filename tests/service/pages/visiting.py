"""What a person does in a browser without scripts."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import select

from portrait_studio.service import words
from portrait_studio.service.accounts import make_token
from portrait_studio.service.storage import AccountRow, JobRow, PersonRow, PhotoRow, PictureRow, new_id
from portrait_studio.service.words import consent
from portrait_studio.service.work import poses, tones

from ..conftest import PASSWORD, photo

PAGES = Path(words.__file__).parents[1] / "pages"


def browser(app) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1:8300", raise_server_exceptions=False, follow_redirects=False)


def signed(app, name) -> TestClient:
    visitor = browser(app)
    answer = visitor.post("/sign-in", data={"name": name, "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/people")
    return visitor


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
