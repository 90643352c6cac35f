"""What an address in a graph, a web server and a disk may do to a download."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

from portrait_studio.runner.assets import download
from portrait_studio.runner.assets.web import PUBLIC, Allowed

from .downloads import BEGUN, BODY, NAME, SHA, Case, Scene, made
from .file_server import FileServer, Proxy
from .tries import ODD_JSON, Try, strange


def of_downloads(place: Path) -> Iterator[Try]:
    """Yield every case; each has a folder of its own."""
    cases = (*of_addresses(), *of_redirects(), *of_lengths(), *of_statuses(), *of_ranges(), *of_parts(), *of_files())
    for number, case in enumerate(cases):
        yield Try("downloads", case.name, lambda case=case, number=number: made(case, place / f"{number}"))


# --- addresses and redirects

BROKEN = (
    *("", "//{at}/a", "https://", "https://[::1", "https://h:99999/a", "https://h:0/a", "https://h:x/a", "https:///a"),
    *("https://" + "a" * 300 + ".example/a", "https://me:secret@h.example/a", "https://h.example/\x1b[2J"),
    *("https://h.example/a b", "https://h.example/\ud800", "https://..example/a", "https:h.example"),
)
OTHERWISE = ("http://{at}/a", "ftp://{at}/a", "file:///etc/passwd", "data:,x", "javascript:1", "ws://{at}/")
PRIVATE = (
    *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"),
    *("10.0.0.1", "169.254.169.254", "192.168.0.1", "100.64.0.1", "[fe80::1]", "[64:ff9b::7f00:1]", "224.0.0.1"),
)


def of_addresses() -> Iterator[Case]:
    """Yield what a graph may give as an address; none of these is asked."""

    def given(address: str) -> Callable[[Scene], object]:
        def arrange(scene: Scene) -> None:
            scene.allowed = PUBLIC
            scene.wanted = replace(scene.wanted, url=address.replace("{at}", scene.server.at))

        return arrange

    for address in (*BROKEN, *OTHERWISE):
        yield Case(f"the address {address[:30]!r}", given(address), asked=False)
    for host in PRIVATE:
        yield Case(f"an address at {host}", given(f"https://{host}/a"), asked=False)


def of_redirects() -> Iterator[Case]:
    """Yield where a server may send on to."""

    def sent(location: str) -> Callable[[Scene], object]:
        def arrange(scene: Scene) -> None:
            scene.server.moves = True
            scene.server.location = location.replace("{at}", scene.server.at)

        return arrange

    for location in (*(one for one in BROKEN if one.isprintable()), *OTHERWISE[1:], f"/{NAME}"):
        if location != "//{at}/a":  # which is the server itself
            yield Case(f"sent on to {location[:30]!r}", sent(location))
    for host in PRIVATE:
        yield Case(f"sent on to {host}", lambda scene, host=host: sent_home(scene, host))


def sent_home(scene: Scene, host: str) -> None:
    """Let a public address, which here is one behind a proxy, send on to an address of this machine or its network."""
    inner = scene.held.enter_context(FileServer(BODY))
    proxy = scene.held.enter_context(Proxy(scene.server))
    direct = ",".join(one.strip("[]") for one in PRIVATE)
    scene.held.enter_context(mock.patch.dict(os.environ, {"http_proxy": proxy.url, "no_proxy": direct}))
    scene.held.callback(lambda: _unasked(inner, proxy))
    scene.allowed = Allowed(plain=True)
    scene.wanted = replace(scene.wanted, url=f"http://models.example/{NAME}")
    scene.server.moves, scene.server.location = True, f"http://{host}:{inner.http.server_port}/{NAME}"


def _unasked(inner: FileServer, proxy: Proxy) -> None:
    assert proxy.asked == ["models.example:80"], f"the proxy was asked for {proxy.asked}"
    assert inner.asked == [], "the address of this machine was asked"


# --- answers


def head(*lines: str, status: str = "200 OK") -> bytes:
    """Return the head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def chunked(*sizes: str) -> bytes:
    """Return the whole file as one chunk of each size that is told."""
    return head("Transfer-Encoding: chunked") + b"".join(size.encode() + b"\r\n" + BODY + b"\r\n" for size in sizes)


def always(data: bytes) -> Callable[[Scene], object]:
    """The server gives these bytes to every request."""
    return lambda scene: setattr(scene.server, "always", data)


def first(data: bytes) -> Callable[[Scene], object]:
    """The server gives these bytes to the first request, and then tells the truth."""
    return lambda scene: setattr(scene.server, "raw", [data])


def of_lengths() -> Iterator[Case]:
    """Yield lengths that lie or are not told, and heads that are none."""
    size = len(BODY)
    for name, told in {
        "too short": f"{size - 1}",
        "too long": f"{size + 1}",
        "of 10^15": "1" + "0" * 15,
        "of 10^400": "1" + "0" * 400,
        "of 0": "0",
        "of one byte": "1",
    }.items():
        yield Case(f"a length {name}", always(head(f"Content-Length: {told}") + BODY))
        yield Case(f"a length {name}, size not known", lambda scene, told=told: unsized(scene, told))
    for told in ("-5", "x", "0x10", ""):
        yield Case(f"a length of {told[:8]!r}", always(head(f"Content-Length: {told}") + BODY), comes=True)
    yield Case("two lengths", always(head("Content-Length: 7", f"Content-Length: {size}") + BODY))
    yield Case("no length", lambda scene: setattr(scene.server, "length", False), comes=True)
    yield Case("no length, cut", always(head() + BODY[:9999]))
    yield Case("no length, longer", always(head() + BODY * 2))
    yield Case("no length, no end", endless)
    yield Case("chunks", always(chunked(f"{size:x}") + b"0\r\n\r\n"), comes=True)
    for told in ("-1", "zz", "f" * 40, ""):
        yield Case(f"a chunk of {told[:8]!r}", always(chunked(told)))
    yield Case("a chunk without an end", always(chunked(f"{size + 9:x}")))
    for name, data in {
        "nothing": b"",
        "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
        "a header of 200 kB": head("X: " + "x" * 200_000),
        "5,000 headers": head(*["X: y"] * 5000),
        "headers without end": head(*["X: " + "y" * 60_000] * 40),
        "a page instead": head("Content-Type: text/html", "Content-Length: 6") + b"<html>",
        "gzip": head("Content-Encoding: gzip", "Content-Length: 4") + b"\x1f\x8b\x08\x00",
    }.items():
        yield Case(name, always(data))
    yield Case("a drip", dripping)
    yield Case("another file of the same size", lambda scene: setattr(scene.server, "body", BODY[::-1]))


def unsized(scene: Scene, told: str) -> None:
    """Let the graph not know the size, and the server lie about it."""
    scene.wanted = replace(scene.wanted, size=0)
    scene.server.always = head(f"Content-Length: {told}") + BODY


def endless(scene: Scene) -> None:
    """Let the server never stop; the size that the graph gives is what ends it."""
    scene.server.length, scene.server.body = False, BODY * 20


def dripping(scene: Scene) -> None:
    """Let the server send 100 bytes every twentieth of a second, and the patience for a piece be short."""
    scene.held.enter_context(mock.patch.object(download, "TIMEOUT", 0.2))
    scene.server.pace, scene.server.piece = 0.05, 100


def of_statuses() -> Iterator[Case]:
    """Yield statuses, once and for ever, at the beginning and where an earlier call is gone on with."""
    for status in (204, 304, 400, 401, 403, 404, 410, 418, 451, 500, 502, 503, 599, 999):
        data = head("Content-Length: 0", status=f"{status} x")
        yield Case(f"{status} for ever", always(data))
        yield Case(f"{status} for ever, for the rest of it", always(data), begun=True)
    for status in (408, 416, 425, 429, 500, 503):
        yield Case(f"{status} once", first(head("Content-Length: 0", status=f"{status} x")), comes=True)
    for status in (400, 412, 416, 431):  # the server does not take the question for the rest
        yield Case(f"{status} to the rest", first(head("Content-Length: 0", status=f"{status} x")), True, True)
    for status in ("101 x", "9999 x", "-1 x", "x"):
        yield Case(f"status {status!r}", always(head(status=status)))


def of_ranges() -> Iterator[Case]:
    """Yield parts that are not those asked for; most servers tell the truth when they are asked for all of it."""
    rest = BODY[BEGUN:]

    def part(span: str | None, data: bytes = rest, tag: str = '"one"') -> bytes:
        lines = [f"Content-Length: {len(data)}", f"ETag: {tag}"] + ([f"Content-Range: {span}"] if span else [])
        return head(*lines, status="206 Partial Content") + data

    end = f"{len(BODY) - 1}/{len(BODY)}"
    wrong = {
        "no range": part(None),
        "an earlier range": part(f"bytes 0-{end}", BODY),
        "a later range": part(f"bytes {BEGUN + 1}-{end}", rest[1:]),
        "a range of no number": part("bytes x-y/z"),
        "a range of 400 digits": part("bytes " + "9" * 400 + "-"),
        "a negative range": part("bytes -5-9/10"),
        "a range of lines": part(f"lines {BEGUN}-{end}"),
        "another version": part(f"bytes {BEGUN}-{end}", tag='"two"'),
        "no version": part(f"bytes {BEGUN}-{end}", tag=""),
        "other bytes": part(f"bytes {BEGUN}-{end}", rest[::-1]),
        "fewer bytes": part(f"bytes {BEGUN}-{end}", rest[:5000]),
        "nothing": part(f"bytes {BEGUN}-{end}", b""),
    }
    for name, data in wrong.items():
        yield Case(f"the rest: {name}", first(data), True, comes=name != "fewer bytes")
        yield Case(f"the rest, for ever: {name}", always(data), begun=True)
        yield Case(f"all of it: {name}", always(data))
    yield Case("the rest: more bytes", always(part(f"bytes {BEGUN}-{end}", rest + b"x")), begun=True)
    for name, change in {
        "the file changed": {"tag": '"new"'},
        "the version is weak now": {"tag": 'W/"one"'},
        "no version any more": {"tag": ""},
        "no ranges any more": {"ranges": False},
        "another part": {"shift": 1000},
    }.items():
        yield Case(f"meanwhile: {name}", lambda scene, change=change: vars(scene.server).update(change), True, True)
    for name, tag in {
        "long": '"' + "x" * 60_000 + '"',
        "folded": '"a\r\n b"',
        "odd": '"\x00\xff"',
        "empty": '""',
    }.items():
        yield Case(f"a version that is {name}", lambda scene, tag=tag: versioned(scene, tag))


def versioned(scene: Scene, tag: str) -> None:
    """Let the server call its file's version so, and break off."""
    data = head(f"Content-Length: {len(BODY)}", f"ETag: {tag}") + BODY[:BEGUN]
    scene.server.always, scene.server.tag = data, tag


# --- what is on the disk


def of_parts() -> Iterator[Case]:
    """Yield unfinished files that are none, and notes about them that lie."""
    for odd in ("pipe", "dangling", "device", "folder", "loop"):
        yield Case(
            f"the part is a {odd}", lambda scene, odd=odd: replaced(scene.wanted.part, odd), asked=False, mends=False
        )
        yield Case(
            f"its note is a {odd}",
            lambda scene, odd=odd: replaced(scene.wanted.state, odd),
            True,
            odd != "folder",
            mends=False,
        )
    for text in (*ODD_JSON, "[]", "3", '{"tag": 3}', '{"tag": ["x"]}', ""):
        yield Case(
            f"its note says {text[:12]!r}", lambda scene, text=text: scene.wanted.state.write_text(text), True, True
        )
    for name, size in {"longer than the file": 2 * len(BODY), "enormous": 300_000_000_000, "empty": 0}.items():
        yield Case(f"the part is {name}", lambda scene, size=size: os.truncate(scene.wanted.part, size), True, True)
    yield Case("the part is spoilt", lambda scene: spoilt(scene.wanted.part), True, True)


def replaced(path: Path, odd: str) -> None:
    """Put something odd in place of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    strange(path, odd)


def spoilt(path: Path) -> None:
    """Change the first bytes of a file."""
    with path.open("r+b") as file:
        file.write(b"spoilt")


def of_files() -> Iterator[Case]:
    """Yield names and hashes that are not fetched, and places that are taken."""
    for name in ("a.ckpt", "a.py", "a.safetensors.exe", "a", ".pth", "a.bin", "a.pkl"):
        yield Case(f"a file named {name}", lambda scene, name=name: called(scene, name), asked=False, mends=False)
    for sha in ("", "0" * 63, "0" * 65):
        yield Case(f"a hash of {len(sha)}", lambda scene, sha=sha: hashed(scene, sha), asked=False)
    yield Case("a hash of no digits", lambda scene: hashed(scene, "x" * 64))
    yield Case("a disk that fills up", filling)
    yield Case("a disk that fills up with the rest", filling, begun=True)
    yield Case("a hash in capitals", lambda scene: hashed(scene, SHA.upper()))
    for odd in ("dangling", "folder", "loop", "pipe"):
        yield Case(
            f"its place is a {odd}", lambda scene, odd=odd: replaced(scene.wanted.target, odd), asked=False, mends=False
        )
    yield Case(
        "its folder is a file", lambda scene: scene.wanted.target.parent.write_text("x"), asked=False, mends=False
    )


def called(scene: Scene, name: str) -> None:
    """Let the file be called so."""
    scene.wanted = replace(scene.wanted, target=scene.wanted.target.with_name(name))


def hashed(scene: Scene, sha: str) -> None:
    """Let the graph give this hash."""
    scene.wanted = replace(scene.wanted, sha256=sha)


def filling(scene: Scene) -> None:
    """Let the disk take no more than a part of the file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    scene.held.callback(resource.setrlimit, resource.RLIMIT_FSIZE, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BEGUN + 100_000, before[1]))
