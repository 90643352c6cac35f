"""How much faster a batch is on two hosts than on one, when each host has a core of its own.

    python benchmarks/two_hosts.py --rows 40 --out benchmarks/results/two_hosts.json

Rows are seeds of the pocket model (256 px, 12 steps); hosts are real ComfyUIs, held to one core each by the system
(Linux alone), and warm: each has made a picture before the clock starts. The runner has no core of its own. One host
and two are measured in turn, `--repeat` times; the ratio is that of the medians.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from machine import facts, keep, parser

from portrait_studio.runner.batch import BatchRun, Order, begin, locked, policy
from portrait_studio.runner.client import LocalHost
from portrait_studio.runner.demo import HostInstallation

ROOT = Path(__file__).parents[1]
PICTURE = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "pocket.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "portrait of a woman, head, front"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ""}},
    "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 256, "height": 256, "batch_size": 1}},
    "5": {
        "class_type": "KSampler",
        "inputs": {
            **{"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "seed": 0},
            **{"steps": 12, "cfg": 3.5, "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0},
        },
    },
    "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
    "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "two"}},
}


def pinned(installation: HostInstallation, work: Path, core: int) -> LocalHost:
    """Start a host that is held to one core."""
    all_of_them = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return installation.open(work)
    finally:
        os.sched_setaffinity(0, all_of_them)


def timed(urls: list[str], seeds: range, graph: Path) -> float:
    """Return the seconds of a batch over some seeds."""
    with tempfile.TemporaryDirectory(prefix="two-hosts-") as folder:
        order = Order(graph, urls, matrix=[f"5.seed={seeds.start}..{seeds.stop - 1}"])
        with locked(Path(folder)), begin(order, Path(folder)) as state:
            clock = time.monotonic()
            fault = BatchRun(Path(folder), state, urls, policy()).run()
            seconds = time.monotonic() - clock
            assert fault is None, fault
            assert state.counts()["done"] == len(seeds)
    return seconds


def main() -> None:
    """Measure, print and keep."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=40)
    options.add_argument("--repeat", type=int, default=2)
    given = options.parse_args()
    studio = ROOT / ".studio"
    installation = HostInstallation(studio / "ComfyUI", Path(sys.executable), studio / "models")
    cores = sorted(os.sched_getaffinity(0))[:2]
    taken: dict[str, list[float]] = {"one": [], "two": []}
    seeds = iter(range(1, 1 << 30))

    def some(count: int) -> range:
        first = next(seeds)
        for _ in range(count - 1):
            next(seeds)
        return range(first, first + count)

    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="two-hosts-work-")))
        graph = work / "picture.json"
        graph.write_text(json.dumps(PICTURE), "utf-8")
        urls = [stack.enter_context(pinned(installation, work / str(core), core)).url for core in cores]
        for url in urls:
            timed([url], some(2), graph)
        for _ in range(given.repeat):
            for name, hosts in (("one", urls[:1]), ("two", urls)):
                taken[name].append(round(timed(hosts, some(given.rows), graph), 1))
                sys.stdout.write(f"{name}: {taken[name][-1]} s\n")
                sys.stdout.flush()
    told: dict[str, Any] = {"machine": facts(), "rows": given.rows, "seconds": taken}
    told["times_as_fast"] = round(median(taken["one"]) / median(taken["two"]), 2)
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    keep(given.out, told)


if __name__ == "__main__":
    main()
