"""Where a download may go: redirects, private addresses, proxies."""

from __future__ import annotations

import socket
import threading

import pytest

from portrait_studio.runner.assets import download, web
from portrait_studio.runner.assets.download import Download, DownloadError
from portrait_studio.runner.assets.web import Allowed

from ...hostile.file_server import FileServer
from .fetching import BODY, SHA, fetch, left, refused


def test_a_server_that_is_not_there_is_named(tmp_path):
    wanted = Download("http://127.0.0.1:1/a.safetensors", tmp_path / "a.safetensors", SHA)
    assert "cannot be reached" in refused(wanted)
    assert left(wanted) == set()


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("file:///etc/passwd", "not https"),
        ("ftp://127.0.0.1/a", "not https"),
        ("http://[::1", "redirects to an address that is broken"),
        ("http://127.0.0.1:99999/a", "the address is broken"),
        ("http://127.0.0.1:a/", "the address is broken"),
        ("http://" + "a" * 300 + ".example/", "the address is broken"),
        ("http://me:secret@127.0.0.1/a", "carries a password"),
        ("http://127.0.0.1/\x1b[2J", "the address is broken"),
        ("", "redirects to nowhere"),
        ("/upscale.safetensors", "again and again"),
    ],
)
def test_a_redirect_to_anything_odd_is_not_followed(wanted, server, location, words):
    server.location = location
    server.moves = True
    assert words in refused(wanted)
    assert left(wanted) == set()


PRIVATE = [
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.9.9", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *(
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "224.0.0.1",
        "ff02::1",
    ),
    *("240.0.0.1", "255.255.255.255", "fe80::1%eth0"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_this_machine_or_its_network_is_not_public(address):
    assert not web.is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_an_address_of_the_public_net_is_public(address):
    assert web.is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_stands_for_a_private_address_is_not_asked(wanted, monkeypatch, address):
    """One public address among them does not help: the connection could go to the other."""
    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in ("1.1.1.1", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("it was asked"))
    moved = Download("https://models.example/a.safetensors", wanted.target, SHA)
    with pytest.raises(DownloadError, match="this machine or of its own network"):
        download.fetch(moved)
    assert left(wanted) == set()


def test_the_connection_goes_to_the_address_that_was_looked_at(wanted, server, monkeypatch):
    """A name that means something else when it is asked for again leads nowhere else."""
    asked = []

    def once(host: str, port: int, **_: object) -> list:
        asked.append(host)
        assert len(asked) == 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", once)
    moved = Download(server.url.replace("127.0.0.1", "models.example"), wanted.target, SHA)
    fetch(moved)
    assert asked == ["models.example"]
    assert wanted.target.read_bytes() == BODY


def test_a_redirect_to_this_machine_is_refused_unless_allowed(wanted, server, monkeypatch):
    """The first address is taken for a public one; the one that it sends on to is looked at as well."""
    other = FileServer(BODY)
    other.location = server.url.replace("127.0.0.1", "127.0.0.2")
    plain = web.is_public
    monkeypatch.setattr(web, "is_public", lambda address: address == "127.0.0.1" or plain(address))
    moved = Download(other.url, wanted.target, SHA, len(BODY))
    with pytest.raises(DownloadError, match="this machine or of its own network"):
        download.fetch(moved, pause=0.0, allowed=Allowed(plain=True))
    assert server.asked == []
    other.close()


def test_a_proxy_that_the_user_has_set_is_asked_to_connect(wanted, server, monkeypatch):
    heard = []

    def proxy(listener: socket.socket) -> None:
        ours, _ = listener.accept()
        heard.append(ours.recv(4096))
        ours.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        theirs = socket.create_connection(server.http.server_address)
        theirs.sendall(ours.recv(65536))
        while piece := theirs.recv(65536):
            ours.sendall(piece)
        ours.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=proxy, args=(listener,), daemon=True).start()
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        fetch(Download("http://models.example/a.safetensors", wanted.target, SHA))
    assert heard[0].startswith(b"CONNECT models.example:80 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n" in heard[0]
    assert wanted.target.read_bytes() == BODY
