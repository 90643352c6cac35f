"""What 10, 100 and 1,000 hosts do with a fleet's queue, and where the first bottleneck is, from measured times.

    python benchmarks/fleet_plan.py --job 4.2 --megabytes 0.1 1.2

`--job` is the mean seconds of one job on one host, `--megabytes` the size of its pictures, of which several may be
given for a plan each; take both from the records of a batch. What a job costs Redis is measured here, on a Redis that
this command starts: the commands that a worker and the driver send for one row, over and over. What the shared folder
takes is given with `--folder` (MB a second).
"""

from __future__ import annotations

import heapq
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from typing import Any

from machine import facts, keep, parser
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

from portrait_studio.runner.fleet import Ledger

HOSTS = (1, 10, 100, 1000)
ORDER = json.dumps(
    {"batch": "plan", "number": 1, "graph": "prompt.json", "settings": {"seed": 1, "pose": "head-front"}}
)


def redis_seconds(rows: int) -> dict[str, float]:
    """Measure what one row costs Redis: seconds of its commands one after another, and of its processor."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes"]
        server = subprocess.Popen([*command, "--save", ""], stdout=subprocess.DEVNULL)
        try:
            retry = Retry(ConstantBackoff(0.1), 50)
            redis = Redis(port=port, retry=retry, retry_on_error=[ConnectionError])
            redis.ping()
            begin, used = time.perf_counter(), _processor(redis)
            for row in range(rows):
                _one_row(redis, Ledger(redis, "plan"), row)
            return {"wall": (time.perf_counter() - begin) / rows, "processor": (_processor(redis) - used) / rows}
        finally:
            server.kill()
            server.wait()


def _one_row(redis: Redis, ledger: Ledger, row: int) -> None:
    """Send what driver and worker send for a row: the message there and back, the lease, the ledger."""
    ledger.mark_sent(row)
    redis.lpush("any", ORDER)
    redis.brpop(["host.x", "any"], 1)
    redis.hset("unacked", str(row), ORDER)
    redis.zadd("unacked_index", {str(row): time.time()})
    with ledger.lease(row) as held:
        assert held
        ledger.result(row)
        ledger.attempt(row)
        ledger.host_of(row)
        ledger.begin(row, "http://127.0.0.1:8188")
        ledger.finish(
            row, {"worker": "x", "host": "http://127.0.0.1:8188", "files": ["000001/a.png"], "prompt_id": "p"}
        )
    redis.hdel("unacked", str(row))
    redis.zrem("unacked_index", str(row))


def _processor(redis: Redis) -> float:
    info = redis.info("cpu")
    return info["used_cpu_user"] + info["used_cpu_sys"]


def simulate(hosts: int, job: float, redis: float, folder: float, rows: int) -> dict[str, float]:
    """Let hosts take rows one after another; Redis and the shared folder each serve one at a time.

    `redis` and `folder` are seconds of a row there. Returns jobs a second, and how busy each of the three was (0..1).
    """
    draw = random.Random(hosts)
    free = [(draw.uniform(0, job), number) for number in range(hosts)]
    heapq.heapify(free)
    redis_free = folder_free = working = 0.0
    ends = []
    for _ in range(rows):
        now, number = heapq.heappop(free)
        redis_free = max(redis_free, now) + redis
        seconds = job * draw.uniform(0.8, 1.2)
        working += seconds
        folder_free = max(folder_free, redis_free + seconds) + folder
        ends.append(folder_free)
        heapq.heappush(free, (folder_free, number))
    span = max(ends)
    return {
        "jobs_a_second": rows / span,
        "hosts_busy": working / (span * hosts),
        "redis_busy": rows * redis / span,
        "folder_busy": rows * folder / span,
    }


def plan(job: float, redis: float, megabytes: float, rate: float) -> dict[str, Any]:
    """Print and return what hosts do whose jobs leave `megabytes` in a folder that takes `rate` MB a second."""
    folder = megabytes / rate
    table = {}
    print(f"\n{megabytes:g} MB a job")
    print("hosts   jobs a second   hosts busy   Redis busy   folder busy   tight first")
    for hosts in HOSTS:
        found = simulate(hosts, job, redis, folder, 40 * hosts)
        shares = {"Redis": found["redis_busy"], "the shared folder": found["folder_busy"]}
        tight = max(shares, key=shares.__getitem__) if max(shares.values()) > 0.9 else "the hosts"
        table[hosts] = found | {"tight": tight}
        shares_told = "   ".join(f"{found[key]:10.1%}" for key in ("hosts_busy", "redis_busy", "folder_busy"))
        print(f"{hosts:5}   {found['jobs_a_second']:13.2f}   {shares_told}   {tight}")
    most = {"redis": job / redis, "folder": job / folder}
    print(f"Redis alone is full at {most['redis']:.0f} such hosts, the shared folder at {most['folder']:.0f}.")
    return {"hosts": table, "full_at_hosts": most}


def main() -> None:
    """Measure, simulate, print the tables, and write the result."""
    options = parser(__doc__)
    options.add_argument("--job", type=float, required=True, help="mean seconds of a job on one host")
    options.add_argument("--megabytes", type=float, nargs="+", required=True, help="sizes of a job's pictures")
    options.add_argument("--folder", type=float, default=100.0, help="MB a second that the shared folder takes")
    options.add_argument("--rows", type=int, default=3000, help="rows to measure Redis with")
    given = options.parse_args()
    if shutil.which("redis-server") is None:
        sys.exit("redis-server is missing (Debian: apt-get install redis-server)")
    machine = facts()
    measured = redis_seconds(given.rows)
    redis = measured["processor"]
    print(f"a row costs Redis {redis * 1e6:.0f} us of its processor, {measured['wall'] * 1e3:.2f} ms one after another")
    plans = {f"{size:g} MB": plan(given.job, redis, size, given.folder) for size in given.megabytes}
    settings = {name: value for name, value in vars(given).items() if name != "out"}
    keep(given.out, {"given": settings, "measured": measured, "plans": plans, "machine": machine})


if __name__ == "__main__":
    main()
