"""A ComfyUI that does as it is told: honest unless a test scripts a lie. A real server on a real socket.

    with ScriptedHost(images=3) as host:
        host.lies["GET /view"] = body(b"<html>", "text/html")
        ... Client(host.url) or `portrait-studio run --host host.url`

Honest, it takes prompts, "runs" each for `seconds`, says so over its websocket, has it in /queue and then in /history,
and serves `images` small PNGs for each node SaveImage. `PROMPT` is a prompt that it takes.

A lie is `lie(request, send)`: `send` writes raw bytes to the socket, the status line included; when the lie returns
None the connection is closed, and when it returns True the honest answer follows. `lies` is by "METHOD /path"; the
longest key that the request begins with counts. Ready-made ones: `body`, `raw`, `flood`, `drip`, `silence`, `first`.

The websocket is scripted by `says`, called with (prompt_id, frame) when a prompt runs: `frame` sends one frame (a dict
as JSON text, bytes as a binary frame), `frame.raw` sends bytes as they are. `opening` replaces the whole handshake.

What the client did is in `requests` ("METHOD /path"), `posted` (prompt ids) and `began` (the `time.monotonic()` of its
first request). Nothing here judges the client.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from PIL import Image

PROMPT = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "scripted"}},
}
STATS = {
    "system": {"comfyui_version": "0.3.75", "python_version": "3.12.3 (main)", "pytorch_version": "2.9", "argv": []},
    "devices": [{"name": "cpu", "type": "cpu", "vram_total": 1 << 33, "vram_free": 1 << 32}],
}
_INT = ["INT", {"default": 64, "min": 0, "max": 4096}]
OBJECT_INFO = {
    "EmptyImage": {
        "input": {"required": dict.fromkeys(("width", "height", "batch_size", "color"), _INT)},
        "output": ["IMAGE"],
        "output_node": False,
        "python_module": "nodes",
    },
    "SaveImage": {
        "input": {"required": {"images": ["IMAGE"], "filename_prefix": ["STRING", {"default": "ComfyUI"}]}},
        "output": [],
        "output_node": True,
        "python_module": "nodes",
    },
    "LoadImage": {
        "input": {"required": {"image": [["photo.png"], {"image_upload": True}]}},
        "output": ["IMAGE", "MASK"],
        "output_node": False,
        "python_module": "nodes",
    },
}
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3

Send = Callable[[bytes], object]
Lie = Callable[["Request", Send], Any]


@dataclass(frozen=True)
class Request:
    """What the client asked; `number` counts the requests of this method and path, from 0."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    number: int


@dataclass
class Frame:
    """Sends frames to the client's websockets."""

    raw: Send

    def __call__(self, message: dict | bytes) -> None:
        data = json.dumps(message).encode() if isinstance(message, dict) else message
        self.raw(frame(data, 1 if isinstance(message, dict) else 2))


@dataclass
class ScriptedHost:
    """See the top of this file. Times in seconds."""

    images: int = 1
    seconds: float = 0.0
    side: int = 64
    port: int = 0
    stats: Any = field(default_factory=lambda: STATS)
    object_info: Any = field(default_factory=lambda: OBJECT_INFO)
    lies: dict[str, Lie] = field(default_factory=dict)
    says: Callable[[str, Frame], None] | None = None
    opening: Lie | None = None
    requests: list[str] = field(default_factory=list)
    posted: list[str] = field(default_factory=list)
    began: float = 0.0

    def __post_init__(self) -> None:
        self.ends: dict[str, float] = {}
        self.sockets: dict[str, socket.socket] = {}
        self._pictures: dict[str, bytes] = {}
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                host.answer(self)

            def do_POST(self) -> None:
                host.answer(self)

            def log_message(self, format: str, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that is killed or that has enough

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> ScriptedHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        for one in list(self.sockets.values()):
            with contextlib.suppress(OSError):
                one.close()

    def picture(self, name: str) -> bytes:
        """Return the PNG of a name, always the same for the same name."""
        if name not in self._pictures:
            chance = np.random.default_rng(list(name.encode()))
            buffer = io.BytesIO()
            Image.fromarray(chance.integers(0, 255, (self.side, self.side, 3), np.uint8)).save(buffer, "PNG")
            self._pictures[name] = buffer.getvalue()
        return self._pictures[name]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request, by a lie where there is one."""
        self.began = self.began or time.monotonic()
        parts = urlsplit(handler.path)
        line = f"{handler.command} {parts.path}"
        given = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        request = Request(handler.command, unquote(parts.path), query, given, self.requests.count(line))
        self.requests.append(line)
        if parts.path == "/ws":
            handler.close_connection = True
            self._listen(handler, request)
            return
        key = max((key for key in self.lies if line.startswith(key)), key=len, default=None)
        with contextlib.suppress(OSError):
            if key is not None and not self.lies[key](request, handler.wfile.write):
                handler.close_connection = True
                return
            status, media_type, content = self.honest(request)
            handler.wfile.write(reply(content, media_type, status))

    def honest(self, request: Request) -> tuple[int, str, bytes]:
        """Return the status, the media type and the body of an honest answer."""
        path, now = request.path, time.monotonic()
        running = [name for name, end in self.ends.items() if now < end]
        if request.method == "POST":
            return _json(self._post(request))
        if path == "/view":
            return 200, "image/png", self.picture(request.query["filename"])
        if path.startswith("/history/"):
            name = path.removeprefix("/history/")
            return _json({name: self.entry(name)} if name in self.ends and now >= self.ends[name] else {})
        known = {
            "/system_stats": self.stats,
            "/queue": {"queue_running": [[0, name, {}, {}, []] for name in running], "queue_pending": []},
            "/object_info": self.object_info,
            "/internal/logs/raw": {"entries": [], "size": {}},
        }
        if path in known:
            return _json(known[path])
        if path.startswith("/object_info/"):
            name = path.removeprefix("/object_info/")
            known_here = isinstance(self.object_info, dict) and name in self.object_info
            return _json({name: self.object_info[name]} if known_here else {})
        return 404, "text/plain", b"404: Not Found"

    def entry(self, prompt_id: str) -> dict[str, Any]:
        """Return the history of a prompt that is through."""
        names = [f"{prompt_id[:8]}_{number:05}_.png" for number in range(1, self.images + 1)]
        shown = [{"filename": name, "subfolder": "", "type": "output"} for name in names]
        messages = [["execution_start", {}], ["execution_cached", {"nodes": []}], ["execution_success", {}]]
        status = {"status_str": "success", "completed": True, "messages": messages}
        return {"prompt": [0, prompt_id, {}, {}, []], "outputs": {"9": {"images": shown}}, "status": status, "meta": {}}

    def _post(self, request: Request) -> dict[str, Any]:
        if request.path == "/upload/image":
            return {"name": "photo.png", "subfolder": "", "type": "input"}
        if request.path != "/prompt":
            given = json.loads(request.body or b"{}")
            for name in given.get("delete", ()) if isinstance(given, dict) else ():
                self.ends.pop(name, None)
            if request.path == "/interrupt":
                self.ends.pop(str(given.get("prompt_id")), None)
            return {}
        given = json.loads(request.body)
        prompt_id = given["prompt_id"]
        self.posted.append(prompt_id)
        self.ends[prompt_id] = time.monotonic() + self.seconds
        threading.Thread(target=self._tell, args=(prompt_id, given.get("client_id")), daemon=True).start()
        return {"prompt_id": prompt_id, "number": 1, "node_errors": {}}

    def _tell(self, prompt_id: str, client_id: str) -> None:
        end = time.monotonic() + 2
        while client_id not in self.sockets and time.monotonic() < end:
            time.sleep(0.01)
        line = self.sockets.get(client_id)
        if line is None:
            return
        with contextlib.suppress(OSError):
            (self.says or self._honestly)(prompt_id, Frame(line.sendall))

    def _honestly(self, prompt_id: str, say: Frame) -> None:
        mine = {"prompt_id": prompt_id}
        say({"type": "execution_start", "data": mine})
        say({"type": "execution_cached", "data": mine | {"nodes": []}})
        say({"type": "executing", "data": mine | {"node": "9", "display_node": "9"}})
        for step in range(1, 6):
            time.sleep(self.seconds / 5)
            say({"type": "progress", "data": mine | {"node": "9", "value": step, "max": 5}})
        say({"type": "execution_success", "data": mine})
        say({"type": "executing", "data": mine | {"node": None}})

    def _listen(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        if self.opening is not None:
            with contextlib.suppress(OSError):
                self.opening(request, handler.wfile.write)
            return
        key = handler.headers.get("Sec-WebSocket-Key", "").encode()
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Accept: {accept}", "", ""]
        handler.wfile.write("\r\n".join(lines).encode())
        client_id = request.query.get("clientId", "")
        status = {"status": {"exec_info": {"queue_remaining": 0}}, "sid": client_id}
        handler.wfile.write(frame(json.dumps({"type": "status", "data": status}).encode(), 1))
        self.sockets[client_id] = handler.connection
        with contextlib.suppress(OSError):
            while handler.connection.recv(4096):
                pass
        self.sockets.pop(client_id, None)


def reply(content: bytes, media_type: str = "application/json", status: int = 200, length: int | None = None) -> bytes:
    """A whole HTTP answer; `length` is what it says of its length."""
    told = len(content) if length is None else length
    return f"HTTP/1.1 {status} OK\r\nContent-Type: {media_type}\r\nContent-Length: {told}\r\n\r\n".encode() + content


def frame(data: bytes, opcode: int = 1, final: bool = True, length: int | None = None) -> bytes:
    """One websocket frame, unmasked as a server sends it; `length` is what it says of its length."""
    told = len(data) if length is None else length
    head = bytes([(128 if final else 0) | opcode])
    if told < 126:
        head += bytes([told])
    elif told < 1 << 16:
        head += struct.pack("!BH", 126, told)
    else:
        head += struct.pack("!BQ", 127, told)
    return head + data


def body(content: Any, media_type: str = "application/json", status: int = 200, **more: int) -> Lie:
    """A lie that answers with this body, always: bytes and text as they are, all else as JSON."""
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    return raw(reply(text.encode() if isinstance(text, str) else text, media_type, status, **more))


def raw(data: bytes) -> Lie:
    """A lie that sends these bytes and closes the connection."""

    def lie(_request: Request, send: Send) -> None:
        send(data)

    return lie


def flood(head: bytes, piece: bytes = b"x" * (1 << 20)) -> Lie:
    """A lie that sends a head and then the same piece for ever, as fast as it is taken."""

    def lie(_request: Request, send: Send) -> None:
        send(head)
        while True:
            send(piece)

    return lie


def drip(data: bytes, pause: float = 0.2, size: int = 1) -> Lie:
    """A lie that sends its bytes a few at a time, then the last one again and again."""

    def lie(_request: Request, send: Send) -> None:
        at = 0
        while True:
            send(data[at : at + size] or data[-1:])
            at += size
            time.sleep(pause)

    return lie


def silence(seconds: float = 600.0) -> Lie:
    """A lie that says nothing."""

    def lie(_request: Request, _send: Send) -> None:
        time.sleep(seconds)

    return lie


def first(times: int, lie: Lie) -> Lie:
    """A lie that is told the first times only; the truth follows."""

    def told(request: Request, send: Send) -> Any:
        return True if request.number >= times else lie(request, send)

    return told


def _json(value: Any) -> tuple[int, str, bytes]:
    return 200, "application/json", json.dumps(value).encode()
