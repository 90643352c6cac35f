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
