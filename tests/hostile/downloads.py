"""A download to which something was done, and whether it held. What may be done is in download_cases.py.

It holds when the file arrives whole, or is refused in one sentence; when nothing that a loader would take is left in
place of it; when something is kept exactly where the sentence says so; and when the next call, on an honest server,
brings the file.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from portrait_studio.runner.assets import download
from portrait_studio.runner.assets.download import Download, DownloadError, Progress
from portrait_studio.runner.assets.web import Allowed

from .file_server import FileServer

BODY = bytes(range(256)) * 6000  # 1.5 MB
SHA = hashlib.sha256(BODY).hexdigest()
BEGUN = 600_000  # bytes that an earlier call left, where one did
NAME = "upscale.safetensors"
HERE = Allowed(private=True, plain=True)
LONGEST = 600  # letters of a sentence


@dataclass
class Scene:
    """A server, what is wanted of it and what is allowed; `held` is undone when the fetching is over."""

    server: FileServer
    wanted: Download
    allowed: Allowed = HERE
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


@dataclass(frozen=True)
class Case:
    """One thing that is done to a download.

    `arrange` does it; `begun`: after an earlier call broke off. `comes`: the file has to arrive nevertheless. `asked`:
    whether the server may be asked. `mends`: whether the next call, on an honest server, has to succeed.
    """

    name: str
    arrange: Callable[[Scene], object]
    begun: bool = False
    comes: bool = False
    asked: bool = True
    mends: bool = True


def made(case: Case, folder: Path) -> None:
    """Make a case in a new folder. Raises AssertionError with what did not hold."""
    folder.mkdir(parents=True)
    with FileServer(BODY) as server:
        scene = Scene(server, Download(server.url, folder / "models" / NAME, SHA, len(BODY)))
        if case.begun:
            break_off(scene.wanted, server)
        with scene.held:
            case.arrange(scene)
            server.asked = []
            there = _names(scene.wanted)
            sentence = refused(scene.wanted, scene.allowed)
        assert bool(sentence) != case.comes, sentence or "it was taken"
        assert case.asked or server.asked == [], "the server was asked"
        _check(scene.wanted, sentence, there)
        assert {path.name for path in folder.iterdir()} <= {"models"}, "it wrote outside its folder"
        if sentence and case.mends:
            _mended(replace(scene.wanted, url=server.url, sha256=SHA), server)


def refused(wanted: Download, allowed: Allowed = HERE, progress: Progress = lambda done, total: None) -> str:
    """Fetch; return the sentence that refuses, empty when the file came. Raises AssertionError when it is none."""
    try:
        download.fetch(wanted, progress, pause=0.0, allowed=allowed)
    except DownloadError as error:
        text = str(error)
        assert text.strip() and text.isprintable() and len(text) < LONGEST, f"says {text[:300]!r}"
        return text
    return ""


def _check(wanted: Download, sentence: str, there: set[str]) -> None:
    """Look at what is left, where `there` was there before. Raises AssertionError."""
    left = _names(wanted)
    if not sentence:
        assert wanted.target.read_bytes() == BODY, "what came is not the file"
        assert left == {NAME}, f"it left {left}"
        return
    assert left <= there | {wanted.part.name, wanted.state.name}, f"it left {left}"
    kept = wanted.part.is_file() and wanted.part.stat().st_size > 0
    assert kept or "kept as" not in sentence, "it says that something is kept"
    assert not kept or "nothing of it was kept" not in sentence, "it says that nothing is kept"
    assert kept or wanted.part.name in there or wanted.state.name not in left, f"it left {left}"


def _names(wanted: Download) -> set[str]:
    folder = wanted.target.parent
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _mended(wanted: Download, server: FileServer) -> None:
    """Fetch from an honest server. Raises AssertionError."""
    server.raw, server.always, server.answers, server.cut = [], None, [], []
    server.location, server.moves, server.shift, server.pace, server.piece = "", False, 0, 0.0, 1 << 16
    server.body, server.length, server.honest, server.ranges = BODY, True, True, True
    said = refused(wanted)
    assert not said, f"then, from an honest server: {said}"
    _check(wanted, "", set())


def break_off(wanted: Download, server: FileServer) -> None:
    """Leave an unfinished download behind, by a call that broke off."""

    def later(done: int, _total: int) -> None:
        if done:
            server.answers = [503] * 9

    server.cut = [BEGUN]
    with contextlib.suppress(DownloadError):
        download.fetch(wanted, later, pause=0.0, allowed=HERE)
    server.answers = []
    assert wanted.part.stat().st_size == BEGUN
