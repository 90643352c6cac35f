"""The host's websocket, taken as a hint: it says early what /history says for certain.

Previews have no size cap here (websocket-client sets none), and no silence is mistaken for an end: the host sends no
heartbeat, so every read has a short timeout and the caller asks over HTTP in between.
"""

from __future__ import annotations

import contextlib
import json
import struct
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import websocket

from .http import Address

_PREVIEW, _TEXT, _PREVIEW_WITH_METADATA = 1, 3, 4  # binary frames, comfyui-client protocol: big-endian u32 kind
_MEDIA_TYPES = {1: "image/jpeg", 2: "image/png"}


@dataclass(frozen=True)
class Message:
    """One message of the host: its type and data; `picture` holds the bytes of a preview."""

    type: str
    data: dict[str, Any]
    picture: bytes = b""


class Stream:
    """One websocket under one client id, reopened when it breaks; nothing is replayed by the host after that."""

    def __init__(self, address: Address, client_id: str, timeout: float = 5.0) -> None:
        """Remember where to connect; `timeout` (seconds) bounds the opening handshake."""
        self.url = f"{address.websocket}?clientId={client_id}"
        self.timeout = timeout
        self.openings = 0
        self.heard = 0.0
        self._socket: websocket.WebSocket | None = None
        self._waiting: deque[Message] = deque()
        self._pause = 0.0
        self._retry_at = 0.0

    @property
    def connected(self) -> bool:
        """Whether messages can arrive."""
        return self._socket is not None

    def open(self) -> bool:
        """Connect unless connected, and return whether that worked; attempts that fail are spaced out.

        The old socket is closed before the new one opens: the host forgets a client id when the OLD socket of that id
        closes. It is registered once its first `status`, with our id in it, has come.
        """
        if self._socket is not None:
            return True
        if time.monotonic() < self._retry_at:
            return False
        try:
            opened = self._socket = websocket.create_connection(self.url, timeout=self.timeout)
            # Only the first text frame may carry this; without it the host sends previews that name no job.
            opened.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
            end = time.monotonic() + self.timeout
            while time.monotonic() < end:
                message = self._read(self.timeout)
                if message is not None:
                    self._waiting.append(message)
                    if message.type == "status" and "sid" in message.data:
                        self.openings += 1
                        self._pause = 0.0
                        return True
                if self._socket is None:
                    break
        except (OSError, websocket.WebSocketException, ValueError):
            pass
        self.close()
        self._pause = min(self._pause * 2 or 0.25, 5.0)
        self._retry_at = time.monotonic() + self._pause
        return False

    def close(self) -> None:
        """Close the socket at once, without waiting for the host to agree."""
        if self._socket is not None:
            with contextlib.suppress(OSError, websocket.WebSocketException):
                self._socket.close(timeout=0)
            self._socket = None

    def receive(self, timeout: float) -> Message | None:
        """Return the next message, or None when `timeout` seconds passed or the socket broke."""
        if self._waiting:
            return self._waiting.popleft()
        if self._socket is None and not self.open():
            time.sleep(min(timeout, max(0.0, self._retry_at - time.monotonic())))
            return None
        if self._waiting:
            return self._waiting.popleft()
        return self._read(timeout)

    def _read(self, timeout: float) -> Message | None:
        assert self._socket is not None
        try:
            self._socket.settimeout(max(timeout, 0.001))
            kind, data = self._socket.recv_data()
        except websocket.WebSocketTimeoutException:
            return None
        except (OSError, websocket.WebSocketException):
            self.close()
            return None
        if kind == websocket.ABNF.OPCODE_CLOSE:
            self.close()
            return None
        self.heard = time.monotonic()
        try:
            return _text(data) if kind == websocket.ABNF.OPCODE_TEXT else _binary(data)
        except (ValueError, struct.error, AttributeError):
            return None  # a pack may send what it likes; only what we can read is a hint


def _text(data: bytes) -> Message | None:
    message = json.loads(data)
    body = message.get("data")
    return Message(str(message.get("type")), body) if isinstance(body, dict) else None


def _binary(data: bytes) -> Message | None:
    (kind,) = struct.unpack_from(">I", data)
    if kind == _PREVIEW:
        (layout,) = struct.unpack_from(">I", data, 4)
        return Message("preview", {"image_type": _MEDIA_TYPES.get(layout, "")}, data[8:])
    if kind == _PREVIEW_WITH_METADATA:
        (length,) = struct.unpack_from(">I", data, 4)
        return Message("preview", json.loads(data[8 : 8 + length]), data[8 + length :])
    if kind == _TEXT:
        (length,) = struct.unpack_from(">I", data, 4)
        return Message("text", {"node": data[8 : 8 + length].decode(), "text": data[8 + length :].decode()})
    return None
