"""Pages and people: who is not signed in, a second account, another site, an operator."""

from __future__ import annotations

import re

from sqlalchemy import select

from portrait_studio.service.pages.app import ROUTERS
from portrait_studio.service.storage import LoginRow, PersonRow, PictureRow

from ..conftest import PASSWORD
from .visiting import browser, csrf, send, signed, with_a_portrait

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


def test_a_key_made_on_a_page_opens_the_api_and_is_shown_once(api, visitor):
    page = send(visitor, "/my-data/tokens", name="a script", scope=["read", "photos"]).text
    secret = re.search(r"pst_[\w-]+", page)[0]
    told = browser(api).get("/api/v1/account", headers={"Authorization": f"Bearer {secret}"})
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
