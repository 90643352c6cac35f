"""Photos judged beside the hosts, so that a verdict takes seconds while one of them trains for an hour.

In a process of its own: while torch is loaded, and while it works, a process answers no browser.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ...portrait.errors import PortraitError
from ...portrait.processes import own_group
from ..storage import PersonRow, PhotoRow
from .photos import photos_of
from .studio import Studio

PhotoJudge = Callable[[Sequence[Path], Sequence[str]], dict[str, Any]]
"""Returns the report on photo files of the given names, as PhotoReport.as_dict does."""


def judge_files(files: Sequence[Path], names: Sequence[str]) -> dict[str, Any]:
    """Return the photo report; needs torch, which is loaded at the first call. Raises PortraitError."""
    from ...portrait import report
    from ...portrait.originals import open_photo

    return report.judge([open_photo(file) for file in files], names).as_dict()


class JudgeProcess:
    """Judges in a process that starts with the first photos, keeps torch loaded, and ends with this one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, files: Sequence[Path], names: Sequence[str]) -> dict[str, Any]:
        """Return the photo report. Raises PortraitError; when the process ended, the next call starts another."""
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-c", f"from {__name__} import serve_judging; serve_judging()"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **own_group()
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps([list(map(str, files)), list(names)]) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        if not answer.endswith("\n"):
            self.close()
            raise PortraitError("The process that looks at photos has ended; it is started again.")
        told = json.loads(answer)
        if "error" in told:
            raise PortraitError(told["error"])
        return told

    def close(self) -> None:
        """End the process; what it is at is not answered."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def serve_judging() -> None:
    """Judge what is asked for on standard input, a line of JSON each, until it ends."""
    asked: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            asked.put(line)
        os._exit(0)  # whoever asked has ended, and nobody wants what is under way

    out, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    threading.Thread(target=read, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(5)  # pages come first
    while True:
        files, names = json.loads(asked.get())
        try:
            answer = judge_files([Path(file) for file in files], names)
        except PortraitError as error:
            answer = {"error": str(error)}
        out.write(json.dumps(answer) + "\n")
        out.flush()


def judge_waiting(studio: Studio, judge: PhotoJudge) -> bool:
    """Judge the photos of one subject that waits for it; return whether there was one. Raises PortraitError."""
    with studio.database.session(reading=True) as session:
        person = session.scalar(
            select(PhotoRow.person_id).where(PhotoRow.state == "waiting").order_by(PhotoRow.created).limit(1)
        )
        photos = photos_of(session, person) if person else []
    if not photos or person is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for photo in photos:
            files.append(Path(folder) / f"{photo.id}.jpg")
            files[-1].write_bytes(studio.blobs.get(photo.blob))
        report = judge(files, [photo.name for photo in photos])
    with studio.database.session() as session:
        present = photos_of(session, person)
        if [one.id for one in present] != [one.id for one in photos]:
            return True  # some came or went meanwhile, and the report depends on all of them
        for photo, verdict in zip(present, report["photos"], strict=True):
            photo.state = "accepted" if verdict["accepted"] else "refused"
            photo.reason = verdict["reason"]
        row = session.get(PersonRow, person)
        if row is not None:
            row.report = {key: report[key] for key in ("accepted", "rejected", "missing", "doubts")}
    return True
