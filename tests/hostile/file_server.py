"""A web server that breaks off, moves, changes and lies: a real one on a real socket, honest unless told to lie."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol


class FileBody(Protocol):
    """What is served: bytes, or what can be cut into pieces as they are."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> bytes: ...


class FileServer:
    """A web server for one file on 127.0.0.1, with ranges, and with the faults that real ones have."""

    def __init__(self, body: FileBody) -> None:
        self.body = body
        self.tag = '"one"'
        self.ranges = True  # whether it answers a Range
        self.honest = True  # whether it heeds If-Range
        self.shift = 0  # by how much it misses the part that it is asked for
        self.cut: list[int] = []  # after how many bytes each of the next answers breaks off
        self.pace = 0.0  # seconds between pieces of 64 KiB
        self.length = True  # whether it tells the length
        self.answers: list[int] = []  # statuses to give before all else
        self.location = ""
        self.moves = False  # whether every answer is a redirect, also to nowhere
        self.piece = 1 << 16  # bytes that are sent at a time
        self.raw: list[bytes] = []  # whole answers to give before all else, byte for byte
        self.always: bytes | None = None  # a whole answer to give to all requests after those
        self.asked: list[str | None] = []  # the Range of every request
        self.sent = 0  # bytes of the file, in all
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        self.at = f"127.0.0.1:{self.http.server_port}"
        self.url = f"http://{self.at}/upscale.safetensors"

    def __enter__(self) -> FileServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving."""
        self.http.shutdown()
        self.http.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        asked = request.headers.get("Range")
        self.asked.append(asked)
        if self.raw or self.always is not None:
            request.close_connection = True
            with contextlib.suppress(OSError):
                request.wfile.write(self.raw.pop(0) if self.raw else self.always or b"")
            return
        if self.answers:
            request.send_error(self.answers.pop(0))
            return
        if self.location or self.moves:
            request.send_response(302)
            request.send_header("Location", self.location)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked and self.ranges else 0
        if self.honest and request.headers.get("If-Range", self.tag) != self.tag:
            start = 0
        start += self.shift if start else 0
        if start >= len(self.body):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if self.tag:
            request.send_header("ETag", self.tag)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        if self.length:
            request.send_header("Content-Length", str(len(self.body) - start))
        request.end_headers()
        end = min(len(self.body), start + self.cut.pop(0)) if self.cut else len(self.body)
        try:
            for at in range(start, end, self.piece):
                request.wfile.write(self.body[at : min(at + self.piece, end)])
                self.sent += min(at + self.piece, end) - at
                time.sleep(self.pace)
        except OSError:  # the client went away
            return
        finally:
            request.close_connection = True


class Proxy:
    """A proxy that connects everybody to one server, whatever the host is called; `asked` is what it was asked for."""

    def __init__(self, server: FileServer) -> None:
        self.asked: list[str] = []
        self._to = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed at the end
            while True:
                ours, _ = self._listener.accept()
                with ours, socket.create_connection(("127.0.0.1", self._to.http.server_port)) as theirs:
                    self.asked.append(ours.recv(4096).split()[1].decode())
                    ours.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    theirs.sendall(ours.recv(65536))
                    while piece := theirs.recv(65536):
                        ours.sendall(piece)
