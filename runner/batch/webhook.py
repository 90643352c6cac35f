"""A signed webhook: what happens to a batch, posted to an address. Its failure is said once and stops nothing.

Every request carries `X-Portrait-Studio-Signature: t=SECONDS,v1=HEX`, the HMAC-SHA256 of "SECONDS.BODY" under the
shared secret, and an `Idempotency-Key` that is the same for every retry.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ...portrait.errors import PortraitError

WAITING = 1000
"""Events that may wait to be sent; when there are more, the oldest are dropped and counted."""
PAUSES = (1.0, 5.0, 30.0)
"""Seconds before each retry."""
TIMEOUT = 10.0


class WebhookError(PortraitError):
    """The address of a webhook cannot be used."""

    key = "webhook"


def sign(secret: bytes, body: bytes, seconds: int) -> str:
    """Return the signature header of a body that is sent at `seconds` since 1970."""
    digest = hmac.new(secret, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


class Webhook:
    """Posts events to `url` from a thread of its own. Raises WebhookError for an address that cannot be one."""

    def __init__(self, url: str, secret: str, say: Callable[[str], None], pauses: tuple[float, ...] = PAUSES) -> None:
        try:
            self.parts = urlsplit(url)
            port = self.parts.port
        except ValueError:
            raise WebhookError(
                "The address of the webhook is not an address: write it like https://studio.example/hook"
            ) from None
        if self.parts.scheme not in ("http", "https") or not self.parts.hostname or self.parts.username:
            raise WebhookError(
                "The address of the webhook must be like https://studio.example/hook, without a password"
            )
        self.port = port
        self.secret = secret.encode()
        self.say, self.pauses = say, pauses
        self.dropped = 0
        self._told = False
        self._queue: queue.Queue[Mapping[str, Any] | None] = queue.Queue(WAITING)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="webhook", daemon=True)
        self._thread.start()

    def send(self, event: str, **fields: Any) -> None:
        """Have an event sent; returns at once."""
        message = {"event": event, "time": round(time.time(), 3), "id": uuid.uuid4().hex, **fields}
        while True:
            try:
                self._queue.put_nowait(message)
                return
            except queue.Full:
                try:
                    self._queue.get_nowait()
                    self.dropped += 1
                except queue.Empty:
                    continue

    def close(self, patience: float = 10.0) -> None:
        """Send what waits, for at most `patience` seconds, and end."""
        end = time.monotonic() + patience
        while not self._queue.empty() and time.monotonic() < end and self._thread.is_alive():
            time.sleep(0.05)
        self._closing.set()
        with self._queue.mutex:
            self._queue.queue.append(None)
            self._queue.not_empty.notify()
        self._thread.join(max(0.1, end - time.monotonic()))
        if self.dropped:
            self.say(f"The webhook was too slow: {self.dropped} events were not sent")

    def _work(self) -> None:
        while (message := self._queue.get()) is not None:
            body = json.dumps(message, ensure_ascii=False).encode()
            reason = ""
            for pause in (*self.pauses, None):
                reason = self._post(body, str(message["id"]))
                if not reason or pause is None or self._closing.wait(pause):
                    break
            if reason and not self._told:
                self._told = True
                self.say(f"The webhook at {self.parts.hostname} does not take events ({reason}); the batch goes on")

    def _post(self, body: bytes, key: str) -> str:
        """Send one request; return why it failed, or an empty string."""
        kind = http.client.HTTPSConnection if self.parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.parts.hostname or "", self.port, timeout=TIMEOUT)
        path = (self.parts.path or "/") + (f"?{self.parts.query}" if self.parts.query else "")
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            "X-Portrait-Studio-Signature": sign(self.secret, body, int(time.time())),
        }
        try:
            connection.request("POST", path, body, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError) as error:
            return str(error) or type(error).__name__
        finally:
            connection.close()
        return "" if 200 <= status < 300 else f"HTTP {status}"
