"""What a batch costs the runner: the decisions alone, and all of it against scripted hosts; time, memory, per row.

    python benchmarks/batch_cost.py --rows 100000 --through 3000 --out benchmarks/results/batch_cost.json

*planned*: a CSV file of `--planned` rows read, checked against a graph and a scripted host, and stored; memory is the
peak of a process of its own, less that of one that plans a hundredth of them. *decisions*: scheduler and state (SQLite
on this disk) over `--rows` rows; hosts are answers out of this file, and the clock is scripted, so nothing is waited
for. *whole*: the same code as `batch run`, over `--through` rows on hosts in processes of their own (real sockets,
canned answers), with pictures and records written and brought to the disk. Seconds of the processor are those of the
runner's process alone; on a machine that does other work too they are the figure to look at. Memory is the resident
set, from a fifth of the rows on. There is no peer: no other client has a state for its rows.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from machine import facts, keep, parser

from portrait_studio.runner.batch import BatchRun, KeptFile, Order, RowFinished, State, begin, locked, policy
from portrait_studio.runner.jobs import job_id
from portrait_studio.runner.scheduling import Scheduler, Signal
from portrait_studio.runner.scheduling import messages as m
from portrait_studio.tests.hostile.scripted import PROMPT, ScriptedHost

TOGETHER = 256  # as in runner/batch/run.py
PATIENCE = policy(depth=16)
SHA = "ab" * 32


def memory() -> int:
    """Return the resident memory of this process in bytes, without what could be given back."""
    gc.collect()
    return psutil.Process().memory_info().rss


class Growth:
    """Resident memory by the number of rows done; `grew` is what a row has cost since a fifth of them was done."""

    def __init__(self, rows: int) -> None:
        self.marks = {rows // 5: 0, rows: 0}
        self.rows = rows

    def note(self, done: int) -> None:
        """Look at the memory when it is time."""
        if done in self.marks:
            self.marks[done] = memory()

    @property
    def grew(self) -> float:
        """Bytes per row."""
        (some, first), (all_of_them, last) = self.marks.items()
        return round((last - first) / (all_of_them - some), 1)


class Canned:
    """Hosts that have done whatever they are asked for: the answer to a request is there at once."""

    def __init__(self) -> None:
        self.posted: dict[str, list[str]] = {}

    def answer(self, request: m.Request) -> Signal:
        """Return the answer."""
        name, serial = request.host, request.serial
        if isinstance(request, m.Look):
            return m.Seen(name, serial, (), (), dict.fromkeys(request.prompts))
        if isinstance(request, m.Post):
            return m.PostAccepted(name, serial)
        if isinstance(request, m.Collect):
            file = KeptFile(0, f"{request.row:06d}.png", SHA, 100_000, SHA, "", 0.7)
            return m.FilesFetched(name, serial, request.row, request.attempt, (file,))
        raise AssertionError(f"nothing goes wrong here: {request}")


def decisions(rows: int, hosts: int, folder: Path) -> dict[str, Any]:
    """Run scheduler and state through a batch of so many rows."""
    wall, work = time.perf_counter(), time.process_time()
    State.create(folder / "batch.sqlite3", {"id": "a"}, ({"settings": {"seed": one}} for one in range(rows))).close()
    planned = {"seconds": round(time.perf_counter() - wall, 2), "processor": round(time.process_time() - work, 2)}
    growth, canned, done, now = Growth(rows), Canned(), 0, 0.0
    with State.open(folder) as state:
        names = [f"http://host-{number}" for number in range(hosts)]
        scheduler = Scheduler(names, PATIENCE, lambda row, attempt: job_id("a", row, attempt), now)
        waiting: deque[Signal | None] = deque([None])
        wall, work = time.perf_counter(), time.process_time()
        while not scheduler.finished:
            notes, actions = [], []
            for _ in range(min(TOGETHER, len(waiting)) or 1):
                decision = scheduler.step(waiting.popleft() if waiting else None, now)
                notes += decision.notes
                actions += decision.actions
            state.write(notes)
            for note in notes:
                if isinstance(note, m.RowDone):
                    done += 1
                    growth.note(done)
            for action in actions:
                if isinstance(action, m.Load):
                    waiting.append(state.load(action.count, action.after))
                elif isinstance(action, m.Request):
                    waiting.append(canned.answer(action))
                elif isinstance(action, m.Keep):
                    waiting.append(m.Kept(action.row, action.attempt))
            if not waiting:
                now += scheduler.wake()
        spent, took = time.process_time() - work, time.perf_counter() - wall
        assert state.counts()["done"] == done == rows
    return {
        "rows": rows,
        "hosts": hosts,
        "planning": planned,
        "seconds": round(took, 2),
        "processor": round(spent, 2),
        "rows_a_second_of_the_processor": round(rows / spent),
        "bytes_a_row": growth.grew,
    }


def planned(rows: int, folder: Path) -> dict[str, Any]:
    """Read, check and store a table of so many rows; memory is the peak of this process, in megabytes."""
    (folder / "prompt.json").write_text(json.dumps(PROMPT))
    with (folder / "table.csv").open("w") as table:
        table.write("1.color,9.filename_prefix\n")
        table.writelines(f"{row % 4096},row {row} of somebody's night\n" for row in range(rows))
    with ScriptedHost() as host:
        order = Order(folder / "prompt.json", [host.url], table=folder / "table.csv")
        (folder / "out").mkdir()
        wall, work = time.perf_counter(), time.process_time()
        with begin(order, folder / "out") as state:
            took, spent = time.perf_counter() - wall, time.process_time() - work
            assert state.counts()["open"] == rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "seconds": round(took, 1), "processor": round(spent, 1), "megabytes": round(peak, 1)}


def planned_apart(rows: int) -> dict[str, Any]:
    """Do that in a process of its own."""
    process = multiprocessing.get_context("spawn").Pool(1)
    with tempfile.TemporaryDirectory(prefix="batch-cost-") as folder, process as pool:
        return pool.apply(planned, (rows, Path(folder)))


def serve(port: Any, over: Any) -> None:
    """Be a scripted host until it is over."""
    with ScriptedHost(side=16) as host:
        port.send(host.url)
        over.wait()


def whole(rows: int, hosts: int, folder: Path) -> dict[str, Any]:
    """Run a batch on scripted hosts, as the command line does but for its display and papers."""
    context = multiprocessing.get_context("spawn")
    over, growth = context.Event(), Growth(rows)
    done = 0

    def hear(news: object) -> None:
        nonlocal done
        if isinstance(news, RowFinished):
            done += 1
            growth.note(done)

    with ExitStack() as stack:
        stack.callback(over.set)
        urls = [_started(context, over, stack.callback) for _ in range(hosts)]
        graph = folder / "prompt.json"
        graph.write_text(json.dumps(PROMPT))
        order = Order(graph, urls, matrix=[f"1.color=1..{rows}"])
        with locked(folder), begin(order, folder) as state:
            wall, work = time.perf_counter(), time.process_time()
            fault = BatchRun(folder, state, urls, PATIENCE, hear).run()
            took, spent = time.perf_counter() - wall, time.process_time() - work
            assert fault is None, fault
            assert state.counts()["done"] == done == rows
    return {
        "rows": rows,
        "hosts": hosts,
        "seconds": round(took, 2),
        "rows_a_second": round(rows / took),
        "processor": round(spent, 2),
        "rows_a_second_of_the_processor": round(rows / spent),
        "bytes_a_row": growth.grew,
    }


def _started(context: Any, over: Any, later: Callable[..., Any]) -> str:
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, over), daemon=True)
    process.start()
    later(process.join, 10)
    return ours.recv()


def main() -> None:
    """Measure, print and keep."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--through", type=int, default=3_000, help="rows that go over sockets and to the disk")
    options.add_argument("--hosts", type=int, default=4)
    options.add_argument("--planned", type=int, default=1_000_000, help="rows of a table that is only planned")
    given = options.parse_args()
    told: dict[str, Any] = {"machine": facts()}
    few, many = planned_apart(given.planned // 100), planned_apart(given.planned)
    told["planned"] = many | {"megabytes_more_than_for_a_hundredth": round(many["megabytes"] - few["megabytes"], 1)}
    sys.stdout.write(json.dumps({"planned": told["planned"]}) + "\n")
    for name, measure, rows in (("whole", whole, given.through), ("decisions", decisions, given.rows)):
        with tempfile.TemporaryDirectory(prefix="batch-cost-") as folder:
            told[name] = measure(rows, given.hosts, Path(folder))
        sys.stdout.write(json.dumps({name: told[name]}) + "\n")
        sys.stdout.flush()
    keep(given.out, told)


if __name__ == "__main__":
    main()
