"""Batches whose runner and hosts are killed at random instants: python -m tests.runner.batch.killing --seeds 1000

Real processes, real sockets, a real disk and SIGKILL; the hosts are scripted, so that a schedule takes a second or
two. Each runner goes on with what the last one left. Prints each seed after which a row is missing, done twice, or not
whole.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import io
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from portrait_studio.runner.batch import PICTURES, BatchRun, Order, State, begin, locked, policy
from portrait_studio.runner.jobs import job_id

from ...hostile.scripted import PROMPT, ScriptedHost
from ...ports import held_port

POLICY = policy(look_latest=0.2, lost_grace=0.1, host_pause=0.05, host_longest=0.3, patience=1.0, hosts_gone=20.0)
DEADLINE = 60.0
PR_SET_PDEATHSIG = 1


@dataclass
class Schedule:
    """What is killed when: (seconds after the start, "runner" or the number of a host)."""

    seed: int
    rows: int
    seconds: float
    kills: list[tuple[float, str]] = field(default_factory=list)


def schedule(seed: int, rows: int = 0, kills: int = 0) -> Schedule:
    """Draw a schedule."""
    draw = random.Random(seed)
    plan = Schedule(seed, rows or draw.randint(6, 16), draw.choice((0.0, 0.02, 0.06)))
    # Drawn small batches may end before the last kill, which is one of the instants; those that were asked for do not.
    span = plan.rows * 0.012 if kills else plan.rows * (plan.seconds / 2 + 0.02) + 0.3
    whom = [name for name in ("runner", "0", "1") for _ in range(kills or draw.randint(1, 3))]
    plan.kills = sorted((draw.uniform(0.0, span), name) for name in whom)
    return plan


def child(work: Callable[[], int]) -> int:
    """Fork; the child does the work, ends with its result, and dies with this process."""
    number = os.fork()
    if number:
        return number
    code = 70
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        code = work()
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        os._exit(code)


class Shift:
    """One schedule, lived through."""

    def __init__(self, plan: Schedule, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.ports: list[int] = []
        self.urls: list[str] = []
        self.hosts: dict[str, int] = {}
        self.runner = 0
        self.killed = 0

    def host(self, number: int) -> int:
        def work() -> int:
            with ScriptedHost(seconds=self.plan.seconds, side=16, port=self.ports[number]):
                while True:
                    time.sleep(60)

        return child(work)

    def start_runner(self) -> int:
        def work() -> int:
            with State.open(self.folder) as state, locked(self.folder):
                return 3 if BatchRun(self.folder, state, self.urls, POLICY).run() else 0

        return child(work)

    def live(self) -> str:
        """Return what is wrong afterwards, or an empty string."""
        with held_port() as one, held_port() as other:  # also while the hosts are dead
            self.ports = [one, other]
            self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
            return self._lived()

    def _lived(self) -> str:
        graph = self.folder / "prompt.json"
        graph.write_text(json.dumps(PROMPT))
        try:
            self.hosts = {str(number): self.host(number) for number in range(2)}
            for port in self.ports:
                wait_for(port)
            order = Order(graph, self.urls, matrix=[f"1.color=1..{self.plan.rows}"])
            begin(order, self.folder).close()
            self.runner = self.start_runner()
            ended = self.kill_and_wait()
        finally:
            for number in [*self.hosts.values(), self.runner]:
                if number:
                    end(number)
        return ended or self.fault()

    def kill_and_wait(self) -> str:
        begin_at, kills = time.monotonic(), list(self.plan.kills)
        back: list[tuple[float, str]] = []
        while (now := time.monotonic() - begin_at) < DEADLINE:
            for when, name in [one for one in back if one[0] <= now]:
                back.remove((when, name))
                self.hosts[name] = self.host(int(name))
            if kills and kills[0][0] <= now:
                _, name = kills.pop(0)
                self.killed += 1
                if name == "runner":
                    end(self.runner)
                    self.runner = self.start_runner()
                elif self.hosts.get(name):
                    end(self.hosts.pop(name))
                    back.append((now + random.Random(self.killed).uniform(0.0, 0.4), name))
            done, status = os.waitpid(self.runner, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                self.runner = 0
                if code:
                    return f"the runner ended with {code}"
                return ""
            time.sleep(0.002)
        return "it did not end"

    def fault(self) -> str:
        """Judge what is on the disk, without the runner's own code for it where that is possible."""
        with State.open(self.folder) as state:
            name, counts = state.facts()["id"], state.counts()
            if counts["done"] != self.plan.rows:
                return f"not all is done: {counts}"
            done = dict(state.query("SELECT row, number FROM attempts WHERE state = 'done'"))
            twice = state.value("SELECT COUNT(*) FROM attempts WHERE state = 'done'") - len(done)
            if twice or len(done) != self.plan.rows:
                return f"{twice} rows are there twice"
            if state.value("SELECT COUNT(*) FROM attempts WHERE state IN ('open', 'saving')"):
                return "an attempt is still open"
            wanted = {f"{row:06d}.png": job_id(name, row, number) for row, number in done.items()}
        pictures = self.folder / PICTURES
        found = {file.name for file in pictures.iterdir()}
        if found != {one + ending for one in wanted for ending in ("", ".json")}:
            return f"the pictures are {sorted(found)[:6]}..."
        honest = ScriptedHost(side=16)
        with honest:
            for file, prompt_id in wanted.items():
                data = (pictures / file).read_bytes()
                record = json.loads((pictures / f"{file}.json").read_text("utf-8"))
                if pixels(data) != pixels(honest.picture(f"{prompt_id[:8]}_00001_.png")):
                    return f"{file} is not the picture of its row"
                if record["sha256"] != hashlib.sha256(data).hexdigest() or record["prompt_id"] != prompt_id:
                    return f"the record of {file} is another's"
        left = list((self.folder / ".fetched").iterdir())
        return f"{len(left)} attempts are left half-fetched" if left else ""


def pixels(data: bytes) -> tuple[tuple[int, int], bytes]:
    """The size and the pixels of a picture; the runner marks it with where it comes from, and changes no pixel."""
    with Image.open(io.BytesIO(data)) as image:
        return image.size, image.tobytes()


def wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)


def end(number: int) -> None:
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=25)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rows", type=int, default=0, help="rows of each batch; drawn when left out")
    parser.add_argument("--kills", type=int, default=0, help="kills of each of the three; drawn when left out")
    given = parser.parse_args()
    begin_at, broken, killed = time.monotonic(), 0, 0
    for seed in range(given.first, given.first + given.seeds):
        folder = Path(tempfile.mkdtemp(prefix="killing-"))
        try:
            shift = Shift(schedule(seed, given.rows, given.kills), folder)
            fault = shift.live()
            killed += shift.killed
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if fault:
            broken += 1
            sys.stdout.write(f"seed {seed}: {fault}\n")
            sys.stdout.flush()
    seconds = time.monotonic() - begin_at
    sys.stdout.write(f"{given.seeds} schedules, {killed} kills, {broken} broken, {seconds:.1f} s\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
