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
from websocket import ABNF

from .bounded import BoundedSocket
from .errors import AddressError
from .http import Address, reach
from .limits import most
from .messages import Message, Status, read_binary, read_text

_PIECE = 1 << 16  # bytes


class _Frames(websocket.WebSocket):
    """websocket-client's socket, which by itself would take frames of any size and any number of parts.

    Frames are read here (RFC 6455, 5.2): a host says something at every step, and the library takes ten times as long.
    """

    def __init__(self) -> None:
        super().__init__(skip_utf8_validation=True)
        self._held = bytearray()  # the beginning of a frame, also of one whose rest is late
        self._message = bytearray()  # the parts so far of one that comes in several
        self._kind = 0

    def message(self) -> tuple[int, bytes]:
        """Return the next message as (opcode, bytes); pings are answered on the way.

        Raises WebSocketException, TimeoutError, OSError.
        """
        while True:
            last, opcode, data = self._frame()
            if opcode == ABNF.OPCODE_CLOSE:
                return opcode, b""
            if opcode == ABNF.OPCODE_PING:
                self.pong(data)
            elif opcode != ABNF.OPCODE_PONG:
                if (opcode == ABNF.OPCODE_CONT) != bool(self._kind):
                    raise websocket.WebSocketProtocolException("the parts of two messages are mixed")
                self._kind = self._kind or opcode
                self._message += data
                if len(self._message) > most("frame"):
                    raise websocket.WebSocketPayloadException("the message is too large")
                if last:
                    opcode, whole = self._kind, bytes(self._message)
                    self._kind, self._message = 0, bytearray()
                    return opcode, whole

    def _frame(self) -> tuple[bool, int, bytes]:
        first, second = self._have(2)[:2]
        last, opcode, length, begin = bool(first & 0x80), first & 0x0F, second & 0x7F, 2
        if first & 0x70 or second & 0x80 or opcode not in ABNF.OPCODES:
            raise websocket.WebSocketProtocolException("no server sends such a frame")
        if opcode >= ABNF.OPCODE_CLOSE and (length > 125 or not last):
            raise websocket.WebSocketProtocolException("a ping, a pong or a close is too long")
        if length > 125:
            begin = 4 if length == 126 else 10
            length = int.from_bytes(self._have(begin)[2:begin], "big")
        if length > most("frame"):
            raise websocket.WebSocketPayloadException("the frame is too large")
        data = bytes(self._have(begin + length)[begin : begin + length])
        del self._held[: begin + length]
        return last, opcode, data

    def _have(self, size: int) -> bytearray:
        """Return what has come, at least `size` bytes of it; what came before a failure is still there afterwards."""
        while len(self._held) < size:
            piece = self.sock.recv(_PIECE) if self.sock else b""
            if not piece:
                raise websocket.WebSocketConnectionClosedException("the host closed it")
            self._held += piece
        return self._held


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
        except (websocket.WebSocketTimeoutException, TimeoutError):
            return None
        except Exception:  # the library meets frames that break the protocol with more than its own exceptions
            self.close()
            return None
        if kind == websocket.ABNF.OPCODE_CLOSE:
            self.close()
            return None
        self.heard = time.monotonic()
        return read_text(data) if kind == websocket.ABNF.OPCODE_TEXT else read_binary(data)
