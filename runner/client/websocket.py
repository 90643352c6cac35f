"""The host's websocket, taken as a hint: it says early what /history says for certain.

No silence is mistaken for an end: the host sends no heartbeat, so every read has a short time and the caller asks over
HTTP in between. A message larger than limits.json allows breaks the socket, and a new one is opened.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections import deque

import websocket

from .bounded import BoundedSocket
from .errors import AddressError
from .http import Address, reach
from .limits import most
from .messages import Message, Status, read_binary, read_text


class _Frames(websocket.WebSocket):
    """websocket-client's socket, which by itself would take frames of any size and any number of parts."""

    def __init__(self) -> None:
        super().__init__(skip_utf8_validation=True)
        whole = self.frame_buffer.recv_strict

        def within(bufsize: int) -> bytes:
            if bufsize > most("frame"):
                raise websocket.WebSocketPayloadException("the frame is too large")
            return whole(bufsize)

        self.frame_buffer.recv_strict = within

    def message(self) -> tuple[int, bytes]:
        """Return the next message as (opcode, bytes); pings are answered on the way.

        Raises WebSocketException, OSError.
        """
        while True:
            frame = self.recv_frame()
            if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
                return frame.opcode, b""
            if frame.opcode == websocket.ABNF.OPCODE_PING:
                if len(frame.data) <= 125:
                    self.pong(frame.data)
            elif frame.opcode != websocket.ABNF.OPCODE_PONG:
                self.cont_frame.validate(frame)
                held = self.cont_frame.cont_data
                if held and len(held[1]) + len(frame.data) > most("frame"):
                    raise websocket.WebSocketPayloadException("the message is too large")
                self.cont_frame.add(frame)
                if self.cont_frame.is_fire(frame):
                    opcode, whole = self.cont_frame.extract(frame)
                    return opcode, whole.data


class Stream:
    """One websocket under one client id, reopened when it breaks; nothing is replayed by the host after that."""

    def __init__(self, address: Address, client_id: str, timeout: float = 5.0) -> None:
        """Remember where to connect; `timeout` (seconds) bounds the opening handshake."""
        self.address = address
        self.url = f"{address.websocket}?clientId={client_id}"
        self.timeout = timeout
        self.openings = 0
        self.heard = 0.0
        self.end = math.inf
        self._socket: _Frames | None = None
        self._line: BoundedSocket | None = None
        self._waiting: deque[Message] = deque(maxlen=most("waiting"))
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
            end = time.monotonic() + self.timeout
            opened = self._connect()
            # Only the first text frame may carry this; without it the host sends previews that name no job.
            opened.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
            while self._socket is not None and (left := min(end, self.end) - time.monotonic()) > 0:
                message = self._read(left)
                if message is not None:
                    self._waiting.append(message)
                if isinstance(message, Status) and message.registered:
                    self.openings += 1
                    self._pause = 0.0
                    return True
        except AddressError:
            pass
        except Exception:  # noqa: S110 - a lying handshake makes the library raise whatever it stumbles over
            pass
        self.close()
        self._pause = min(self._pause * 2 or 0.25, 5.0)
        self._retry_at = time.monotonic() + self._pause
        return False

    def _connect(self) -> _Frames:
        self._line = line = reach(self.address, self.timeout, self.end)
        line.end = self.end
        line.allow(self.timeout, room=most("handshake"))
        self._socket = opened = _Frames()
        opened.connect(self.url, socket=line, redirect_limit=0)
        return opened

    def close(self) -> None:
        """Close the socket at once, without waiting for the host to agree."""
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.close()
        self._socket = self._line = None

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
        assert self._line is not None
        try:
            self._line.end = self.end
            self._line.allow(max(timeout, 0.001))
            kind, data = self._socket.message()
        except websocket.WebSocketTimeoutException:
            return None
        except Exception:  # the library meets frames that break the protocol with more than its own exceptions
            self.close()
            return None
        if kind == websocket.ABNF.OPCODE_CLOSE:
            self.close()
            return None
        self.heard = time.monotonic()
        return read_text(data) if kind == websocket.ABNF.OPCODE_TEXT else read_binary(data)
