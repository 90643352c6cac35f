"""Hosts that die, hang, come back empty, or were never there: each a real process, started and killed here."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from portrait_studio.runner.client import events
from portrait_studio.runner.client.client import Client
from portrait_studio.runner.client.errors import (
    AddressError,
    HostError,
    JobTimeoutError,
    LostError,
    NotComfyUIError,
    NothingThereError,
    StalledError,
)
from portrait_studio.runner.jobs.job import Job, run

from ...ports import held_port

pytestmark = pytest.mark.host


def post(url: str, body: dict) -> None:
    urllib.request.urlopen(
        urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    ).close()


def worker_dies(host, guest: Client, fresh) -> None:
    """A node without inputs that nothing asks for, sent by another client, kills the worker; newer hosts refuse it."""
    wedge = fresh() | {"lonely": {"class_type": "EmptyImage"}}
    sent = {"prompt": wedge, "prompt_id": "wedge", "client_id": guest.client_id}
    try:
        post(f"{host.url}/prompt", sent)
    except urllib.error.HTTPError as refusal:
        assert refusal.code == 400
        assert guest.follow(guest.submit(fresh())).state == "success"
        return
    time.sleep(0.5)
    with Client(host.url, start_grace=8.0) as watcher:
        assert watcher.queue() == (["wedge"], [])
        # The host's log tells, to the job itself and to one that waits behind it.
        behind = watcher.submit(fresh())
        for dead in ("wedge", behind):
            watcher.submit(wedge, dead, find=True)
            with pytest.raises(StalledError, match=rf"worker .* is dead, as its log says, and job {dead}"):
                watcher.follow(dead, timeout=30)
    with Client(host.url, start_grace=1.5) as watcher:
        # A host that shows no log: its silence tells.
        watcher.worker_died = lambda: False
        watcher.submit(wedge, "wedge", find=True)
        with pytest.raises(StalledError, match=r"worker .* is dead: it took job wedge"):
            watcher.follow("wedge", timeout=30)
        # Behind it a job waits for ever: its own time limit ends that.
        watcher.cancel(behind)
        waiting = watcher.submit(fresh())
        with pytest.raises(JobTimeoutError, match=r"still waiting after 1 s; it was cancelled"):
            watcher.follow(waiting, timeout=1.0)
        assert watcher.queue() == (["wedge"], [])


def test_a_host_that_dies_in_mid_job_and_one_whose_worker_dies(start_host, fresh, tmp_path):
    """One story on two servers of one address, since each takes long to start."""
    first, threads = start_host(), ThreadPoolExecutor(1)
    port = urlsplit(first.url).port
    try:
        # Killed in mid-job: whoever started the server learns at once, and why.
        prompt = fresh(seconds=20.0, steps=100)
        with Client(first.url, local=first) as owner, Client(first.url, patience=280.0, lost_grace=1.0) as guest:
            jobs = [Job(prompt), Job(fresh())]
            heard: list[events.Event] = []
            owner.submit(jobs[0].prompt, jobs[0].prompt_id)
            guest.submit(jobs[1].prompt, jobs[1].prompt_id, listener=heard.append)
            waiting = threads.submit(guest.follow, jobs[1].prompt_id)
            threading.Timer(1.0, first.process.kill).start()
            with pytest.raises(HostError, match=r"ended in mid-job while A long look ran \(exit code -9\)"):
                owner.follow(jobs[0].prompt_id)

            # Somebody starts it again at the same address: its queue is gone, and so is the job.
            second = start_host(port=port)
            try:
                with pytest.raises(LostError, match=jobs[1].prompt_id):
                    waiting.result()
                kinds = [type(event) for event in heard]
                assert kinds.index(events.HostAway) < kinds.index(events.HostBack)

                # The same client works with the new server, and the job can be run again.
                assert run(Job(fresh()), guest, tmp_path).state == "success"

                worker_dies(second, guest, fresh)
            finally:
                second.stop()
            begin = time.monotonic()
            with Client(second.url, patience=1.0) as client, pytest.raises(NothingThereError):
                client.submit(fresh())
            assert time.monotonic() - begin < 10
    finally:
        first.stop()


def test_a_host_that_stays_away_is_given_up_after_the_patience_asked_for(relay, fresh):
    with Client(relay.url, patience=1.0) as client:
        prompt_id = client.submit(fresh(seconds=3.0, steps=30))

        def away() -> None:
            relay.refusing = True
            relay.cut_everything()

        threading.Timer(0.7, away).start()
        with pytest.raises(HostError, match=rf"went away while A long look ran .* in 1 s.*{prompt_id}"):
            client.follow(prompt_id)


def test_a_host_that_was_away_for_a_moment_finishes_the_job(relay, fresh, tmp_path):
    heard: list[events.Event] = []

    def away(refusing: bool) -> None:
        relay.refusing = refusing
        relay.cut_everything()

    with Client(relay.url, patience=20.0) as client:
        threading.Timer(0.5, away, [True]).start()
        threading.Timer(2.0, away, [False]).start()
        result = run(Job(fresh(seconds=1.0)), client, tmp_path, listener=heard.append)
    assert len(result.images) == 1
    assert [type(event) for event in heard if isinstance(event, events.HostAway | events.HostBack)] == [
        events.HostAway,
        events.HostBack,
    ]


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8188", "ftp://127.0.0.1", "http://", "http://me:secret@127.0.0.1", "http://a:b"]
)
def test_only_http_addresses_are_addresses(url):
    with pytest.raises(AddressError) as caught:
        Client(url)
    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == 6


def test_nothing_there_is_told_apart_from_something_else():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with Client(f"http://127.0.0.1:{port}", timeout=0.5) as client, pytest.raises(NothingThereError):
            client.about()
    nothing = pytest.raises(NothingThereError, match="Nothing listens")
    with held_port() as port, Client(f"http://127.0.0.1:{port}") as client, nothing:
        client.about()
    with Client("http://no-such-machine.invalid") as client, pytest.raises(NothingThereError, match="no-such-machine"):
        client.about()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\xff\xfe garbage \x00" * 100,
        b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<html></html>\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
    ],
)
def test_something_that_is_not_comfyui_is_called_that(answer):
    with socket.create_server(("127.0.0.1", 0)) as other:

        def serve() -> None:
            while True:
                try:
                    connection, _ = other.accept()
                except OSError:
                    return
                connection.recv(4096)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        with Client(url) as client, pytest.raises(NotComfyUIError, match="not ComfyUI"):
            client.about()
