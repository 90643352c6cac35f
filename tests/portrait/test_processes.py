"""Programs are ended with everything that they started."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from portrait_studio.portrait import processes

GONE = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
# A program with a child in its group and one that left it; neither listens to a request to end.
FAMILY = """
import signal, subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
for away in (False, True):
    one = subprocess.Popen([sys.executable, "-c", child], start_new_session=away, stdout=subprocess.PIPE, text=True)
    one.stdout.readline()
    print(one.pid, flush=True)
"""


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **processes.own_group())


def alive(one: psutil.Process) -> bool:
    try:
        return one.is_running() and one.status() not in GONE
    except psutil.NoSuchProcess:
        return False


def family(program: subprocess.Popen[str]) -> list[psutil.Process]:
    assert program.stdout
    return [psutil.Process(int(program.stdout.readline())) for _ in range(2)]


def test_the_children_of_a_program_end_with_it_also_one_that_left_its_group():
    with start(FAMILY + "time.sleep(60)\n") as program:
        children = family(program)
        assert all(map(alive, children))
        processes.end(program, patience=5)
        assert program.returncode != 0
        end = time.monotonic() + 5
        while any(map(alive, children)):
            assert time.monotonic() < end
            time.sleep(0.02)


def test_a_program_that_listens_is_given_its_time():
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print(1, flush=True)"
    with start(f"{code}\ntime.sleep(60)\n") as program:
        assert program.stdout
        program.stdout.readline()
        processes.end(program, patience=20)
        assert program.returncode == (7 if sys.platform != "win32" else program.returncode)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such groups")
def test_children_in_the_group_of_a_program_that_is_gone_are_ended():
    with start(FAMILY.replace("(False, True)", "(False,)")) as program:
        assert program.stdout
        child = psutil.Process(int(program.stdout.readline()))
        program.wait()
        assert alive(child)
        processes.end(program, patience=5)
        end = time.monotonic() + 5
        while alive(child):
            assert time.monotonic() < end
            time.sleep(0.02)
