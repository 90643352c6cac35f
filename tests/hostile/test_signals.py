"""A job that is told to stop, or killed, at any moment: no image without its record, and the next run completes it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from portrait_studio.runner.client import EXIT_CODES
from portrait_studio.runner.commands.entry import INTERRUPTED, TERMINATED

from ..present import present
from .signals import CODES, fired, shots
from .starting import Loaded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc are Linux's")


@pytest.mark.timeout(280)
@pytest.mark.parametrize("aimed", [True, False])
def test_a_run_that_is_stopped_anywhere_leaves_nothing_half_made_and_can_be_completed(tmp_path, aimed):
    with Loaded() as loaded:
        made = [fired(shot, tmp_path / f"{number}", loaded) for number, shot in enumerate(shots(12, aimed))]
    assert [one.fault for one in made if one.fault] == []
    assert any(one.code for one in made)


def test_the_codes_are_those_of_the_documents():
    assert EXIT_CODES["interrupted"]["code"] == INTERRUPTED == CODES[signal.SIGINT]
    assert EXIT_CODES["terminated"]["code"] == TERMINATED == CODES[signal.SIGTERM]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["while it loads", "while it ends"])
def test_a_signal_while_it_loads_or_ends_gives_the_code_for_it_and_no_traceback(number, moment):
    """The loading is held up by an import that waits, the ending by a function of atexit's."""
    held = "time.sleep(30)" if moment == "while it loads" else "pass"
    script = (
        "import atexit, sys, time, types\n"
        "atexit.register(lambda: (print('ending', flush=True), time.sleep(1)))\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == 'portrait_studio.runner.commands.app': print('loading', flush=True); {held}\n"
        "sys.meta_path.insert(0, Slow())\n"
        "from portrait_studio.runner.commands import main\n"
        "sys.argv = ['portrait-studio', '--help']\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    word = "loading" if moment == "while it loads" else "ending"
    while present(process.stdout).readline().strip() != word:
        assert process.poll() is None
    time.sleep(0.1)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == (CODES[number] if moment == "while it loads" else 0)
    assert "Traceback" not in stderr
    assert stderr.strip() == ("Stopped." if moment == "while it loads" else "")
