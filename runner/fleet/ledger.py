"""What is known of a batch in Redis beside the queue: who works on which row, where it was begun, what came of it.

Celery delivers a message at least once; the ledger makes a second delivery harmless.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import LockError, RedisError

from ...portrait import disk


@cache
def settings() -> dict[str, Any]:
    """Return settings.toml."""
    return disk.read_toml(Path(__file__).with_name("settings.toml"))


class Ledger:
    """The ledger of one batch. Any number of processes may use it at a time."""

    def __init__(self, redis: Redis, batch: str) -> None:
        self.redis: Any = redis  # its types know both what is decoded and what is awaited, and neither is used here
        self._name = f"portrait-studio:{batch}"

    def _key(self, what: str) -> str:
        return f"{self._name}:{what}"

    def _touch(self, what: str) -> None:
        self.redis.expire(self._key(what), settings()["keep"])

    def put_graph(self, name: str, content: bytes) -> None:
        """Keep a graph file for the workers."""
        self.redis.hset(self._key("graphs"), name, content)
        self._touch("graphs")

    def graph(self, name: str) -> bytes:
        """Return a graph file. Raises KeyError."""
        found = self.redis.hget(self._key("graphs"), name)
        if found is None:
            raise KeyError(name)
        return found

    def mark_sent(self, row: int) -> bool:
        """Note that a row was put into a queue; return whether it had not been before."""
        new = bool(self.redis.sadd(self._key("sent"), row))
        self._touch("sent")
        return new

    def finished(self) -> dict[int, dict[str, Any]]:
        """Return what came of the rows that are over, by row."""
        return {int(row): json.loads(what) for row, what in self.redis.hgetall(self._key("done")).items()}

    def result(self, row: int) -> dict[str, Any] | None:
        """Return what came of a row, or None while it is open."""
        found = self.redis.hget(self._key("done"), str(row))
        return json.loads(found) if found is not None else None

    def finish(self, row: int, what: dict[str, Any]) -> bool:
        """Note what came of a row; return False, and change nothing, when that was noted before."""
        first = bool(self.redis.hsetnx(self._key("done"), str(row), json.dumps(what)))
        self._touch("done")
        return first

    def begin(self, row: int, host: str) -> None:
        """Note on which host a row is about to be posted."""
        self.redis.hset(self._key("begun"), str(row), host)
        self._touch("begun")

    def begun(self) -> dict[int, str]:
        """Return the hosts of the rows that were begun."""
        return {int(row): host.decode() for row, host in self.redis.hgetall(self._key("begun")).items()}

    def host_of(self, row: int) -> str:
        """Return the host on which a row was begun, or nothing."""
        return (self.redis.hget(self._key("begun"), str(row)) or b"").decode()

    def strike(self, row: int, kind: str) -> int:
        """Count a failure of a row; return how many of this kind it has had."""
        count = self.redis.hincrby(self._key("strikes"), f"{row}/{kind}", 1)
        self._touch("strikes")
        return count

    def attempt(self, row: int) -> int:
        """Return the number of the attempt at a row: one more than it has had failures of its own."""
        strikes = self.redis.hgetall(self._key("strikes"))
        failed = (int(count) for key, count in strikes.items() if key.startswith(f"{row}/".encode()))
        away = int(strikes.get(f"{row}/connection".encode(), 0))
        return 1 + sum(failed) - away

    def held(self, row: int) -> bool:
        """Whether some worker holds a row."""
        return bool(self.redis.exists(self._key(f"lease:{row}")))

    @contextlib.contextmanager
    def lease(self, row: int) -> Iterator[bool]:
        """Hold a row as long as the block runs; yields False when another worker holds it."""
        seconds = settings()["lease"]
        lock = self.redis.lock(self._key(f"lease:{row}"), timeout=seconds, thread_local=False)
        if not lock.acquire(blocking=False):
            yield False
            return
        over = threading.Event()

        def renew() -> None:
            while not over.wait(seconds / 3):
                with contextlib.suppress(RedisError, LockError):  # Redis may be away; the host still knows the job
                    lock.reacquire()

        keeper = threading.Thread(target=renew, daemon=True)
        keeper.start()
        try:
            yield True
        finally:
            over.set()
            keeper.join()
            with contextlib.suppress(RedisError, LockError):
                lock.release()
