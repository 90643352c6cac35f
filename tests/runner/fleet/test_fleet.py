"""The fleet with a real Redis and real Celery workers, each killed and restarted; the hosts are scripted servers."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.hostile.scripted import PROMPT, ScriptedHost

from ..command import invoke

ROOT = Path(__file__).parents[3]

if shutil.which("redis-server") is None:
    pytest.skip("NOT TESTED: redis-server is missing (Debian: apt-get install redis-server)", allow_module_level=True)
pytest.importorskip("celery", reason="NOT TESTED: Celery is missing (pip install 'celery[redis]')")

from portrait_studio.runner.fleet import FIRST, Driver, FleetRow, application, connect  # noqa: E402

pytestmark = pytest.mark.timeout(600)


class RealRedis:
    """A redis-server that writes every change to its disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        connect(self.url).ping()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def redis(tmp_path):
    server = RealRedis(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def worker(redis, tmp_path):
    """Start a worker beside a host: worker(name, url) -> its process, the head of its group."""
    started: list[subprocess.Popen] = []

    def start(name: str, url: str, visibility: float = 0.0) -> subprocess.Popen:
        command = [sys.executable, "-m", "portrait_studio.runner", "fleet", "worker", "--name", name, "--host", url]
        command += ["--broker", redis.url, "--out", str(tmp_path / "shared"), "--visibility", str(visibility)]
        log = (tmp_path / f"{name}.log").open("w")
        process = subprocess.Popen(command, cwd=ROOT.parent, stdout=log, stderr=log, start_new_session=True)
        started.append(process)
        return process

    yield start
    for process in started:
        kill(process)


def kill(process: subprocess.Popen) -> None:
    """SIGKILL for a worker and its child."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def driver(redis, tmp_path):
    graph = tmp_path / "prompt.json"
    graph.write_text(json.dumps(PROMPT), "utf-8")
    found = Driver(application(redis.url), connect(redis.url), "night")
    found.put_graph("prompt.json", graph)
    return found


def rows(count: int) -> list[FleetRow]:
    return [FleetRow(number, "prompt.json", {"1.color": number}) for number in range(1, count + 1)]


def all_once(over: dict, count: int, hosts: list[ScriptedHost], shared: Path, batch: str = "night") -> None:
    """Nothing lost, nothing rendered twice, every picture there."""
    assert sorted(over) == list(range(1, count + 1))
    assert not [what for what in over.values() if "error" in what]
    posted = [prompt_id for host in hosts for prompt_id in host.posted]
    assert sorted(posted) == sorted(set(posted))
    assert len([one for one in posted if one in {what["prompt_id"] for what in over.values()}]) == count
    for what in over.values():
        (name,) = what["files"]
        assert (shared / batch / name).read_bytes().startswith(b"\x89PNG")


def test_a_training_goes_anywhere_and_its_renders_follow_and_redis_may_restart(redis, worker, driver, tmp_path):
    with ScriptedHost(seconds=1.0) as one, ScriptedHost(seconds=1.0) as other:
        worker("one", one.url)
        worker("other", other.url)

        def restart() -> None:
            while len(one.posted) + len(other.posted) < 4:
                time.sleep(0.05)
            redis.kill()
            time.sleep(1.0)
            redis.start()

        restarting = threading.Thread(target=restart)
        restarting.start()
        over = driver.run(rows(8), FleetRow(FIRST, "prompt.json", {"1.color": 99}), timeout=400)
        restarting.join()
        trained = driver.ledger.result(FIRST)["worker"]
        assert {what["worker"] for what in over.values()} == {trained}
        home, away = (one, other) if trained == "one" else (other, one)
        assert away.posted == []
        assert len(home.posted) == 9
        all_once(over, 8, [home], tmp_path / "shared")
        # The same batch again: all of it is there.
        assert driver.run(rows(8), timeout=20) == over
        assert len(home.posted) == 9


def test_a_worker_killed_in_mid_job_loses_nothing_and_its_row_is_fetched_from_the_host_that_has_it(
    worker, driver, tmp_path, monkeypatch
):
    monkeypatch.setitem(driver_settings(), "lost", 5)
    with ScriptedHost(seconds=6.0) as one, ScriptedHost(seconds=0.5) as other:
        first = worker("one", one.url)

        def accident() -> None:
            while not one.posted:
                time.sleep(0.05)
            kill(first)
            worker("other", other.url)

        killing = threading.Thread(target=accident)
        killing.start()
        over = driver.run(rows(4), timeout=400)
        killing.join()
        all_once(over, 4, [one, other], tmp_path / "shared")
        assert len(one.posted) == 1
        (fetched,) = [what for what in over.values() if what["host"] == one.url]
        assert fetched["worker"] == "other"


def test_a_job_that_outlasts_the_visibility_timeout_is_rendered_once(worker, driver, tmp_path):
    with ScriptedHost(seconds=25.0) as one, ScriptedHost(seconds=25.0) as other:
        worker("one", one.url, visibility=2.0)
        worker("other", other.url, visibility=2.0)
        over = driver.run(rows(1), timeout=400)
        all_once(over, 1, [one, other], tmp_path / "shared")
        assert len(one.posted) + len(other.posted) == 1


def test_a_table_goes_through_the_command_and_a_bad_row_is_set_aside_with_its_reason(redis, worker, tmp_path):
    graph, table = tmp_path / "prompt.json", tmp_path / "rows.jsonl"
    graph.write_text(json.dumps(PROMPT), "utf-8")
    table.write_text('{"1.colour": 3}\n{"1.color": 4}\n', "utf-8")
    with ScriptedHost() as one:
        worker("one", one.url)
        answer = invoke("fleet", "run", graph, table, "--batch", "night", "--broker", redis.url, "--json")
        assert len(one.posted) == 1
    assert answer.exit_code == 16
    assert "1 of 2 rows were set aside" in answer.stderr
    bad, good = map(json.loads, answer.stdout.splitlines()[:2])
    assert "did you mean 'color'" in bad["message"]
    assert good["files"]


def driver_settings() -> dict:
    from portrait_studio.runner.fleet.ledger import settings

    return settings()
