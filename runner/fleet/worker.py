"""A worker of the fleet, beside one host: Celery brings the rows, this makes them."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from celery import Celery, Task
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import BusyLoadingError, ConnectionError
from redis.retry import Retry

from ...portrait.errors import PortraitError
from ..batch import fault_of, policy
from ..client import AddressError, Client, HostError
from ..jobs import job_id, read_recipe, run, upload_photos
from .driver import ANY, TASK, own_queue
from .ledger import Ledger, settings


@dataclass(frozen=True)
class WorkerPost:
    """Where a worker stands: its name, its host, and the folder that all workers share for pictures."""

    name: str
    host: str
    out: Path


def application(broker: str, visibility: float = 0.0) -> Celery:
    """Return the Celery application that driver and workers share; `visibility` in seconds (0: settings.toml's)."""
    app = Celery("portrait_studio", broker=broker)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_concurrency=1,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"visibility_timeout": visibility or settings()["visibility"]},
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
    )
    return app


def connect(broker: str) -> Redis:
    """Return a connection to Redis that outlives a restart of it."""
    retry = Retry(ExponentialBackoff(cap=2.0), 60)
    return Redis.from_url(broker, retry=retry, retry_on_error=[ConnectionError, BusyLoadingError])


def work(broker: str, post: WorkerPost, visibility: float = 0.0) -> None:
    """Take rows from the common queue and from this worker's own, until SIGTERM; the row at hand is finished."""
    app = application(broker, visibility)
    redis = connect(broker)

    @app.task(name=TASK, bind=True, max_retries=None)
    def render(self: Task, order: dict[str, Any]) -> None:
        again = make(order, post, redis)
        if again:
            raise self.retry(countdown=again)

    queues = f"{own_queue(post.name)},{ANY}"
    app.worker_main(["worker", "-c", "1", "-Q", queues, "-n", f"{post.name}@%h", "--loglevel", "WARNING", "-E"])


def make(order: dict[str, Any], post: WorkerPost, redis: Redis) -> float:
    """Make a row, unless it is made; return after how many seconds it is to be tried again, 0 for never.

    A row that was begun elsewhere is looked for there first: its worker may have died while its host goes on.
    """
    ledger, row = Ledger(redis, order["batch"]), int(order["number"])
    with ledger.lease(row) as held:
        if ledger.result(row) is not None:
            return 0.0
        if not held:
            return settings()["pause"]
        prompt_id = job_id(order["batch"], row, ledger.attempt(row))
        host = _where(ledger.host_of(row), post.host, prompt_id)
        ledger.begin(row, host)
        try:
            files = _pictures(order, post, host, prompt_id, ledger.graph(order["graph"]))
        except (PortraitError, OSError) as error:
            return _failed(ledger, row, error)
        ledger.finish(row, {"worker": post.name, "host": host, "files": files, "prompt_id": prompt_id})
    return 0.0


def _where(begun: str, own: str, prompt_id: str) -> str:
    """Return the host on which a row is to be made: where it was begun if that one still knows it."""
    if begun and begun != own:
        try:
            with Client(begun, timeout=10.0) as client:
                if client.knows(prompt_id):
                    return begun
        except (AddressError, HostError):
            pass
    return own


def _pictures(order: dict[str, Any], post: WorkerPost, host: str, prompt_id: str, graph: bytes) -> list[str]:
    """Make the pictures of a row, and return their names in the shared folder. Raises PortraitError, OSError."""
    folder = post.out / order["batch"] / f"{int(order['number']):06d}"
    with tempfile.TemporaryDirectory() as beside, Client(host, patience=20.0) as client:
        file = Path(beside) / os.path.basename(order["graph"])  # noqa: PTH119 - a name from outside loses its folders
        file.write_bytes(graph)
        photos = [Path(one) for one in order["photos"]]
        job = read_recipe(client, file, file.stem).job(
            order["settings"], (lambda: upload_photos(client, photos)) if photos else None
        )
        result = run(replace(job, prompt_id=prompt_id, find=True), client, folder)
    return [f"{folder.name}/{image.file.name}" for image in result.images]


def _failed(ledger: Ledger, row: int, error: Exception) -> float:
    """Judge a failure as a batch does; return when to try again."""
    fault = fault_of(error)
    strikes = ledger.strike(row, fault.kind)
    if fault.kind in ("connection", "disk"):
        rule_retries, pause = settings()["away"], settings()["pause"]
    else:
        rule = policy().rules.get(fault.kind)
        rule_retries, pause = (rule.retries, max(0.1, rule.pause(strikes))) if rule else (0, 0.0)
    if strikes <= rule_retries:
        return pause
    ledger.finish(row, {"error": fault.kind, "message": fault.message})
    return 0.0
