"""Simulated nights by the thousand: python -m tests.runner.scheduling.simulate --seeds 1000000 --workers 2

Prints each seed that breaks a promise and what it broke, and at the end, for one of each kind, the smallest night that
breaks it too; with --keep the tests live through that night from then on. Ends with 1 when there was one. With --within
it stops after so many seconds and says with which seed to go on. It needs no ComfyUI, and of packages filelock, numpy,
packaging, Pillow, psutil, urllib3 and websocket-client.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import platform
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path

from .night import broken
from .scenario import scenario
from .shrink import keep, shrink

CHUNK = 250
Lived = tuple[int, list[tuple[int, str]], float]


def lived(task: tuple[int, int, float]) -> Lived:
    """Live through the seeds from one to before another, unless the time is up.

    Return how many they were, those that broke a promise and what they broke, and the processor's seconds.
    """
    first, last, end = task
    if time.monotonic() >= end:  # the same clock in all processes
        return 0, [], 0.0
    work = time.process_time()
    found = [(seed, promise) for seed in range(first, last) if (promise := broken(seed))]
    return last - first, found, time.process_time() - work


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--within", type=float, default=math.inf, help="seconds after which no more seeds are begun")
    parser.add_argument("--keep", action="store_true", help="add the smallest broken nights to nights.json")
    parser.add_argument("--out", type=Path, help="write the figures there, as JSON")
    given = parser.parse_args()
    begin, past, count, found, work = time.monotonic(), given.first + given.seeds, 0, 0, 0.0
    kinds: dict[str, int] = {}  # a seed of each kind of broken promise
    tasks = [(first, min(first + CHUNK, past), begin + given.within) for first in range(given.first, past, CHUNK)]
    with multiprocessing.Pool(given.workers) as pool:
        for number, (seeds, bad, spent) in enumerate(pool.imap(lived, tasks), 1):
            count, work = count + seeds, work + spent
            for seed, promise in bad:
                found += 1
                kinds.setdefault(re.sub(r"[0-9.]+", "N", promise), seed)
                say(f"seed {seed}: {promise}")
            if seeds and number % 200 == 0:
                say(f"{count} seeds, {found} broken, {time.monotonic() - begin:.0f} s")
    seconds = time.monotonic() - begin
    whole = "no row lost, none twice, and every batch ended or said why not" if not found else "see above"
    say(f"{count} seeds from {given.first}, {found} broken ({whole}), {seconds:.1f} s, {count / seconds:.0f} a second")
    for seed in kinds.values():  # afterwards: a night that does not end takes a minute to shrink
        smallest = shrink(scenario(seed), broken)
        say(f"seed {seed}, smallest: {broken(smallest)}\n  {json.dumps(asdict(smallest))}")
        if given.keep:
            keep(smallest, broken(smallest))
    if count < given.seeds:
        say(f"time is up: go on with --first {given.first + count} --seeds {given.seeds - count}")
    if given.out:
        told = {"first": given.first, "seeds": count, "broken": found, "seconds": round(seconds, 1)}
        told |= {"processes": given.workers, "processor_seconds": round(work, 1), "python": platform.python_version()}
        given.out.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
