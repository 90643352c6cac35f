"""One training of a subject at a time, also after a crash."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from portrait_studio.portrait.lock import BusyError, LockError, locked


def test_a_second_training_is_refused_while_the_first_lives(tmp_path):
    folder = tmp_path / "new" / "training"
    with locked(folder, "Anna"):
        with pytest.raises(BusyError, match=rf"process {os.getpid()}\)"), locked(folder, "Anna"):
            pass
        assert (folder / "lock").exists()
    with locked(folder, "Anna"):
        pass
    assert list(folder.iterdir()) == []


def test_a_process_that_was_killed_leaves_nothing_that_keeps_others_out(tmp_path):
    code = "import sys; from pathlib import Path; from portrait_studio.portrait.lock import locked\n"
    code += "with locked(Path(sys.argv[1]), 'Anna'): print('held', flush=True); sys.stdin.readline()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=rf"process {other.pid}\)"), locked(tmp_path, "Anna"):
            pass
    finally:
        other.kill()
        other.wait()
    with locked(tmp_path, "Anna"):
        pass


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for content in (str(gone.pid), "", "no number"):
        (tmp_path / "lock").write_text(content)
        with locked(tmp_path, "Anna"):
            assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_failure_inside_gives_the_lock_back(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path, "Anna"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    refusal = pytest.raises(LockError, match="The training of 'Anna' cannot be locked")
    with refusal, locked(tmp_path / "file" / "training", "Anna"):
        pass
