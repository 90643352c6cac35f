"""A web address that a graph names, opened with care: https alone, and no address of this machine or of its network.

A graph is anybody's. Its addresses could ask a service behind the firewall for something, so a name is resolved once,
every address that it stands for is looked at, and the connection goes to one of those that were looked at: a name that
resolves to something else a moment later leads nowhere. A redirect is looked at in the same way.

Where the machine reaches the web through a proxy (`https_proxy`), the proxy resolves names; then only addresses that
are written as numbers can be looked at here.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from ..client import BoundedSocket

MOST_REDIRECTS = 5
HEADERS = 1 << 20  # bytes
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address lies in its last 32 bits


class WebError(Exception):
    """An address is not to be opened; the message is the reason alone, for whoever asked to put into a sentence."""


class UnreachableError(WebError):
    """Nothing answers there now: worth another try."""


@dataclass(frozen=True)
class Allowed:
    """What may be opened besides https on the public net: `private` addresses, and `plain` http."""

    private: bool = False
    plain: bool = False


PUBLIC = Allowed()


class Page:
    """An answer that is being read: status, headers, and its body in pieces. Every piece has `seconds` to come."""

    def __init__(self, response: http.client.HTTPResponse, line: BoundedSocket, seconds: float) -> None:
        self.status = response.status
        self.headers = response.headers
        self._response, self._line, self._seconds = response, line, seconds

    @property
    def length(self) -> int:
        """The bytes that the body says it has; 0 when it does not say."""
        told = self.headers.get("Content-Length", "")
        return int(told) if told.isascii() and told.isdecimal() and len(told) < 20 else 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, empty at the end. Raises UnreachableError when they do not come in time."""
        self._line.allow(self._seconds)
        with _faults("the connection broke"):
            piece = self._response.read(size)
            if not piece and self._response.length:
                raise http.client.IncompleteRead(b"", self._response.length)
        return piece


@contextlib.contextmanager
def opened(url: str, headers: Mapping[str, str], allowed: Allowed, seconds: float = 30.0) -> Iterator[Page]:
    """Open an address, following its redirects; `seconds` is the time of each step. Raises WebError."""
    with contextlib.ExitStack() as held:
        for _ in range(MOST_REDIRECTS + 1):
            parts = checked(url, allowed)
            connection, line = _connected(parts, allowed, seconds)
            held.callback(connection.close)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            with _faults("it does not answer"):
                line.allow(seconds, HEADERS)
                connection.request("GET", path, headers={**headers, "Connection": "close"})
                response = connection.getresponse()
            held.callback(response.close)
            if response.status not in (301, 302, 303, 307, 308):
                yield Page(response, line, seconds)
                return
            url = _joined(url, response.headers.get("Location") or "")
        raise WebError("it redirects again and again")


def checked(url: str, allowed: Allowed) -> SplitResult:
    """Return the parts of an address that may be opened as far as that is known without asking. Raises WebError."""
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError:
        raise WebError("the address is broken") from None
    if parts.scheme != "https" and not (allowed.plain and parts.scheme == "http"):
        raise WebError("the address is not https")
    if not parts.hostname or port == 0 or not url.isprintable() or " " in url:
        raise WebError("the address is broken")
    if parts.username is not None:
        raise WebError("the address carries a password")
    with contextlib.suppress(ValueError):
        _refuse_private([str(ip_address(parts.hostname))], allowed)
    return parts


def is_public(address: str) -> bool:
    """Whether an address is one of the public net, whatever it is wrapped in."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if found in _NAT64:
            inner = IPv4Address(int(found) & 0xFFFFFFFF)
        if inner:
            return _plainly_public(inner)
    return _plainly_public(found)


def _plainly_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _refuse_private(addresses: list[str], allowed: Allowed) -> None:
    if not allowed.private and any(not is_public(one) for one in addresses):
        raise WebError("the address is one of this machine or of its own network")


def _joined(url: str, location: str) -> str:
    if not location:
        raise WebError("it redirects to nowhere")
    try:
        return urljoin(url, location)
    except ValueError:
        raise WebError("it redirects to an address that is broken") from None


def _connected(
    parts: SplitResult, allowed: Allowed, seconds: float
) -> tuple[http.client.HTTPConnection, BoundedSocket]:
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    proxy = _proxy_for(parts.scheme, host)
    with _faults("it cannot be reached"):
        plain = _through(proxy, host, port, seconds) if proxy else _straight(host, port, allowed, seconds)
        try:
            if parts.scheme == "https":
                plain.settimeout(seconds)
                plain = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
    line = BoundedSocket(plain)
    connection = http.client.HTTPConnection(host, port)
    connection.default_port = {"http": 80, "https": 443}[parts.scheme]
    connection.sock = line  # pyright: ignore[reportAttributeAccessIssue]: all that http.client uses is there
    return connection, line


def _straight(host: str, port: int, allowed: Allowed, seconds: float) -> socket.socket:
    """Connect to one of the addresses that were looked at."""
    places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    _refuse_private([str(place[4][0]) for place in places], allowed)
    fault: OSError = TimeoutError("no answer")
    until = time.monotonic() + seconds
    for family, kind, protocol, _, place in places:
        plain = socket.socket(family, kind, protocol)
        try:
            plain.settimeout(max(until - time.monotonic(), 0.001))
            plain.connect(place)
            return plain
        except OSError as error:
            plain.close()
            fault = error
    raise fault


def _proxy_for(scheme: str, host: str) -> SplitResult | None:
    """Return the proxy that this machine's user has set for an address, if any."""
    found = urllib.request.getproxies().get(scheme)
    if not found or urllib.request.proxy_bypass(host):
        return None
    return urlsplit(found if "://" in found else f"http://{found}")


def _through(proxy: SplitResult, host: str, port: int, seconds: float) -> socket.socket:
    """Let a proxy connect to a host (RFC 9110, 9.3.6); names are resolved there."""
    plain = socket.create_connection((proxy.hostname or "", proxy.port or 3128), seconds)
    line = BoundedSocket(plain)
    line.allow(seconds, HEADERS)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    request = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.username is not None:
        given = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
        request.append(f"Proxy-Authorization: Basic {base64.b64encode(given).decode()}")
    try:
        line.sendall("\r\n".join([*request, "", ""]).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = line.recv(1)  # what comes after the head is the host's
            if not piece:
                raise ConnectionError("the proxy closed the connection")
            head += piece
        if head.split(b" ", 2)[1:2] != [b"200"]:
            raise ConnectionError("the proxy refuses it")
    except BaseException:
        plain.close()
        raise
    return plain


@contextlib.contextmanager
def _faults(what: str) -> Iterator[None]:
    try:
        yield
    except WebError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise UnreachableError(f"{what}: {error.reason}: {error.verify_message}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(f"{what}: {' '.join(str(error).split())[:200] or type(error).__name__}") from error
