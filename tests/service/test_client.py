"""The typed client: compared with the description of the API, and asked over real connections."""

from __future__ import annotations

import contextlib
import inspect
import select as select_module
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import select

from portrait_studio.service.accounts import SCOPES, Holder, make_token
from portrait_studio.service.api import make_app
from portrait_studio.service.api.callers import Caller
from portrait_studio.service.api.here import Here
from portrait_studio.service.client import Content, Operations, StudioClient
from portrait_studio.service.errors import StudioError
from portrait_studio.service.shapes import ConsentGiven, NewSession, NewSubject
from portrait_studio.service.storage import AccountRow, PhotoRow
from portrait_studio.service.work import poses, tones

from .conftest import photo, serving

API = "/api/v1"
BY_HAND = {
    "add_photos": ("post", "/subjects/{subject}/photos"),
    "session_events": ("get", "/sessions/{session}/events"),
}
"""What does not go through `_ask` or `_fetch`, and is tried over HTTP below."""


class Recorder(Operations):
    """Writes down what every method would ask for."""

    def __init__(self) -> None:
        self.asked = []

    def add_photos(self, subject, files):
        raise NotImplementedError

    def _ask(self, method, path, gives, body=None, key="", **where):
        self.asked.append((method.lower(), path, gives, body, key, where))

    def _fetch(self, method, path, **where):
        self.asked.append((method.lower(), path, Content, None, "", where))


def called(name: str):
    """What a method asks for, every argument given by its declared type."""
    recorder, method = Recorder(), getattr(Operations, name)
    hints = inspect.get_annotations(method, eval_str=True)
    given = {"str": "x", "int": 1}
    arguments = {
        one: hints[one].model_construct() if issubclass(hints[one], BaseModel) else given[hints[one].__name__]
        for one in inspect.signature(method).parameters
        if one != "self"
    }
    getattr(recorder, name)(**arguments)
    (asked,) = recorder.asked
    return asked, arguments, hints["return"]


NAMES = [
    name for name, one in vars(Operations).items() if inspect.isfunction(one) and name[0] != "_" and name not in BY_HAND
]


@pytest.fixture
def told(studio):
    """The description that the API gives of itself."""
    return make_app(studio).openapi()


def plain(schema, parts):
    """A schema without titles, and with what it refers to in place."""
    if isinstance(schema, list):
        return [plain(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return plain(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {key: plain(one, parts) for key, one in schema.items() if key not in ("title", "$defs")}


def schema_of(type_, mode):
    """A type's schema, as `plain` gives it."""
    made = TypeAdapter(type_).json_schema(mode=mode)
    return plain(made, made.get("$defs", {}))


def test_every_route_has_a_method_and_every_method_a_route(told):
    routes = {(method, path) for path, methods in told["paths"].items() for method in methods}
    ours = {called(name)[0][:2] for name in NAMES} | set(BY_HAND.values())
    assert routes == {(method, API + path) for method, path in ours}


@pytest.mark.parametrize("name", NAMES)
def test_a_method_takes_and_gives_what_the_description_says(told, name):
    (method, path, gives, body, key, where), arguments, returns = called(name)
    operation, parts = told["paths"][API + path][method], told["components"]["schemas"]
    assert operation["operationId"].startswith(name)
    taken = {(one["in"], one["name"]) for one in operation.get("parameters", ())}
    in_path = {f"{{{one}}}" for one in where if f"{{{one}}}" in path}
    assert {("path", one[1:-1]) for one in in_path} == {one for one in taken if one[0] == "path"}
    assert {one for one in where if f"{{{one}}}" not in path} == {one[1] for one in taken if one[0] == "query"}
    assert bool(key) == (("header", "Idempotency-Key") in taken)
    assert all(where[one] == arguments[one] for one in where)
    wanted = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    assert (wanted and plain(wanted, parts)) == (body and schema_of(type(body), "validation"))
    (answer,) = [one for code, one in operation["responses"].items() if code.startswith("2")]
    content = answer.get("content", {})
    if gives is Content:
        assert not set(content) & {"application/json"}
        assert content
    elif gives is type(None):
        assert not content
    else:
        assert plain(content["application/json"]["schema"], parts) == schema_of(gives, "serialization")
    assert returns == (None if gives is type(None) else gives)


def test_in_one_process_too_an_operation_asks_for_its_scope(studio, anna):
    with studio.database.session(reading=True) as session:
        reader = Here(Caller(studio, session, Holder(anna, frozenset(["read"])), studio.settings.clock()))
        assert reader.list_subjects() == []
        for ask in (reader.show_queue, reader.export_account, lambda: reader.add_photos("x", [])):
            with pytest.raises(StudioError, match="needs the right to"):
                ask()


# --- Over HTTP --------------------------------------------------------------------------------------------------------


def token_of(studio, account, *scopes) -> str:
    with studio.database.session() as session:
        row = session.get_one(AccountRow, account.id)
        return make_token(session, row, "t", list(scopes or SCOPES), studio.settings.clock())[1]


@pytest.fixture
def address(studio):
    with serving(make_app(studio)) as url:
        yield url


@pytest.fixture
def client(address, studio, anna):
    with StudioClient(address, token_of(studio, anna)) as client:
        yield client


def subject(client, key="") -> str:
    given = ConsentGiven(version=client.show_consent().version)
    return client.add_subject(NewSubject(name="Mina", consent=given), key).id


def test_from_a_subject_to_the_end_of_a_session(client, studio):
    id = subject(client)
    taken = client.add_photos(
        id, [*((f"{n}.jpg", photo(n)) for n in range(5)), ("no.jpg", b"%PDF"), ("0.jpg", photo(0))]
    )
    assert [one.photo is not None for one in taken] == [True] * 5 + [False] * 2
    assert client.photo_file(taken[0].photo.id).read().startswith(b"\xff\xd8")
    with studio.database.session() as session:
        for row in session.scalars(select(PhotoRow)):
            row.state = "accepted"
    wanted = NewSession(poses=[poses()[0]], tones=[tones()[0]], count=2)
    made = client.add_session(id, wanted, "a key")
    assert client.add_session(id, wanted, "a key") == made
    assert [job.kind for job in made.jobs] == ["train", "draw", "draw"]
    assert (client.show_subject(id).photos, client.list_sessions()) == (5, [made])
    client.cancel_session(made.id)
    news = list(client.session_events(made.id))
    assert [one.facts["state"] for one in news] == ["cancelled"] * 3
    assert list(client.session_events(made.id, news[0].id)) == news[1:]
    assert client.export_account().read().startswith(b"PK")
    client.remove_subject(id)
    assert client.list_subjects() == []


def test_a_refusal_has_its_kind_and_its_sentence_in_the_readers_language(address, studio, anna):
    with StudioClient(address, token_of(studio, anna), "ko") as client:
        with pytest.raises(StudioError, match="자료가 없습니다") as caught:
            client.show_subject("../tokens")
        assert (caught.value.kind, caught.value.status) == ("not_found", 404)
        (refused,) = client.add_photos(subject(client), [("a.jpg", b"%PDF")])
        assert "사진을" in refused.reason


STRANGE = {
    "no JSON": (200, {}, b"<html>"),
    "another shape": (200, {}, b'[{"id": 3}]'),
    "too much": (200, {}, b"[" + b" " * 33_000_000 + b"]"),
    "an error that is no problem": (500, {}, b"oh no"),
    "a problem of another kind": (400, {}, b'{"type": "about:blank", "detail": 7}'),
    "half an answer": (200, {"Content-Length": "1000"}, b"[]"),
    "a way elsewhere": (302, {"Location": "http://127.0.0.1:1/"}, b""),
}


@pytest.fixture
def strange(request):
    """A server that answers everything in one way; yields its address and the tokens that it was shown."""
    status, headers, body = STRANGE[request.param]
    shown = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            shown.append(self.headers["Authorization"])
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("strange", STRANGE, indirect=True)
def test_whatever_answers_there_the_reader_gets_a_sentence(strange):
    with StudioClient(strange, "pst_x") as client, pytest.raises(StudioError) as caught:
        client.list_subjects()
    assert caught.value.kind in ("api_away", "api_strange")
    assert "other server" in str(caught.value)


@contextlib.contextmanager
def losing_first_answer(address: str):
    """A way to a server that loses the first answer after the server has done the work; yields address and losses."""
    there = ("127.0.0.1", int(address.rpartition(":")[2]))
    lost = []

    class Way(socketserver.BaseRequestHandler):
        def handle(self):
            with socket.create_connection(there) as server:
                ends = {self.request: server, server: self.request}
                while True:
                    for end in select_module.select(list(ends), [], [])[0]:
                        data = end.recv(65_536)
                        if end is server and data and not lost:
                            return lost.append(data)
                        if not data:
                            return None
                        ends[end].sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Way) as way:
        way.daemon_threads = True
        threading.Thread(target=way.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{way.server_address[1]}", lost
        way.shutdown()


def test_a_lost_answer_to_an_order_with_a_key_is_asked_for_again(address, studio, anna, client):
    agreed = ConsentGiven(version=client.show_consent().version)
    with losing_first_answer(address) as (way, lost), StudioClient(way, token_of(studio, anna)) as far:
        made = far.add_subject(NewSubject(name="Mina", consent=agreed), "once")
        assert b"201" in lost[0]
    assert client.list_subjects() == [made]


def test_without_a_key_an_order_whose_answer_was_lost_is_not_sent_again(address, studio, anna, client):
    agreed = ConsentGiven(version=client.show_consent().version)
    with losing_first_answer(address) as (way, _), StudioClient(way, token_of(studio, anna)) as far:
        with pytest.raises(StudioError, match="does not answer"):
            far.add_subject(NewSubject(name="Mina", consent=agreed))
        assert len(far.list_subjects()) == 1
