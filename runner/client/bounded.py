"""A socket that cannot be held open: every wait ends at a deadline, and only so many bytes come through.

A plain timeout counts from the last byte, so a peer that sends one byte now and then is never timed out. Here the time
is that of the whole answer. Whoever sends at a fair rate gets more of it: a large picture over a slow line is fine.
"""

from __future__ import annotations

import contextlib
import io
import math
import socket
import time

_CHUNK = 1 << 16
_LONGEST = 1e6  # seconds; a timeout of the system cannot be infinite


class TooMuchError(OSError):
    """The peer sent more than it may."""


class BoundedSocket:
    """A connected socket with a deadline and a room; what http.client and websocket-client use of a socket.

    `end` is a `time.monotonic()` that nothing may outlast, whatever comes in.
    """

    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain
        self._deadline = math.inf
        self._room = math.inf
        self._rate = 0
        self._files = 0
        self._closing = False
        self.end = math.inf

    def allow(self, seconds: float, room: float = math.inf, rate: int = 0) -> None:
        """Give the peer `seconds` from now on, and `room` bytes; every `rate` bytes it sends buy one more second."""
        self._deadline, self._room, self._rate = time.monotonic() + seconds, room, rate

    def recv(self, size: int) -> bytes:
        """Receive at most `size` bytes. Raises TimeoutError, TooMuchError, OSError."""
        self._arm()
        data = self._socket.recv(min(size, _CHUNK))
        self._count(len(data))
        return data

    def recv_into(self, buffer: memoryview) -> int:
        """Receive into a buffer; raises as `recv` does."""
        self._arm()
        size = self._socket.recv_into(buffer)
        self._count(size)
        return size

    def send(self, data: bytes) -> int:
        """Send a part of the data and return its size. Raises TimeoutError, OSError."""
        self._arm()
        return self._socket.send(data)

    def sendall(self, data: bytes) -> None:
        """Send all of the data. Raises TimeoutError, OSError."""
        for start in range(0, len(data), _CHUNK):
            piece = data[start : start + _CHUNK]
            self._arm()
            self._socket.sendall(piece)
            self._earn(len(piece))

    def settimeout(self, seconds: float | None) -> None:
        """Give the peer `seconds` from now on, for all that it sends."""
        self._deadline = math.inf if seconds is None else time.monotonic() + seconds

    def gettimeout(self) -> float:
        """Return the seconds that are left, never quite none: 0 would mean not to wait at all."""
        return max(self._left(), 0.001)

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """Return a file to read from; the socket stays open until it is closed."""
        self._files += 1
        return io.BufferedReader(_Reader(self), _CHUNK)

    def fileno(self) -> int:
        """Return the system's number of the socket."""
        return self._socket.fileno()

    def shutdown(self, how: int) -> None:
        """Tell the peer that no more is sent or received."""
        self._socket.shutdown(how)

    def close(self) -> None:
        """Close the socket, once no file reads from it any more."""
        self._closing = True
        if self._files <= 0:
            with contextlib.suppress(OSError):
                self._socket.close()

    def let_go(self) -> None:
        """Take note that a file made by `makefile` is closed."""
        self._files -= 1
        if self._closing:
            self.close()

    def _left(self) -> float:
        left = min(self._deadline, self.end) - time.monotonic()
        return min(left, _LONGEST)

    def _arm(self) -> None:
        left = self._left()
        if left <= 0:
            raise TimeoutError("its time is up")
        self._socket.settimeout(left)

    def _count(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise TooMuchError("it sends more than it may")
        self._earn(size)

    def _earn(self, size: int) -> None:
        if self._rate:
            self._deadline += size / self._rate


class _Reader(io.RawIOBase):
    """The raw side of `BoundedSocket.makefile`."""

    def __init__(self, source: BoundedSocket) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._source.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._source.let_go()
