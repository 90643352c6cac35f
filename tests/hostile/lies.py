"""What a host may send instead of the truth, and whether `portrait-studio run` holds against it.

It holds when the command ends within its --timeout and two seconds more (counted from its first request), with a
documented exit code, in less than MEMORY, says so without a traceback, and leaves in the output folder whole images
with their records and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from PIL import Image
from typer.testing import CliRunner

from portrait_studio.portrait import disk
from portrait_studio.runner.client import EXIT_CODES
from portrait_studio.runner.commands.app import app

from .scripted import (
    OBJECT_INFO,
    PROMPT,
    STATS,
    Frame,
    Lie,
    ScriptedHost,
    body,
    drip,
    flood,
    frame,
    raw,
    reply,
    silence,
)

TIMEOUT = 4.0  # seconds, the command's own
MEMORY = 200  # MB
LONGEST = 1500  # letters of one line on stderr

Script = Callable[[ScriptedHost], None]


@dataclass(frozen=True)
class Attempt:
    """One run of the command: its exit code, what it printed, how long it took (seconds) and its peak memory (MB)."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    peak: int


def command(host: ScriptedHost, folder: Path, *more: str) -> list[str]:
    """Return the command that runs PROMPT on a host; its graph and its output are in `folder`."""
    graph = folder / "graph.json"
    if not graph.exists():
        graph.write_text(json.dumps(PROMPT), "utf-8")
    out = ["--out", str(folder / "out")]
    return [sys.executable, "-m", "portrait_studio.runner", "run", str(graph), "--host", host.url, *out, *more]


def invoked(host: ScriptedHost, folder: Path) -> Attempt:
    """Run the command against a host in this process, which is fast; its memory is not told."""
    begin = time.monotonic()
    made = CliRunner().invoke(app, [*command(host, folder)[3:], "--timeout", f"{TIMEOUT:g}"])
    words = made.stderr
    if made.exception is not None and not isinstance(made.exception, SystemExit):
        words += "".join(traceback.format_exception(made.exception))
    return Attempt(made.exit_code, made.stdout, words, time.monotonic() - begin, 0)


def attempt(host: ScriptedHost, folder: Path, *more: str) -> Attempt:
    """Run the command against a host as a process of its own, its peak memory watched."""
    begin = time.monotonic()
    process = subprocess.Popen(
        command(host, folder, "--timeout", f"{TIMEOUT:g}", *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=folder,
    )
    peak = 0

    def watch() -> None:
        nonlocal peak
        with contextlib.suppress(psutil.Error, OSError):
            while process.poll() is None:
                status = Path(f"/proc/{process.pid}/status").read_text()
                peak = max([peak, *(int(line.split()[1]) // 1024 for line in status.splitlines() if "VmHWM" in line)])
                time.sleep(0.02)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        stdout, stderr = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        stderr += "\nit never ended"
    seconds = time.monotonic() - (host.began or begin)
    watcher.join(1)
    return Attempt(process.returncode, stdout, stderr, seconds, peak)


def fault_of(made: Attempt, folder: Path) -> str:
    """Return why an attempt did not hold, empty when it did."""
    codes = {row["code"] for row in EXIT_CODES.values()} - {1, 2}
    if made.code not in codes:
        return f"exit code {made.code}: {made.stderr[-300:]}"
    if made.seconds > TIMEOUT + 2:
        return f"it took {made.seconds:.1f} s"
    if made.peak >= MEMORY:
        return f"it took {made.peak} MB"
    if "Traceback" in made.stderr or "Exception ignored" in made.stderr or _longest(made.stderr) > LONGEST:
        return f"it says: {made.stderr[-300:]}"
    if made.code and not made.stderr.strip():
        return "it says nothing"
    if extra := {path.name for path in folder.iterdir()} - {"graph.json", "out"}:
        return f"it wrote {extra}"
    return unsound(folder / "out")


def _longest(text: str) -> int:
    return max(map(len, text.splitlines()), default=0)


def unsound(out: Path) -> str:
    """Return what is wrong with an output folder: an image without its record, damaged, or anything else in it."""
    for path in out.iterdir() if out.is_dir() else ():
        if path.suffix == ".json" and path.with_suffix("").exists():
            continue
        record = path.with_name(f"{path.name}.json")
        if not record.is_file():
            return f"{path.name} is there without a record"
        told = json.loads(record.read_text("utf-8"))
        if (told["file"], told["sha256"]) != (path.name, disk.sha256(path)):
            return f"{path.name} is not what its record says"
        with Image.open(path) as picture:
            picture.load()
    return ""


def tried(script: Script, folder: Path, way: Callable[[ScriptedHost, Path], Attempt]) -> tuple[str, Attempt]:
    """Run the command against a host with this script; return what did not hold, and the attempt."""
    folder.mkdir(parents=True)
    with ScriptedHost(images=2) as host:
        script(host)
        made = way(host, folder)
    return fault_of(made, folder), made


# --- bad bodies and names

HTML = "<!doctype html><title>Sign in</title>"
BODIES: dict[str, Any] = {
    "a page": HTML,
    "nothing": b"",
    "null": None,
    "a list": [],
    "an object": {},
    "a text": '"text"',
    "a number": 7,
    "half of it": b'{"a": [1, 2',
    "no text": b"\xff\xfe\x00\x80",
    "deep": b"[" * 3000 + b"]" * 3000,
    "deep and cut": b'{"a":' * 100_000,
    "a text without end": b'"' + b'\\"' * 1_000_000,
}
PLACES = ("GET /system_stats", "GET /queue", "GET /object_info", "GET /history/", "POST /prompt", "GET /view")
NAMES = (
    *("../../up.png", "/etc/cron.d/x.png", "a\x00b.png", "x" * 5000 + ".png", "\udc80.png", "CON.png", ".png", "..png"),
    *("~/.bashrc", "a.png.json", "a/b\\c.png", "\x1b[2J.png", "\u202egnp.exe", "", " ", "a.png?x=1", "%2e%2e%2fa.png"),
)
HEADS = {
    "length of -5": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    "chunk of -1": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
    "chunk of no number": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "no such status": b"HTTP/1.1 9999 OK\r\n\r\n",
    "HTTP/7": b"HTTP/7.7 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a long header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    "a redirect to nowhere": b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
    "a redirect without an end": b"HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "401": reply(b"", status=401),
    "404": reply(b"404: Not Found", status=404),
    "500": reply(b"Server got itself in trouble", status=500),
    "503": reply(HTML.encode(), status=503),
}


def of_bodies() -> Iterator[tuple[str, Script]]:
    """Yield every bad body, name and head against the place where it hurts."""

    def at(place: str, lie: Lie) -> Script:
        return lambda host: host.lies.update({place: lie})

    for place in PLACES:
        for name, content in BODIES.items():
            yield f"{place}: {name}", at(place, body(content))
    for name, data in HEADS.items():
        for place in ("GET /system_stats", "GET /history/", "GET /view"):
            yield f"{place}: {name}", at(place, raw(data))
        yield f"GET /ws: {name}", lambda host, data=data: setattr(host, "opening", raw(data))
    for name in NAMES:
        yield f"an image called {name[:16]!r}", lambda host, name=name: named(host, name, "")
        yield f"an image in {name[:16]!r}", lambda host, name=name: named(host, "a.png", name)
    for number, told in enumerate(odd_histories()):
        yield f"history {number}", lambda host, told=told: setattr(host, "entry", lambda _: told)
    odd = [{**STATS, "devices": []}, {"system": {"comfyui_version": 3}}, {"system": [], "devices": {}}]
    odd += [{**STATS, "devices": [{"name": 5, "vram_total": -1, "vram_free": 1e308}]}]
    for number, stats in enumerate(odd):
        yield f"stats {number}", lambda host, stats=stats: setattr(host, "stats", stats)
    for number, info in enumerate(odd_nodes()):
        yield f"nodes {number}", lambda host, info=info: setattr(host, "object_info", info)
    for number, told in enumerate(
        (
            {"prompt_id": "another", "node_errors": {}},
            {"error": 3, "node_errors": {"9": 4}},
            {"node_errors": {"9": {"errors": [{"message": "\x1b[2J" * 5000}] * 5000, "class_type": 1}}},
            {"error": {"message": None, "details": ["x"]}, "node_errors": []},
        )
    ):
        for status in (200, 400):
            yield f"POST /prompt: {status} {number}", at("POST /prompt", body(told, status=status))


def named(host: ScriptedHost, filename: str, subfolder: str) -> None:
    """Let the host show an image of this name."""
    told = ScriptedHost.entry(host, "x")
    told["outputs"]["9"]["images"] = [{"filename": filename, "subfolder": subfolder, "type": "output"}]
    host.entry = lambda prompt_id: told


def odd_histories() -> Iterator[Any]:
    """Yield history entries that are wrong somewhere."""
    shown = {"images": [{"filename": "a.png", "subfolder": 3, "type": None}]}
    yield from ([], 3, "x", {"outputs": [], "status": {}}, {"outputs": {"9": 3}, "status": 3})
    yield {"outputs": {"9": shown}, "status": {"status_str": 3, "messages": [["execution_success", {}]]}}
    yield {"outputs": {"9": shown}, "status": {"messages": [3, [], ["x"], [3, 4], ["execution_cached", {"nodes": 7}]]}}
    yield {"outputs": {"9": shown}, "status": {"messages": [["execution_error", {"node_id": [], "node_type": {}}]]}}
    long = {"node_id": "x" * 10_000, "exception_message": "\x1b]0;x\x07" * 100_000}
    yield {"outputs": {}, "status": {"messages": [["execution_error", long]]}}
    finding = {"kind": "likeness", "likeness": "high", "faces": {}, "warnings": 5, "stage": []}
    yield {
        "outputs": {"9": {"portrait_studio": [finding, 3, None]}},
        "status": {"messages": [["execution_success", {}]]},
    }
    yield {
        "outputs": {"9": {"portrait_studio": {"a": 1}, "images": {"filename": "a"}}},
        "status": {"status_str": "success"},
    }


def odd_nodes() -> Iterator[Any]:
    """Yield /object_info with one thing wrong."""
    wrong = (None, 3, "x", [], {}, [3], [[]], [{}], ["INT", 3], [None, {}], ["INT", {"min": "x", "max": [], "step": 0}])
    for spec in wrong:
        info = json.loads(json.dumps(OBJECT_INFO))
        info["SaveImage"]["input"]["required"]["filename_prefix"] = spec
        info["EmptyImage"]["input"]["required"]["width"] = spec
        yield info
    for key in ("input", "output", "output_node", "python_module", "input_order", "display_name"):
        for value in (None, 3, "x", [], [3], {"required": 3}):
            yield {name: {**node, key: value} for name, node in OBJECT_INFO.items()}
    huge = json.dumps(OBJECT_INFO).replace("4096", "9" * 400).replace('"min": 0', '"min": -1' + "0" * 400)
    yield json.loads(huge, parse_int=lambda digits: digits if len(digits) > 99 else int(digits))


# --- floods, drips and giants


def of_floods() -> Iterator[tuple[str, Script]]:
    """Yield everything that comes without an end, too slowly, or too large."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    chunk = b"100000\r\n" + b"[" * 0x100000 + b"\r\n"
    endless = {
        "a body without end": flood(head + b"\r\n"),
        "chunks without end": flood(head + b"Transfer-Encoding: chunked\r\n\r\n", chunk),
        "a length of 10^15": flood(head + b"Content-Length: 1000000000000000\r\n\r\n"),
        "headers without end": flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000),
        "a header without end": flood(b"HTTP/1.1 200 OK\r\nX: "),
        "continue, continue": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        "trailers without end": flood(head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 10_000),
        "a dripped body": drip(head + b"Content-Length: 5000\r\n\r\n{", 0.1),
        "dripped headers": drip(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 5000, 0.1),
        "silence": silence(30),
    }
    for place in ("GET /system_stats", "GET /queue", "GET /object_info", "GET /history/", "POST /prompt", "GET /view"):
        for name, lie in endless.items():
            yield f"{place}: {name}", lambda host, place=place, lie=lie: host.lies.update({place: lie})
    giants = {
        "lists": b"[" + b"[]," * 7_000_000 + b"[]]",
        "objects": b"[" + b"{}," * 250_000 + b"{}]",
        "numbers": b"[" + b"1," * 10_000_000 + b"1]",
        "one text": b'["' + b"x" * 17_750_000 + b'"]',
        "a text with an emoji": b'["' + b"x" * 17_750_000 + '\U0001f600"]'.encode(),
        "a text with an escaped emoji": b'["' + b"x" * 17_750_000 + b'\\ud83d\\ude00"]',
        "digits": b"[" + b"9" * 17_750_000 + b"]",
    }
    for name, data in giants.items():
        for place in ("GET /object_info", "GET /history/"):
            yield f"{place}: {name}", lambda host, place=place, data=data: host.lies.update({place: body(data)})
    for name, lie in endless.items():
        yield f"GET /ws: {name}", lambda host, lie=lie: setattr(host, "opening", lie)
    for name, says in spoken().items():
        yield f"websocket: {name}", lambda host, says=says: stalled(host, says)


def stalled(host: ScriptedHost, says: Callable[[str, Frame], None]) -> None:
    """A job that never ends, about which the websocket says this."""
    host.seconds, host.says = 600.0, says


def spoken() -> dict[str, Callable[[str, Frame], None]]:
    """Return what a websocket may say too much or too slowly."""

    def for_ever(make: Callable[[str, int], bytes], pause: float = 0.0) -> Callable[[str, Frame], None]:
        def says(prompt_id: str, say: Frame) -> None:
            number = 0
            while True:
                say.raw(make(prompt_id, number))
                number += 1
                time.sleep(pause)

        return says

    def progress(prompt_id: str, number: int) -> bytes:
        told = {"prompt_id": prompt_id, "node": f"n{number}", "value": number, "max": 9}
        return frame(json.dumps({"type": "progress", "data": told}).encode())

    def failing(prompt_id: str, number: int) -> bytes:
        told = {"prompt_id": prompt_id, "node_id": f"{number}", "exception_message": "x" * 50_000}
        return frame(json.dumps({"type": "execution_error", "data": told}).encode())

    def entering(prompt_id: str, number: int) -> bytes:
        return frame(json.dumps({"type": "executing", "data": {"prompt_id": prompt_id, "node": f"{number}"}}).encode())

    return {
        "junk without end": for_ever(lambda *_: frame(os.urandom(9000), 2)),
        "a frame of 2^62 bytes": for_ever(
            lambda _, number: frame(b"", 2, length=1 << 62) if not number else b"x" * 99_999
        ),
        "a frame of 3 GB": for_ever(lambda _, number: frame(b"", 2, length=3 << 30) if not number else b"x" * 99_999),
        "parts without end": for_ever(lambda _, number: frame(b"x" * 99_999, 0 if number else 1, final=False)),
        "pings without end": for_ever(lambda *_: frame(b"ping", 9)),
        "a dripped frame": for_ever(lambda _, number: frame(b"", 1, length=5000) if not number else b"{", 0.05),
        "progress of ever other nodes": for_ever(progress),
        "ever other nodes": for_ever(entering),
        "errors without end": for_ever(failing),
        "frames that are none": for_ever(lambda *_: os.urandom(4096)),
        "previews of 30 MB": for_ever(lambda *_: frame(b"\0\0\0\1\0\0\0\1" + b"x" * 30_000_000, 2)),
        "lists of 20 MB": for_ever(lambda *_: frame(b'{"data": [' + b"[]," * 6_000_000 + b"[]]}")),
    }
