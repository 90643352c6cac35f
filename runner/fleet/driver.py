"""The one who sends a batch to the fleet, and sees to it that every row comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from celery import Celery
from redis import Redis

from ...portrait import reading
from .ledger import Ledger, settings

ANY = "any"
"""The queue that every worker takes from."""
TASK = "portrait_studio.render"
FIRST = 0
"""The number of the row that is made before all others: a training, whose LoRA they follow."""


def own_queue(worker: str) -> str:
    """Return the queue of one worker alone."""
    return f"host.{worker}"


@dataclass(frozen=True)
class FleetRow:
    """A row: its number from 1 (0: made before all others), its graph's name, its parameters, its photos' paths.

    Photos must lie where every worker finds them under the same path.
    """

    number: int
    graph: str
    settings: dict[str, Any] = field(default_factory=dict)
    photos: tuple[str, ...] = ()


class Driver:
    """Sends rows and waits for them. It may be killed and started again with the same batch name."""

    def __init__(self, app: Celery, redis: Redis, batch: str) -> None:
        self.app = app
        self.redis = redis
        self.batch = batch
        self.ledger = Ledger(redis, batch)
        self._alone: dict[int, float] = {}

    def put_graph(self, name: str, graph: Path) -> None:
        """Give the workers a graph file. Raises reading.ReadError."""
        self.ledger.put_graph(name, reading.read(graph, "graph"))

    def run(
        self,
        rows: Sequence[FleetRow],
        first: FleetRow | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
        timeout: float = 0.0,
    ) -> dict[int, dict[str, Any]]:
        """Have all rows made, those after `first` on the host that made it; return what came of each.

        `timeout` in seconds (0: none); what is not over by then goes on without this driver.
        """
        end = time.monotonic() + timeout if timeout else float("inf")
        open_rows = {row.number: row for row in rows}
        queue = ANY
        if first is not None:
            made = self._wait({first.number: first}, ANY, progress, end)
            if "error" in made.get(first.number, {"error": ""}):
                return made
            queue = own_queue(made[first.number]["worker"])
        return self._wait(open_rows, queue, progress, end)

    def _wait(
        self, rows: dict[int, FleetRow], queue: str, progress: Callable[[int, int], None], end: float
    ) -> dict[int, dict[str, Any]]:
        for row in rows.values():
            if self.ledger.mark_sent(row.number):
                self._send(row, queue)
        while True:
            over = {number: what for number, what in self.ledger.finished().items() if number in rows}
            progress(len(over), len(rows))
            if len(over) == len(rows) or time.monotonic() > end:
                return over
            for number in self._lost(rows.keys() - over.keys(), queue):
                self._send(rows[number], queue)
            time.sleep(1.0)

    def _send(self, row: FleetRow, queue: str) -> None:
        order = {"batch": self.batch} | asdict(row)
        self.app.send_task(TASK, args=(order,), queue=queue, ignore_result=True)

    def _lost(self, numbers: set[int], queue: str) -> list[int]:
        """Return the rows that nobody holds and no message stands for, as far as can be told.

        A killed worker's message comes back only after the visibility timeout, so a row that was begun is sent again
        when its lease is gone. One too many does no harm.
        """
        now, begun = time.monotonic(), self.ledger.begun()
        waiting = self.redis.llen(queue) or self.redis.hlen("unacked")
        lost = []
        for number in numbers:
            if self.ledger.held(number) or (number not in begun and waiting):
                self._alone.pop(number, None)
            elif now - self._alone.setdefault(number, now) > settings()["lost"]:
                del self._alone[number]
                lost.append(number)
        return lost
