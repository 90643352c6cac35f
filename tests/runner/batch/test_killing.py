"""Runner and hosts killed by SIGKILL at random instants: every row is done once, every file is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and has the system end what is left over")


def killing(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tests.runner.batch.killing", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)


@pytest.mark.parametrize("first", range(0, 25, 5))
def test_twenty_five_schedules_of_kills_lose_nothing_and_make_nothing_twice(first):
    answer = killing("--seeds", "5", "--first", str(first))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "5 schedules" in answer.stdout


def test_two_hundred_rows_survive_ten_kills_of_the_runner_and_of_each_host():
    answer = killing("--seeds", "1", "--first", "1000", "--rows", "200", "--kills", "10")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "30 kills" in answer.stdout
