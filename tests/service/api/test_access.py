"""Tokens, scopes and accounts: nobody reaches what is somebody else's."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from portrait_studio.service.accounts import AT_THE_DOOR, SCOPES
from portrait_studio.service.api.app import ROUTERS

from .asking import API, browser_at_a_front, ids_of, problem, program


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


OPEN = {("GET", f"{API}/openapi.json")}
"""Routes that tell nothing of anybody, and are open to all."""
EVERYBODYS = {f"{API}/presets/poses/{{pose}}/picture", f"{API}/presets/tones/{{tone}}/picture"}
"""Routes that are the same for whoever has a token."""


def api_routes(app) -> list[tuple[str, str]]:
    """Every (method, path) of the API, from the description that is made of the routes themselves."""
    listed = [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]
    return [(method, path) for method, path in listed if path.startswith(API)]


BODIES = {
    "/subjects/{subject}/sessions": {"json": {"poses": ["a"], "tones": ["a"]}},
    "/subjects/{subject}/photos": {"files": [("files", ("a.jpg", b"x"))]},
}


ASKERS = pytest.mark.parametrize("asker", [program, browser_at_a_front], ids=["a token", "a browser at a front"])


@ASKERS
def test_a_second_account_is_refused_at_every_url_and_id_of_the_first(app, studio, client, bert, asker):
    ids = ids_of(client, studio)
    other = asker(app, studio, bert)
    seen_with_id = set()
    for method, path in api_routes(app):
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        for name in names:
            assert name in ids, (
                f"{path} has an id that this test does not know: add one of the first account's to ids_of"
            )
            seen_with_id.add(name)
        if not names or path in EVERYBODYS:
            continue
        url = path.format(**ids)
        body = BODIES.get(path.removeprefix(API), {}) if method == "POST" else {}
        assert problem(other.request(method, url, **body)) == (404, "not_found"), (method, path)
    assert seen_with_id == set(ids)
    # And nothing was changed or taken away meanwhile.
    for name, plural in (("subject", "subjects"), ("photo", "photos"), ("picture", "pictures"), ("job", "jobs")):
        assert client.get(f"{API}/{plural}/{ids[name]}").status_code == 200
    assert client.get(f"{API}/sessions/{ids['session']}").json()["jobs"][0]["state"] == "waiting"


@ASKERS
def test_lists_of_a_second_account_show_nothing_of_the_first(app, studio, client, bert, asker):
    ids = {name: id for name, id in ids_of(client, studio).items() if name not in ("pose", "tone")}
    other = asker(app, studio, bert)
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


def test_what_a_browser_holds_is_worth_nothing_without_a_fronts_token(app, studio, client, anna, bert):
    ids = ids_of(client, studio)
    login = browser_at_a_front(app, studio, anna).headers["studio-login"]
    nobody = TestClient(app, raise_server_exceptions=False)
    for headers in ({"Authorization": f"Bearer {login}"}, {"Studio-Login": login}):
        assert problem(nobody.get(f"{API}/subjects/{ids['subject']}", headers=headers)) == (401, "sign_in")
    other = program(app, studio, bert)
    assert problem(other.get(f"{API}/subjects/{ids['subject']}", headers={"Studio-Login": login}))[0] == 404
    assert other.get(f"{API}/account", headers={"Studio-Login": login}).json()["name"] == "bert"


def test_a_front_alone_reads_nothing_of_anybody(app, studio, client, anna):
    ids = ids_of(client, studio)
    front = browser_at_a_front(app, studio, anna)
    del front.headers["studio-login"]
    for method, path in api_routes(app):
        answer = front.request(method, path.format(**ids))
        if "/logins" in path:
            assert answer.status_code in (204, 401, 422), (method, path)
        else:
            assert problem(answer) == (403, "not_allowed"), (method, path)
    front.headers["studio-login"] = "one that has ended"
    assert problem(front.get(f"{API}/subjects")) == (401, "sign_in")


def test_no_account_makes_a_token_for_a_front(client):
    assert problem(client.post(f"{API}/tokens", json={"name": "b", "scopes": ["front"]}))[0] in (403, 422)


def test_every_route_asks_for_a_scope_and_a_token_without_it_is_refused(app, studio, client, anna):
    ids = ids_of(client, studio)
    scopes = {one: scope_of(*one) for one in api_routes(app) if one not in OPEN}
    assert set(scopes.values()) <= {*SCOPES, AT_THE_DOOR}
    for (method, path), scope in scopes.items():
        without = program(app, studio, anna, *(one for one in SCOPES if one != scope))
        answer = without.request(method, path.format(**ids))
        assert problem(answer) == (403, "not_allowed"), (method, path)


def scope_of(method, path) -> str:
    """The scope of a route, of its dependency; fails for a route that has none."""
    routes = [route for router in ROUTERS for route in router.routes]
    (route,) = [one for one in routes if API + one.path == path and method in one.methods]
    (scope,) = [one.call.scope for one in route.dependant.dependencies if hasattr(one.call, "scope")]
    return scope
