"""The same 50 rows by this runner, comfy-cli and comfy-api-simplified, each in its own way, on one real host.

    python3 -m venv PEERS && PEERS/bin/pip install comfy-cli==1.23.0 comfy-api-simplified==1.6.0
    python benchmarks/clients.py --peers PEERS --out benchmarks/results/clients.json

Ours is `batch run`. comfy-cli's `workflow foreach` makes a workflow file a row (here made before the clock starts) and
runs none: its way is a loop of `comfy run --wait`, and
`comfy download` is left out, since its host's output folder is on this disk. For
comfy-api-simplified it is the loop of its README, which goes on with the next row after an exception. Each runs twice:
left alone, and with the host killed (SIGKILL) after ten rows and started again at once on the same port. Then it is
told what each was left with, and what the host had to render when the same command is given again until nothing is
missing, three times at most. A picture is small (64 px), so seconds are the clients' own.

Seconds are of the wall, memory is the largest resident set of any process of a client, processor seconds are those of
all its processes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import facts, keep, parser

from portrait_studio.runner import start
from portrait_studio.runner.client import LocalHost

ROOT = Path(__file__).parents[1]
KILL_AFTER = 10  # rows
PROMPT = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0},
        "_meta": {"title": "Colour"},
    },
    "2": {
        "class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "row"},
        "_meta": {"title": "Save Image"},
    },
}
SIMPLIFIED = """
import sys
from pathlib import Path
from comfy_api_simplified import ComfyApiWrapper, ComfyWorkflowWrapper
url, rows, graph, out = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
api, failed = ComfyApiWrapper(url), 0
for row in range(1, rows + 1):
    wf = ComfyWorkflowWrapper(graph)
    wf.set_node_param("Colour", "color", row)
    try:
        for data in api.queue_and_wait_images(wf, "Save Image").values():
            (out / f"{row:06d}.png").write_bytes(data)
    except Exception as error:
        failed += 1
        print(f"row {row}: {type(error).__name__}: {error}", file=sys.stderr)
sys.exit(1 if failed else 0)
"""
COMFY_LOOP = """
failed=0
for file in "$3"/*.json; do
  "$1" --skip-prompt run --workflow "$file" --wait --no-notify --host 127.0.0.1 --port "$2" || failed=1
done
exit $failed
"""


@dataclass
class ClientPlace:
    """One client's folder: where its host works and its own files are."""

    folder: Path
    rows: int
    comfyui: Path
    port: int = 0
    hosts: list[LocalHost] = field(default_factory=list)

    def open(self) -> LocalHost:
        """Start the host, or start it again on the same port and folders."""
        host = start(self.comfyui, Path(sys.executable), self.folder / "host", self.port, ["--cpu"])
        self.port = int(host.url.rpartition(":")[2])
        self.hosts.append(host)
        return host

    @property
    def rendered(self) -> int:
        """How many pictures the host has saved, under all its lives."""
        return len(list((self.folder / "host" / "output").glob("row*.png")))


Command = Callable[[ClientPlace, str], Sequence[str]]


def ours(place: ClientPlace, url: str) -> Sequence[str]:
    """Return the command of this runner: a batch, resumed where there is one."""
    start_of = [sys.executable, "-m", "portrait_studio.runner", "batch"]
    out = place.folder / "ours"
    if (out / "batch.sqlite3").exists():
        return [*start_of, "resume", str(out)]
    graph = place.folder / "prompt.json"
    return [*start_of, "run", str(graph), "--matrix", f"1.color=1..{place.rows}", "--out", str(out), "--host", url]


def simplified(python: Path) -> Command:
    """Return what makes the command of comfy-api-simplified."""

    def command(place: ClientPlace, url: str) -> Sequence[str]:
        out = place.folder / "simplified"
        out.mkdir(exist_ok=True)
        return [str(python), "-c", SIMPLIFIED, url, str(place.rows), str(place.folder / "prompt.json"), str(out)]

    return command


def comfy(program: Path) -> Command:
    """Return what makes the command of comfy-cli."""

    def command(place: ClientPlace, url: str) -> Sequence[str]:
        files = place.folder / "rows"
        files.mkdir(exist_ok=True)
        for row in range(1, place.rows + 1):
            told = {**PROMPT["1"], "inputs": {**PROMPT["1"]["inputs"], "color": row}}
            (files / f"{row:06d}.json").write_text(json.dumps({**PROMPT, "1": told}), "utf-8")
        return ["bash", "-c", COMFY_LOOP, "comfy", str(program), str(place.port), str(files)]

    return command


def missing(place: ClientPlace) -> int:
    """Return of how many rows there is no picture: in the client's folder, or on the host for one that has none."""
    for name, pattern in (("ours/pictures", "*.png"), ("simplified", "*.png")):
        if (place.folder / name).is_dir():
            return place.rows - len(list((place.folder / name).glob(pattern)))
    return place.rows - len(colours(place.folder / "host" / "output"))


def colours(folder: Path) -> set[tuple[int, ...]]:
    """Return the colours of the pictures in a folder: which rows are among them."""
    from PIL import Image

    found = set()
    for file in folder.glob("*.png"):
        with Image.open(file) as picture:
            found.add(picture.convert("RGB").getpixel((0, 0)))
    return found


def once(command: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run a command to its end; return seconds, processor seconds, megabytes, exit code and its last words."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    quiet = {"HOME": str(home), "DO_NOT_TRACK": "1", "COMFY_NO_WATCH": "1"}
    with (folder / "words.txt").open("wb") as words:
        clock = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | quiet, stdout=words, stderr=words)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - clock
        process.returncode = os.waitstatus_to_exitcode(status)
    said = (folder / "words.txt").read_text("utf-8", "replace").strip().splitlines()
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "megabytes": round(used.ru_maxrss / 1024),
        "exit_code": process.returncode,
        "last_words": said[-1][-160:] if said else "",
    }


def alone(make: Command, folder: Path, rows: int, comfyui: Path) -> dict[str, Any]:
    """Run a client that nothing happens to."""
    place = placed(folder, rows, comfyui)
    with place.open() as host:
        told = once(make(place, host.url), folder)
        return told | {"missing": missing(place), "rendered": place.rendered}


def killed(make: Command, folder: Path, rows: int, comfyui: Path) -> dict[str, Any]:
    """Run a client whose host is killed after some rows and started again; then again until nothing is missing."""
    place = placed(folder, rows, comfyui)
    url = place.open().url
    back = threading.Event()

    def kill() -> None:
        while place.rendered < KILL_AFTER:
            time.sleep(0.005)
        os.killpg(place.hosts[-1].process.pid, signal.SIGKILL)
        place.hosts[-1].process.wait()
        place.open()
        back.set()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        told = once(make(place, url), folder)
        assert back.wait(600), "the host was not started again"
        told |= {"missing": missing(place), "rendered": place.rendered, "commands_more": 0}
        while missing(place) and told["commands_more"] < 3:
            once(make(place, url), folder)
            told["commands_more"] += 1
        return told | {"missing_at_last": missing(place), "rendered_at_last": place.rendered}
    finally:
        for host in place.hosts:
            host.stop()


def placed(folder: Path, rows: int, comfyui: Path) -> ClientPlace:
    """Return a new place with the graph in it."""
    folder.mkdir(parents=True)
    (folder / "prompt.json").write_text(json.dumps(PROMPT), "utf-8")
    return ClientPlace(folder, rows, comfyui)


def main() -> None:
    """Measure, print the table and keep the figures."""
    options = parser(__doc__)
    options.add_argument("--peers", type=Path, required=True, help="a virtual environment with both peers")
    options.add_argument("--rows", type=int, default=50)
    options.add_argument("--comfyui", type=Path, default=ROOT / ".studio" / "ComfyUI")
    given = options.parse_args()
    clients: dict[str, Command] = {
        "portrait-studio batch": ours,
        "comfy-cli 1.23, a loop of comfy run --wait": comfy(given.peers / "bin" / "comfy"),
        "comfy-api-simplified 1.6, the loop of its README": simplified(given.peers / "bin" / "python"),
    }
    told: dict[str, Any] = {"machine": facts(), "rows": given.rows, "clients": {}}
    with tempfile.TemporaryDirectory(prefix="clients-") as work:
        for number, (name, make) in enumerate(clients.items()):
            told["clients"][name] = {
                "alone": alone(make, Path(work) / f"{number}-alone", given.rows, given.comfyui),
                "host_killed": killed(make, Path(work) / f"{number}-killed", given.rows, given.comfyui),
            }
            sys.stdout.write(json.dumps({name: told["clients"][name]}) + "\n")
            sys.stdout.flush()
    sys.stdout.write(table(told["clients"], given.rows))
    keep(given.out, told)


def table(clients: dict[str, Any], rows: int) -> str:
    """Return the figures side by side, as Markdown."""
    lines = ["| client | seconds | processor | memory | host killed: missing | rendered | commands more |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, one in clients.items():
        calm, bad = one["alone"], one["host_killed"]
        cells = [name, calm["seconds"], f"{calm['processor_seconds']} s", f"{calm['megabytes']} MB"]
        cells += [f"{bad['missing']} of {rows}, exit {bad['exit_code']}", bad["rendered_at_last"], bad["commands_more"]]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
