"""The webhook: signed, retried, and never in the way."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from portrait_studio.runner.batch import Webhook, WebhookError

SHARED = "a shared secret"


@contextlib.contextmanager
def receiver(answers):
    """A server that answers with these statuses, the last one again and again; yields (address, what it got)."""
    got, left = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.end_headers()

        def log_message(self, format, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?batch=1", got
    finally:
        server.shutdown()
        server.server_close()


def test_an_event_arrives_with_a_signature_that_the_secret_explains():
    with receiver([200]) as (url, got):
        hook = Webhook(url, SHARED, print)
        hook.send("RowFinished", row=7)
        hook.close()
    headers, body = got[0]
    assert json.loads(body)["row"] == 7
    seconds, digest = (part.split("=")[1] for part in headers["X-Portrait-Studio-Signature"].split(","))
    assert digest == hmac.new(SHARED.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


def test_a_failure_is_retried_under_the_same_key():
    with receiver([500, 503, 200]) as (url, got):
        said = []
        hook = Webhook(url, SHARED, said.append, pauses=(0.01, 0.01, 0.01))
        hook.send("RowFinished", row=1)
        end = time.monotonic() + 10
        while len(got) < 3 and time.monotonic() < end:
            time.sleep(0.01)
        hook.close()
    assert len(got) == 3
    assert len({headers["Idempotency-Key"] for headers, _ in got}) == 1
    assert said == []


def test_a_webhook_that_never_answers_is_said_once_and_stops_nothing():
    said = []
    hook = Webhook("http://127.0.0.1:9/", SHARED, said.append, pauses=(0.0,))
    begin = time.monotonic()
    for number in range(3000):
        hook.send("RowFinished", row=number)
    assert time.monotonic() - begin < 5
    hook.close(patience=1.0)
    assert len([text for text in said if "does not take events" in text]) == 1


@pytest.mark.parametrize("url", ["", "hook", "ftp://a/b", "http://", "http://name:word@host/", "http://a:b/"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(WebhookError) as raised:
        Webhook(url, SHARED, print)
    assert "word" not in str(raised.value).replace("password", "")
