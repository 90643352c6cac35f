"""HTTP to one host over one kept-open connection, with errors that say which of the two ends is at fault.

Bytes, sizes and times are settled here; what an answer means is read in answers.py. No redirect is followed.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

from urllib3.filepost import encode_multipart_formdata

from .bounded import BoundedSocket, TooMuchError
from .errors import AddressError, ConnectionLostError, NotComfyUIError, NothingThereError, TooLargeError
from .limits import most
from .wire import parse

_CHUNK = 1 << 18
_HEADERS = 1 << 20  # bytes; http.client itself refuses more than 100 lines


@dataclass(frozen=True)
class Address:
    """Where a host is: `http://127.0.0.1:8188`, or behind a proxy `https://studio.example/comfy`."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read an address; raises AddressError for anything but http:// and https://."""
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError:
            parts, port = None, None
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise AddressError(f"{url!r} is not an address of a host: write it like http://127.0.0.1:8188")
        if parts.username or parts.query or parts.fragment:
            raise AddressError(
                f"The address of host {parts.hostname!r} may hold only scheme, name, port and path, "
                "as in http://127.0.0.1:8188"
            )
        return cls(
            parts.scheme, parts.hostname, port or {"http": 80, "https": 443}[parts.scheme], parts.path.rstrip("/")
        )

    @property
    def url(self) -> str:
        """The address as text, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def websocket(self) -> str:
        """The address of the host's websocket, without the client id."""
        return f"ws{self.url[4:]}/ws"


@dataclass(frozen=True)
class Answer:
    """What the host said: an HTTP status and the body's bytes, which are not here when they went to a file."""

    status: int
    body: bytes
    media_type: str

    def json(self) -> Any:
        """Return the body read as JSON; see wire.parse for what is raised."""
        return parse(self.body)


class Transport:
    """Requests to one host, one at a time; not for use from several threads at once.

    `timeout` (seconds) is the time of a whole answer, not of the wait for its next byte; an answer that keeps coming at
    a fair rate gets more (limits.json). `end` is the `time.monotonic()` that no request outlasts.
    """

    def __init__(self, address: Address, timeout: float = 30.0) -> None:
        """Remember the address; the connection opens with the first request."""
        self.address = address
        self.timeout = timeout
        self.end = math.inf
        self._connection: http.client.HTTPConnection | None = None
        self._line: BoundedSocket | None = None

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = self._line = None

    def get(self, path: str, **query: str) -> Answer:
        """GET `path`; a kept connection that the host closed meanwhile is replaced once, without a word.

        This and the other requests raise ConnectionLostError, NothingThereError, NotComfyUIError, and TooLargeError for
        an answer above its limit.
        """
        return self._get(path, None, query)

    def fetch(self, path: str, sink: IO[bytes], **query: str) -> Answer:
        """GET `path` into a file; the body of any status but 200 is in the answer instead.

        Raises as `get` does, and OSError when the file cannot be written.
        """
        return self._get(path, sink, query)

    def post(self, path: str, body: Any) -> Answer:
        """POST `body` as JSON, once: a request that may have had its effect is never sent again from here."""
        return self._request("POST", path, None, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def post_file(self, path: str, name: str, data: bytes, fields: dict[str, str]) -> Answer:
        """POST a form with `fields` and the file `data`, called `name`, in the field "image"."""
        body, media_type = encode_multipart_formdata({**fields, "image": (name, data, "application/octet-stream")})
        return self._request("POST", path, None, body, {"Content-Type": media_type})

    def _get(self, path: str, sink: IO[bytes] | None, query: dict[str, str]) -> Answer:
        if query:
            path += "?" + urlencode(query, quote_via=quote, safe="")
        kept = self._connection is not None
        try:
            return self._request("GET", path, sink)
        except _ClosedError:
            if not kept:
                raise
        return self._request("GET", path, sink)

    def _request(
        self,
        method: str,
        path: str,
        sink: IO[bytes] | None = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        begun = False
        connection, line = self._open()
        room = most("answer" if sink is None else "file") + _HEADERS
        try:
            with self._faults(f"{method} {path}"):
                line.allow(self.timeout, rate=most("rate"))
                connection.request(method, self.address.path + path, body, headers or {})
                line.allow(self.timeout, room, most("rate"))
                response = connection.getresponse()
            begun = True
            pieces: list[bytes] = []
            into = sink if sink is not None and response.status == 200 else None
            for piece in self._pieces(response, f"{method} {path}"):
                pieces.append(piece) if into is None else into.write(piece)
            if response.will_close:
                self.close()
            return Answer(response.status, b"".join(pieces), response.headers.get_content_type())
        except BaseException as error:  # an answer half read would be taken for the next one
            self.close()
            if isinstance(error, ConnectionLostError) and not isinstance(error, _LateError) and not begun:
                raise _ClosedError(str(error)) from error
            raise

    def _pieces(self, response: http.client.HTTPResponse, request: str) -> Iterator[bytes]:
        """Yield the body as it comes; its length is what the host said it would be."""
        while True:
            with self._faults(request):
                piece = response.read(_CHUNK)
                if not piece and response.length:
                    raise http.client.IncompleteRead(b"", response.length)
            if not piece:
                return
            yield piece

    @contextlib.contextmanager
    def _faults(self, request: str) -> Iterator[None]:
        """Say whose fault it is when a request fails."""
        url = self.address.url
        request = request if len(request) < 200 else f"{request[:200]}..."
        try:
            yield
        except TimeoutError as error:
            raise _LateError(f"The host at {url} did not answer {request} in time") from error
        except TooMuchError as error:
            raise TooLargeError(f"The host at {url} answers {request} with more than ComfyUI ever sends") from error
        except (http.client.IncompleteRead, OSError) as error:
            raise ConnectionLostError(f"The host at {url} closed the connection during {request}") from error
        except (http.client.HTTPException, ValueError) as error:
            raise NotComfyUIError(
                f"What answers at {url} does not speak HTTP, so it is not ComfyUI: check the port"
            ) from error

    def _open(self) -> tuple[http.client.HTTPConnection, BoundedSocket]:
        if self._connection is None:
            address = self.address
            self._line = reach(address, self.timeout, self.end)
            self._connection = http.client.HTTPConnection(address.host, address.port)
            self._connection.default_port = {"http": 80, "https": 443}[address.scheme]
            self._connection.sock = self._line  # pyright: ignore[reportAttributeAccessIssue]: all it uses is there
        assert self._line is not None
        self._line.end = self.end
        return self._connection, self._line


class _ClosedError(ConnectionLostError):
    """The connection was closed before anything of an answer came."""


class _LateError(ConnectionLostError):
    """The answer did not come in time."""


def reach(address: Address, timeout: float, end: float = math.inf) -> BoundedSocket:
    """Connect to a host within `timeout` seconds, before the `time.monotonic()` of `end`.

    Raises NothingThereError, NotComfyUIError.
    """
    until = min(time.monotonic() + timeout, end)
    try:
        places = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise NothingThereError(f"No machine is called {address.host!r}: check the address") from error
    fault: OSError = TimeoutError("no answer")
    for family, kind, protocol, _, place in places:
        left = until - time.monotonic()
        if left <= 0:
            raise _LateError(f"The host at {address.url} did not answer in time")
        plain = socket.socket(family, kind, protocol)
        try:
            plain.settimeout(left)
            plain.connect(place)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.scheme == "https":
                plain.settimeout(max(until - time.monotonic(), 0.001))
                plain = ssl.create_default_context().wrap_socket(plain, server_hostname=address.host)
            return BoundedSocket(plain)
        except ssl.SSLError as error:
            plain.close()
            raise NotComfyUIError(
                f"{address.url} does not answer over https ({error.reason}): try http:// or check its certificate"
            ) from error
        except OSError as error:
            plain.close()
            fault = error
        except BaseException:
            plain.close()
            raise
    raise NothingThereError(
        f"Nothing listens at {address.url} ({fault.strerror or 'no answer'}): start ComfyUI there, "
        "or give the right address"
    ) from fault
