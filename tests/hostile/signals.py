"""Signals at the command while it runs, by a fixed seed: what it leaves, with which code it ends, what a restart does.

The command runs PROMPT on a scripted host that serves small real PNGs. A signal is aimed at the fetching of the images,
or comes at a random moment: a third each while the command loads, while its job runs, and from the fetching to its end.
It loads far longer than it runs, so moments spread over the whole of it would hit little else. The first moment is the
one in which the command begins to listen to signals (before that it is Python that starts, and ends in its own way).

Then the same command runs again with the same --id, in this process, and has to complete the set.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil
from typer.testing import CliRunner

from portrait_studio.runner.commands.app import app

from .lies import command, unsound
from .scripted import ScriptedHost
from .starting import Loaded, Run, started

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
IMAGES = 4
FETCHES = 0.25  # seconds that the fetching takes, or about
LASTS = {"loading": 2.0, "running": 0.5, "fetching": 0.6}  # seconds, or about; the last one to the command's end
ENDS = 30.0  # seconds that a run may go on after its signal
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}


@dataclass(frozen=True)
class Shot:
    """One signal: which, and `after` how many seconds of what the command does (`moment`, of LASTS)."""

    number: signal.Signals
    moment: str
    after: float


def shots(count: int, aimed: bool, seed: int = 3) -> Iterator[Shot]:
    """Yield `count` shots, the same for the same seed; aimed ones go into the fetching."""
    chance = random.Random(f"{seed} {aimed}")
    for number in range(count):
        moment = "fetching" if aimed else chance.choice(list(LASTS))
        yield Shot(NUMBERS[number % len(NUMBERS)], moment, chance.uniform(0.0, FETCHES if aimed else LASTS[moment]))


class Fired(NamedTuple):
    """What came of a shot: what did not hold (empty: all did), the exit code, and the seconds from signal to end."""

    fault: str
    code: int
    seconds: float


def fired(shot: Shot, folder: Path, loaded: Loaded) -> Fired:
    """Fire a shot at the command in an empty folder. One that is fired at its loading gets a process of its own."""
    folder.mkdir(parents=True)
    words = folder.with_suffix(".words")
    try:
        with ScriptedHost(images=IMAGES, seconds=0.2) as host:
            host.lies["GET /view"] = lambda *_: time.sleep(FETCHES / IMAGES) or True
            line = command(host, folder, "--id", "night")
            run = (started if shot.moment == "loading" else loaded.start)(line, folder, words)
            seconds, fault = _stopped(shot, host, run)
            code = run.wait(5)
            fault = fault or _fault_of(shot, code, words.read_text("utf-8"), folder) or _completed(line, folder)
            return Fired(fault and f"{shot}: {fault}", code, seconds)
    finally:
        shutil.rmtree(folder)


def _stopped(shot: Shot, host: ScriptedHost, run: Run) -> tuple[float, str]:
    """Signal a run; return how long it went on after that, and what is wrong when it did not end."""
    begun = {
        "loading": lambda: _listens(run.pid),
        "running": lambda: host.requests,
        "fetching": lambda: "GET /view" in host.requests,
    }
    _wait(begun[shot.moment], run)
    time.sleep(shot.after)
    begin = time.monotonic()
    run.send_signal(shot.number)
    try:
        run.wait(ENDS)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGKILL)
        return ENDS, "it did not end"
    seconds = time.monotonic() - begin
    left = [pid for pid in psutil.pids() if _session(pid) == run.pid]
    return seconds, f"it left the processes {left}" if left else ""


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _fault_of(shot: Shot, code: int, stderr: str, folder: Path) -> str:
    """Return what is wrong with what a run that was stopped said and left."""
    out = folder / "out"
    if code not in (0, CODES[shot.number]):
        return f"exit code {code}: {stderr[-300:]}"
    if "Traceback" in stderr or "Exception ignored" in stderr:
        return f"it says {stderr[-600:]}"
    if code > 0 and not stderr.strip():
        return "it says nothing"
    if code == 0 and (fault := _whole(out)):
        return f"its exit code is 0, and {fault}"
    if shot.number != signal.SIGKILL and (left := [path.name for path in _all(out) if path.name.startswith(".")]):
        return f"it left {left}"
    return unsound_images(out)


def _completed(line: list[str], folder: Path) -> str:
    """Run the command again; return what is then wrong with what is there."""
    out = folder / "out"
    again = CliRunner().invoke(app, line[3:])
    if again.exit_code:
        told = "" if isinstance(again.exception, SystemExit) else "".join(traceback.format_exception(again.exception))
        return f"the second run ended with {again.exit_code}: {again.stderr[-300:]}{told}"
    if fault := _whole(out):
        return f"after the second run {fault}"
    if extra := {path.name for path in folder.iterdir()} - {"graph.json", "out"}:
        return f"it wrote {extra}"
    return unsound(out)


def _whole(out: Path) -> str:
    pictures = [path for path in _all(out) if path.suffix == ".png"]
    if len(pictures) == IMAGES and len(_all(out)) == 2 * IMAGES:
        return ""
    return f"there are {sorted(path.name for path in _all(out))}"


def unsound_images(out: Path) -> str:
    """Return what is wrong with the images in a folder: one without its record, or damaged."""
    for path in _all(out):
        if path.suffix == ".png" and not path.with_name(f"{path.name}.json").is_file():
            return f"{path.name} is there without a record"
    return ""


def _all(out: Path) -> list[Path]:
    return list(out.iterdir()) if out.is_dir() else []


def _listens(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM, as Linux tells it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0")
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def _wait(holds: Callable[[], object], run: Run) -> None:
    end = time.monotonic() + 60
    while not holds() and run.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
