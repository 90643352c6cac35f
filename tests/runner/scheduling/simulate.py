"""Simulated nights by the thousand: python -m tests.runner.scheduling.simulate --seeds 1000000 --workers 2

Prints each seed that breaks a promise, what it broke, and the smallest night that breaks it too; with --keep the tests
live through that night from then on. Ends with 1 when there was one.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from dataclasses import asdict

from .night import broken
from .scenario import scenario
from .shrink import keep, shrink


def lived(seed: int) -> tuple[int, str]:
    """A seed and what it breaks."""
    return seed, broken(seed)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="add the smallest broken nights to nights.json")
    given = parser.parse_args()
    begin, found = time.monotonic(), 0
    seeds = range(given.first, given.first + given.seeds)
    with multiprocessing.Pool(given.workers) as pool:
        for count, (seed, promise) in enumerate(pool.imap_unordered(lived, seeds, chunksize=50), 1):
            if promise:
                found += 1
                smallest = shrink(scenario(seed), broken)
                say(f"seed {seed}: {promise}\n  smallest: {broken(smallest)}\n  {json.dumps(asdict(smallest))}")
                if given.keep:
                    keep(smallest, broken(smallest))
            if count % 10_000 == 0:
                say(f"{count} seeds, {found} broken, {time.monotonic() - begin:.0f} s")
    seconds = time.monotonic() - begin
    rate = given.seeds / seconds
    say(f"{given.seeds} seeds from {given.first}, {found} broken, {seconds:.1f} s, {rate:.0f} a second")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
