"""Sessions that are killed at random moments: python -m tests.runner.session.killing --kills 20

A session runs to its end once. Then the same session runs in other folders, killed by SIGKILL at a random moment and
started again, until it was killed so often and is done; every picture must have the same pixels. With --trained the
subject is there already, and the portraits come from a graph that takes no time; without, photos are judged, a
subject is trained in a few steps, and the portraits are those of the starter graph in few steps. The host is the
studio's own, and lives through all kills.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from portrait_studio.portrait import subjects
from portrait_studio.runner.client import Client
from portrait_studio.runner.demo import HostInstallation
from tests.runner.session.small import photos, small_graph

ROOT = Path(__file__).parents[3]
FAST = ("steps=2", "portraits=1", "sample_steps=1")
FEW_STEPS = ("steps=2", "detail_steps=1", "tone_steps=1", "upscale_steps=1", "width=128", "height=128")


def command(url: str, name: str, folder: Path, graph: Path | None, resume: bool = False) -> list[str]:
    """The command line of the session of a subject; `graph` is that of one that is trained already."""
    start = [sys.executable, "-m", "portrait_studio.runner", "session"]
    if resume:
        return [*start, "--resume", str(folder), "--host", url]
    axes = ["--poses", "head-front,half-waving,half-relaxed", "--tones", "warm-film,vivid"]
    if graph is not None:
        more = ["--trained", "--graph", str(graph), *axes, "--count", "2"]
    else:
        more = [*map(str, photos("david")), "--consent", "--replace", "--poses", "head-front", "--tones", "vivid"]
        more += [text for one in FAST for text in ("--training", one)]
        more += [text for one in FEW_STEPS for text in ("--set", one)]
        more += ["--count", "2"]
    return [*start, *more, "--name", name, "--out", str(folder), "--host", url]


def run(arguments: Sequence[str], seconds: float = 0.0) -> bool:
    """Run a command; kill it after some seconds (0: never) and return whether it was killed. Raises when it fails."""
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, said = process.communicate(timeout=seconds or None)
        except subprocess.TimeoutExpired:
            return True
        finally:
            process.kill()
    if process.returncode:
        raise RuntimeError(f"the session ended with {process.returncode}: {said[-500:]}")
    return False


def pixels(folder: Path) -> dict[str, str]:
    """The hash of the pixels of every portrait."""
    found = {}
    for record in sorted((folder / "portraits" / "pictures").glob("*.json")):
        facts = json.loads(record.read_text("utf-8"))
        assert (record.with_suffix("")).is_file(), f"{record.name} has no picture"
        found[facts["file"]] = facts["pixels_sha256"]
    return found


def live(url: str, store: Path, kills: int, seed: int, trained: bool, work: Path) -> tuple[list[float], int, int]:
    """Return the seconds after a start of each kill, how many pictures were compared, and how many differ."""
    name = f"killed {uuid.uuid4().hex[:8]}"  # others may work in the same store meanwhile
    try:
        return _lived(url, name, store, kills, random.Random(seed), trained, work)
    finally:
        shutil.rmtree(store / name, ignore_errors=True)


def _lived(
    url: str, name: str, store: Path, kills: int, draw: random.Random, trained: bool, work: Path
) -> tuple[list[float], int, int]:
    graph = None
    if trained:
        subjects.save(subjects.Subject(name, trigger="ohwx"), store)
        with Client(url) as client:
            graph = small_graph(client.object_info(), work / "small.json")
    clock = time.monotonic()
    run(command(url, name, work / "whole", graph))
    span = time.monotonic() - clock
    wanted = pixels(work / "whole")
    moments: list[float] = []
    compared = wrong = sessions = 0
    while len(moments) < kills:
        sessions += 1
        folder = work / f"killed-{sessions}"
        arguments, done = command(url, name, folder, graph), False
        while not done:
            moment = draw.uniform(0.0, span) if len(moments) < kills else 0.0
            done = not run(arguments, moment)
            if not done:
                moments.append(round(moment, 2))
            if (folder / "session.sqlite3").exists():
                arguments = command(url, name, folder, graph, resume=bool(len(moments) % 2))
        found = pixels(folder)
        compared += len(wanted)
        wrong += sum(found.get(name) != sha256 for name, sha256 in wanted.items()) + len(set(found) - set(wanted))
    return moments, compared, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trained", action="store_true")
    given = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="killing-session-"))
    clock = time.monotonic()
    try:
        studio = ROOT / ".studio"
        store = studio / "ComfyUI" / "models" / "portrait_studio" / "subjects"
        with HostInstallation(studio / "ComfyUI", Path(sys.executable), studio / "models").open(work / "host") as host:
            moments, compared, wrong = live(host.url, store, given.kills, given.seed, given.trained, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    seconds = round(time.monotonic() - clock, 1)
    told = {"kills": len(moments), "moments": moments, "pictures": compared, "different": wrong, "seconds": seconds}
    sys.stdout.write(json.dumps({"trained": given.trained, "seed": given.seed, **told}) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
