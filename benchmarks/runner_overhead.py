"""What the runner costs: its time against a bare POST /prompt + poll, and its memory over many jobs.

Both sides do the same work in turn, in one process, on one host: queue a small graph, wait for its end, fetch the
image, write it to disk. The bare side is the least that can do that: one kept connection, /history asked every 10 ms,
no websocket, no events, no checks, no record. Prints the ratio and the megabytes.

    python benchmarks/runner_overhead.py --out benchmarks/results/runner_overhead.json
"""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlsplit

import psutil
from machine import facts, keep, parser

from portrait_studio.runner import Client, Job, run, start
from portrait_studio.runner.client import HostInfo
from portrait_studio.runner.jobs import prepare_prompt

ROOT = Path(__file__).parents[1]
POLL = 0.010  # seconds


def prompts(side: int, blur: int) -> Iterator[dict]:
    """Yield prompts of core nodes that differ in a colour, so that the host reuses nothing."""
    for colour in itertools.count(int(time.time()) % 2**20):
        picture = {"width": side, "height": side, "batch_size": 1, "color": colour % 2**24}
        prompt = {"1": {"class_type": "EmptyImage", "inputs": picture}}
        if blur:
            sizes = {"image": ["1", 0], "blur_radius": blur, "sigma": 5.0}
            prompt["2"] = {"class_type": "ImageBlur", "inputs": sizes}
        last = ["2" if blur else "1", 0]
        prompt["3"] = {"class_type": "SaveImage", "inputs": {"images": last, "filename_prefix": "bench"}}
        yield prompt


def bare(connection: http.client.HTTPConnection, prompt: dict, folder: Path) -> float:
    """Run a prompt with nothing but the standard library and return the seconds it took."""

    def ask(method: str, path: str, body: str | None = None) -> bytes:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        return connection.getresponse().read()

    begin = time.perf_counter()
    prompt_id = json.loads(ask("POST", "/prompt", json.dumps({"prompt": prompt, "client_id": "bare"})))["prompt_id"]
    while not (history := json.loads(ask("GET", f"/history/{prompt_id}"))):
        time.sleep(POLL)
    for image in history[prompt_id]["outputs"]["3"]["images"]:
        data = ask("GET", f"/view?filename={quote(image['filename'])}&subfolder=&type=output")
        (folder / image["filename"]).write_bytes(data)
    return time.perf_counter() - begin


def through_runner(client: Client, prompt: dict, folder: Path) -> float:
    """Run a prompt as the command line does, checks and record included, and return the seconds it took."""
    begin = time.perf_counter()
    run(Job(prepare_prompt(prompt, client.object_info())), client, folder, host=about(client))
    return time.perf_counter() - begin


KNOWN: dict[str, HostInfo] = {}


def about(client: Client) -> HostInfo:
    """Return what the host is, asked once per host, as a batch does."""
    if client.address.url not in KNOWN:
        KNOWN[client.address.url] = client.about()
    return KNOWN[client.address.url]


def megabytes() -> float:
    """Return the resident memory of this process in MB."""
    return psutil.Process().memory_info().rss / 1e6


def measure(url: str, jobs: int, many: int, folder: Path) -> dict:
    """Measure on the host at `url`: `jobs` pairs for time, `many` more jobs for memory."""
    about_machine = facts()
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port)
    (folder / "bare").mkdir()
    with Client(url) as client:
        info = about(client)
        small = prompts(768, 15)
        for _ in range(3):
            bare(connection, next(small), folder / "bare")
            through_runner(client, next(small), folder / "runner")
        times: dict[str, list[float]] = {"bare": [], "runner": []}
        work = {"bare": 0.0, "runner": 0.0}
        for turn in range(jobs):
            order = ("bare", "runner") if turn % 2 else ("runner", "bare")
            for side in order:
                one = next(small)
                begin = time.process_time()
                if side == "bare":
                    times[side].append(bare(connection, one, folder / "bare"))
                else:
                    times[side].append(through_runner(client, one, folder / "runner"))
                work[side] += time.process_time() - begin
        after_first = megabytes()
        tiny = prompts(64, 0)
        for _ in range(many - jobs):
            through_runner(client, next(tiny), folder / "runner")
        after_many = megabytes()
    connection.close()
    return {
        "jobs": jobs,
        "graph": "EmptyImage 768 x 768 -> ImageBlur 15 -> SaveImage",
        "poll_seconds": POLL,
        "bare_seconds": {"total": round(sum(times["bare"]), 3), "median": round(median(times["bare"]), 4)},
        "runner_seconds": {"total": round(sum(times["runner"]), 3), "median": round(median(times["runner"]), 4)},
        "client_cpu_ms_per_job": {side: round(spent / jobs * 1000, 2) for side, spent in work.items()},
        "ratio_of_totals": round(sum(times["runner"]) / sum(times["bare"]), 4),
        "ratio_of_medians": round(median(times["runner"]) / median(times["bare"]), 4),
        "memory_mb": {f"after_{jobs}": round(after_first, 1), f"after_{many}": round(after_many, 1)},
        "memory_growth_mb": round(after_many - after_first, 1),
        "host": {"comfyui": info.version, "device": info.device},
        "machine": about_machine,
    }


def main() -> None:
    """Start a host unless one is given, measure, print, and save."""
    options = parser(__doc__)
    options.add_argument("--host", help="a ComfyUI that runs already")
    options.add_argument("--comfyui", type=Path, default=ROOT / ".studio" / "ComfyUI", help="the folder of main.py")
    options.add_argument("--jobs", type=int, default=50)
    options.add_argument("--many", type=int, default=500)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.host:
            found = measure(given.host, given.jobs, given.many, Path(folder))
        else:
            arguments = ["--cpu", "--disable-all-custom-nodes"]
            with start(given.comfyui, Path(sys.executable), Path(folder) / "host", arguments=arguments) as host:
                found = measure(host.url, given.jobs, given.many, Path(folder))
    print(json.dumps(found, indent=2))
    overhead = (found["ratio_of_totals"] - 1) * 100
    print(f"runner / bare over {found['jobs']} jobs: {found['ratio_of_totals']:.3f} ({overhead:+.1f} %; limit +5 %)")
    print(f"memory from job {given.jobs} to job {given.many}: {found['memory_growth_mb']:+.1f} MB (limit 30 MB)")
    keep(given.out, found)


if __name__ == "__main__":
    main()
