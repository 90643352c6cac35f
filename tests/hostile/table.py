"""What was tried against everything that reads foreign bytes, and what held; kept in benchmarks/results/hostile.json.

Run: python tests/hostile/table.py [ROW ...]; without a row, all of them (about half an hour on two cores). Rows that
are not run stay as they are in the file. The rows are in `rows` below.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

# Found from here on; ComfyUI has a folder tests too.
from tests.hostile import download_cases, lies, malformed, signals, small_disk, starting, tries  # noqa: E402  # pyright: ignore[reportMissingImports]

RESULT = ROOT / "benchmarks" / "results" / "hostile.json"
SLOWEST = 20.0  # seconds that one try may take


class Outcome(NamedTuple):
    """What came of a try: its fault (empty when it held), its peak in MB, the exit code and the seconds that count.

    A peak of 0 is that of this process; one of -1 is not told, since the lying host is in this process too. Seconds of
    None are those of the whole try; a code of None is of no interest.
    """

    fault: str
    peak: int = 0
    code: int | None = None
    seconds: float | None = None


Tried = tuple[str, Callable[[], Outcome]]


def in_process(made: Iterator[tries.Try]) -> Iterator[Tried]:
    """Yield tries that are made in this process."""
    for one in made:
        yield one.name, lambda one=one: Outcome(one.fault())


def of_lies(scripts: Iterator[tuple[str, lies.Script]], way: Callable, folder: Path) -> Iterator[Tried]:
    """Yield lies of a host, each against the command."""
    for number, (name, script) in enumerate(scripts):

        def call(script: lies.Script = script, number: int = number) -> Outcome:
            fault, made = lies.tried(script, folder / f"{number}", way)
            return Outcome(fault, made.peak or -1)

        yield name, call


def of_small_disks(folder: Path) -> Iterator[Tried]:
    """Yield downloads onto small disks, none where none can be mounted; the start of their process does not count."""
    for name in small_disk.CASES if small_disk.AVAILABLE else ():

        def call(name: str = name) -> Outcome:
            try:
                return Outcome("", -1, None, small_disk.made(name, folder / name))
            except AssertionError as error:
                return Outcome(str(error), -1)

        yield name, call


def of_signals(aimed: bool, folder: Path) -> Iterator[Tried]:
    """Yield 200 signals."""
    with starting.Loaded() as loaded:
        for number, shot in enumerate(signals.shots(200, aimed)):

            def call(shot: signals.Shot = shot, number: int = number) -> Outcome:
                made = signals.fired(shot, folder / f"{number}", loaded)
                return Outcome(made.fault, -1, made.code, made.seconds)

            yield f"{shot}", call


def rows(folder: Path) -> dict[str, Callable[[], Iterator[Tried]]]:
    """Return every row of the table."""
    return {
        "subject files": lambda: in_process(tries.of_subjects(folder / "subjects")),
        "photo files": lambda: in_process(tries.of_photos(folder / "photos")),
        "graph files": lambda: in_process(tries.of_graphs(folder / "graphs")),
        "preset files": lambda: in_process(tries.of_presets(folder / "presets")),
        "malformed answers": lambda: in_process(malformed.of_answers(5000)),
        "malformed messages": lambda: in_process(malformed.of_messages(5000)),
        "bad bodies and names": lambda: of_lies(lies.of_bodies(), lies.invoked, folder / "bodies"),
        "floods, drips, giants": lambda: of_lies(lies.of_floods(), lies.attempt, folder / "floods"),
        "downloads": lambda: chain(
            in_process(download_cases.of_downloads(folder / "web")), of_small_disks(folder / "disks")
        ),
        "signals at the fetch": lambda: of_signals(True, folder / "fetch"),
        "signals at random": lambda: of_signals(False, folder / "random"),
        "largest photo allowed": lambda: in_process(tries.of_the_largest(folder / "largest")),
    }


def main() -> None:
    """Print the table and keep it; exits with 1 when anything did not hold."""
    failed = False
    if not small_disk.AVAILABLE:
        sys.stdout.write("SKIPPED: no small disk can be mounted here, so no download is tried on one\n")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so its children
    with tempfile.TemporaryDirectory() as folder:
        known = rows(Path(folder))
        for name in sys.argv[1:] or known:
            failed |= not kept(name, known[name]())
    sys.exit(failed)


def kept(row: str, made: Iterator[Tried]) -> bool:
    """Make the tries of a row, print what came of them and keep it; return whether all held."""
    count: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    slowest, peak = 0.0, 0
    for name, call in made:
        begin = time.monotonic()
        fault, memory, code, seconds = call()
        took = time.monotonic() - begin if seconds is None else seconds
        held = not fault and took < SLOWEST
        count["tries"] += 1
        count["held"] += held
        codes.update([] if code is None else [code])
        slowest = max(slowest, round(took, 2))
        peak = max(peak, memory or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        if not held:
            sys.stdout.write(f"{row}: {name}: {fault or f'{took:.0f} s'}\n")
    known = json.loads(RESULT.read_text("utf-8")) if RESULT.is_file() else {}
    told = {"tries": count["tries"], "held": count["held"], "slowest_s": slowest}
    if peak > 0:
        told["peak_mb"] = peak
    if codes:
        told["exit_codes"] = {f"{code}": number for code, number in sorted(codes.items())}
    known[row] = told | {"command": f"python tests/hostile/table.py {row!r}"}
    RESULT.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
    sys.stdout.write(f"{row:>22} {count['tries']:6} tries {count['held']:6} held {slowest:6.2f} s {peak:6} MB\n")
    sys.stdout.flush()
    return count["tries"] == count["held"]


if __name__ == "__main__":
    main()
