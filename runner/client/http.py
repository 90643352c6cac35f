"""HTTP to one host over one kept-open connection, with errors that say which of the two ends is at fault."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from urllib3.filepost import encode_multipart_formdata

from .errors import AddressError, ConnectionLostError, NotComfyUIError, NothingThereError


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
    """What the host said: an HTTP status and the body's bytes."""

    status: int
    body: bytes
    media_type: str

    def json(self) -> Any:
        """Return the body read as JSON; raises ValueError when it is not."""
        return json.loads(self.body)


class Transport:
    """Requests to one host, one at a time; not for use from several threads at once."""

    def __init__(self, address: Address, timeout: float = 30.0) -> None:
        """Remember the address; the connection opens with the first request. `timeout` is in seconds."""
        self.address = address
        self.timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, path: str, **query: str) -> Answer:
        """GET `path`; a kept connection that the host closed meanwhile is replaced once, without a word."""
        if query:
            path += "?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
        kept = self._connection is not None
        try:
            return self._request("GET", path)
        except ConnectionLostError:
            if not kept:
                raise
        return self._request("GET", path)

    def post(self, path: str, body: Any) -> Answer:
        """POST `body` as JSON, once: a request that may have had its effect is never sent again from here."""
        return self._request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def post_file(self, path: str, name: str, data: bytes, fields: dict[str, str]) -> Answer:
        """POST a form with `fields` and the file `data`, called `name`, in the field "image"."""
        body, media_type = encode_multipart_formdata({**fields, "image": (name, data, "application/octet-stream")})
        return self._request("POST", path, body, {"Content-Type": media_type})

    def _request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = self._open()
        try:
            connection.request(method, self.address.path + path, body, headers or {})
            response = connection.getresponse()
            answer = Answer(response.status, response.read(), response.headers.get_content_type())
            if response.will_close:
                self.close()
            return answer
        except TimeoutError as error:
            self.close()
            raise ConnectionLostError(
                f"The host at {self.address.url} did not answer {method} {path} within {self.timeout:g} s"
            ) from error
        except (ConnectionError, http.client.IncompleteRead, ssl.SSLError) as error:
            self.close()
            raise ConnectionLostError(
                f"The host at {self.address.url} closed the connection during {method} {path}"
            ) from error
        except (http.client.HTTPException, ValueError) as error:
            self.close()
            raise NotComfyUIError(
                f"What answers at {self.address.url} does not speak HTTP, so it is not ComfyUI: check the port"
            ) from error
        except BaseException:  # an answer half read would be taken for the next one
            self.close()
            raise

    def _open(self) -> http.client.HTTPConnection:
        if self._connection is not None:
            return self._connection
        address = self.address
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        connection = kind(address.host, address.port, timeout=self.timeout)
        try:
            connection.connect()
        except socket.gaierror as error:
            raise NothingThereError(f"No machine is called {address.host!r}: check the address") from error
        except ssl.SSLError as error:
            raise NotComfyUIError(
                f"{address.url} does not answer over https ({error.reason}): try http:// or check its certificate"
            ) from error
        except OSError as error:
            raise NothingThereError(
                f"Nothing listens at {address.url} ({error.strerror or 'no answer'}): start ComfyUI there, "
                "or give the right address"
            ) from error
        self._connection = connection
        return connection
