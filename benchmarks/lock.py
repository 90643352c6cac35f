"""Many processes after one lock; prints how often it was taken and how often the taker was not alone.

    python benchmarks/lock.py --acquisitions 100000

`--vandal` removes and replaces the lock file all the while, which nobody should do and nobody should win by.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from portrait_studio.portrait.lock import HELD, LOCKS, BusyError, locked

SUBJECT = "Anna"


def contend(folder: Path, name: str, wanted: int) -> None:
    """Take the lock `wanted` times; whoever finds the mark of another inside says so."""
    inside = folder / "inside"
    taken = together = 0
    while taken < wanted:
        try:
            with locked(folder / "store", SUBJECT):
                taken += 1
                try:
                    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    together += 1
                (folder / f"{name}.json").write_text(json.dumps([taken, together]))
                inside.unlink(missing_ok=True)
        except BusyError:
            time.sleep(random.random() / 5000)


def vandalise(folder: Path) -> None:
    """Remove or replace the lock file, for ever."""
    while True:
        for held in (folder / "store" / LOCKS).glob(f"*/{HELD}"):
            held.unlink(missing_ok=True)
            time.sleep(random.random() / 500)
            other = held.with_name("other")
            other.write_text("")
            other.replace(held)


def start(*arguments: object) -> subprocess.Popen:
    """Start this command again with other arguments."""
    return subprocess.Popen([sys.executable, __file__, *map(str, arguments)])


def main() -> int:
    """Run the contenders and print one line of JSON; 1 when anybody was not alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--acquisitions", type=int, default=100_000)
    parser.add_argument("--contenders", type=int, default=4)
    parser.add_argument("--vandal", action="store_true")
    parser.add_argument("--out", type=Path, metavar="FILE")
    parser.add_argument("--contend", nargs=3, metavar=("FOLDER", "NAME", "TIMES"), help=argparse.SUPPRESS)
    parser.add_argument("--vandalise", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contend:
        contend(Path(given.contend[0]), given.contend[1], int(given.contend[2]))
        return 0
    if given.vandalise:
        vandalise(given.vandalise)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        vandal = start("--vandalise", folder) if given.vandal else None
        each = given.acquisitions // given.contenders
        running = [start("--contend", folder, name, each) for name in range(given.contenders)]
        codes = [one.wait() for one in running]
        if vandal:
            vandal.kill()
            vandal.wait()
        counts = [json.loads((folder / f"{name}.json").read_text()) for name in range(given.contenders)]
    result = {
        "contenders": given.contenders,
        "acquisitions": sum(taken for taken, _ in counts),
        "not_alone": sum(together for _, together in counts),
        "failed": sum(code != 0 for code in codes),
    }
    print(json.dumps(result))
    if given.out:
        given.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    return int(result["not_alone"] > 0 or result["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
