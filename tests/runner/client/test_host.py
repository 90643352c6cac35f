"""Starting a ComfyUI: on this machine alone, with a reason when it fails, and with nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from portrait_studio.runner.client import host as hosts
from portrait_studio.runner.client.errors import HostError

pytestmark = pytest.mark.host


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    try:
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_port_that_is_taken_is_refused_at_once(comfyui, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HostError, match=f"Port {port} .* is taken"):
            hosts.start(comfyui, Path(sys.executable), tmp_path, port=port)
    assert not (tmp_path / "host.log").exists()


@pytest.mark.parametrize("argument", ["--listen", "--listen=0.0.0.0", "--port=80"])
def test_a_host_never_listens_elsewhere(comfyui, tmp_path, argument):
    with pytest.raises(HostError, match=r"127\.0\.0\.1 alone"):
        hosts.start(comfyui, Path(sys.executable), tmp_path, arguments=[argument])


def test_a_folder_without_comfyui_is_named(tmp_path):
    with pytest.raises(HostError, match=r"'empty'.*main\.py"):
        hosts.start(tmp_path / "empty", Path(sys.executable), tmp_path)


def test_a_host_that_cannot_start_says_what_its_log_says(comfyui, tmp_path):
    with pytest.raises(
        HostError, match=r"ended while starting \(exit code 2\).*unrecognized arguments: --no-such-thing"
    ):
        hosts.start(comfyui, Path(sys.executable), tmp_path, arguments=["--no-such-thing"])


def test_a_host_that_takes_too_long_is_ended_and_its_log_quoted(comfyui, tmp_path):
    before = set(children(os.getpid())) if sys.platform == "linux" else set()
    with pytest.raises(HostError, match=r"did not answer at http://127\.0\.0\.1:\d+ within 1\.5 s; its log ends:"):
        hosts.start(comfyui, Path(sys.executable), tmp_path, timeout=1.5)
    if sys.platform == "linux":
        assert set(children(os.getpid())) <= before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_survives_the_process_that_started_a_host(comfyui, tmp_path, until, number):
    script = (
        "import sys; from pathlib import Path; from portrait_studio.runner import start\n"
        f"start(Path({str(comfyui)!r}), Path(sys.executable), Path({str(tmp_path)!r}), arguments=['--cpu'])"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    (child,) = until(lambda: children(parent.pid), 30)
    until(lambda: (tmp_path / "host.log").exists() and (tmp_path / "host.log").stat().st_size, 30)
    assert alive(child)
    parent.send_signal(number)
    assert parent.wait(20) != 0
    until(lambda: not alive(child), 15)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_a_child_started_from_a_thread_outlives_that_thread():
    """Linux takes the thread that forks for the parent: a host that asked to die with it would die too early."""
    begun: list[subprocess.Popen] = []

    def begin() -> None:
        command = [sys.executable, "-c", "import time; time.sleep(30)"]
        begun.append(subprocess.Popen(command, preexec_fn=hosts._die_with_parent()))  # noqa: PLW1509

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    time.sleep(0.5)
    try:
        assert begun[0].poll() is None
    finally:
        begun[0].kill()
        begun[0].wait()


SERVER = """
import http.server, pathlib, subprocess, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
pathlib.Path("child").write_text(str(child.pid))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"system": {"comfyui_version": "0"}}')

http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def test_stopping_a_host_also_ends_a_child_that_left_its_process_group(tmp_path, until):
    folder = tmp_path / "ComfyUI"
    folder.mkdir()
    (folder / "main.py").write_text(SERVER)
    with hosts.start(folder, Path(sys.executable), tmp_path / "work"):
        child = psutil.Process(int((folder / "child").read_text()))
        assert child.is_running()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 5)


def test_the_host_answers_on_the_loopback_interface_alone(host):
    port = int(host.url.rpartition(":")[2])
    others = {str(address[4][0]) for address in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for other in others - {"127.0.0.1"}:
        with pytest.raises(OSError), socket.create_connection((other, port), timeout=1):
            pass
    assert Path(host.log).exists()


def test_an_interpreter_that_is_not_there_is_named(comfyui, tmp_path):
    with pytest.raises(HostError, match="'nowhere' cannot be started"):
        hosts.start(comfyui, tmp_path / "nowhere", tmp_path / "work")
