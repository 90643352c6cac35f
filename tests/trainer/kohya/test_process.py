"""Real trees of processes: ended whole, within two seconds, and when their owner dies."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portrait_studio.trainer.kohya import training
from portrait_studio.trainer.kohya.process import TAIL, Process

posix = pytest.mark.skipif(os.name != "posix", reason="looks at processes as POSIX shows them")

# A child that will not listen, with a grandchild that will not either: as a trainer with loader workers that hang.
TREE = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
grandchild = subprocess.Popen([sys.executable, "-c", child])
print("grandchild", grandchild.pid, flush=True)
time.sleep(60)
"""


def start(code: str, folder: Path, **more) -> Process:
    return Process([sys.executable, "-c", code], folder, os.environ, **more)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def lines(process: Process) -> list[str]:
    read = []
    while (line := process.line(10)) is not None:
        read.append(line)
    return read


def up(process: Process) -> int:
    """Wait until the whole tree runs; return the grandchild's number."""
    pid, seen = 0, ""
    while not (pid and "up" in seen):
        seen = process.line(10) or pytest.fail("the tree did not start")
        pid = int(seen.split()[1]) if seen.startswith("grandchild") else pid
    return pid


@posix
def test_a_cancel_ends_the_whole_tree_within_two_seconds(tmp_path):
    asked: list[float] = []
    with start(TREE, tmp_path, cancelled=lambda: bool(asked)) as process:
        grandchild = up(process)
        asked.append(time.monotonic())
        while alive(grandchild) or alive(process.pid):
            assert time.monotonic() - asked[0] < 2
            time.sleep(0.02)
        assert process.wait() != 0
        assert process.was_cancelled


@posix
def test_leaving_the_block_ends_what_a_dead_parent_left_behind(tmp_path):
    orphan = TREE.replace("time.sleep(60)\n", "\n").replace("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n", "", 1)
    with start(orphan, tmp_path) as process:
        grandchild = up(process)
        process.wait()
        assert alive(grandchild)
    time.sleep(0.1)
    assert not alive(grandchild)


@posix
def test_the_leash_ends_the_trainer_when_its_owner_is_killed(tmp_path):
    script = tmp_path / "trainer.py"
    script.write_text(TREE.replace("time.sleep(60)\n", "sys.stdout.flush(); time.sleep(60)\n"))
    owner = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from portrait_studio.trainer.kohya.process import Process\n"
        f"command = [sys.executable, {str(training.LEASH)!r}, {str(script)!r}]\n"
        f"p = Process(command, Path({str(tmp_path)!r}), os.environ)\n"
        "print(p.pid, flush=True)\n"
        "while True: print(p.line(60), flush=True)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    trainer = int(holder.stdout.readline())
    told = [holder.stdout.readline() for _ in range(2)]
    grandchild = next(int(line.split()[1]) for line in told if line.startswith("grandchild"))
    assert alive(trainer)
    holder.kill()
    holder.wait()
    end = time.monotonic() + 2
    while alive(trainer) or alive(grandchild):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_leash_runs_a_script_as_the_interpreter_would(tmp_path):
    (tmp_path / "beside.py").write_text("WORD = 'found'")
    script = tmp_path / "script.py"
    script.write_text("import sys, beside\nprint(__name__, beside.WORD, sys.argv[1:])\nsys.exit(3)")
    with Process([sys.executable, training.LEASH, script, "--a", "b c"], tmp_path, os.environ) as process:
        assert lines(process) == ["__main__ found ['--a', 'b c']"]
        assert process.wait() == 3


def test_every_state_of_a_bar_is_a_line_at_once_and_none_is_in_the_tail(tmp_path):
    code = (
        "import sys, time\n"
        "sys.stderr.write('loading ünïcode\\n')\n"
        "sys.stderr.write('\\rsteps:   0%|          | 0/2 [00:00<?, ?it/s]'); sys.stderr.flush()\n"
        "sys.stdin.readline()\n"
    )
    with start(code, tmp_path) as process:
        assert process.line(10) == "loading ünïcode"
        assert process.line(10) == "steps:   0%|          | 0/2 [00:00<?, ?it/s]"
        assert process.running
        assert list(process.tail) == ["loading ünïcode"]


def test_the_tail_holds_the_last_lines_and_no_underlines(tmp_path):
    with start("for n in range(500): print(n); print('   ^^^~~^^')", tmp_path) as process:
        lines(process)
        assert list(process.tail) == [str(number) for number in range(500 - TAIL, 500)]


@posix
def test_a_program_without_a_leash_has_no_input_to_wait_for(tmp_path):
    with start("import sys; print('read', repr(sys.stdin.read()))", tmp_path, leashed=False) as process:
        assert lines(process) == ["read ''"]
