"""One training of a subject at a time, also after a crash."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from portrait_studio.portrait.lock import HELD, HOLDER, LOCKS, BusyError, LockError, locked

CONTENDERS = Path(__file__).parents[2] / "benchmarks" / "lock.py"
HOLD = """
import sys
from pathlib import Path
from portrait_studio.portrait.lock import locked
with locked(Path(sys.argv[1]), "Anna"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def held_elsewhere(tmp_path):
    """Another process that holds the lock of Anna in tmp_path until it is killed."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    yield other
    other.kill()
    other.wait()


def place(store: Path) -> Path:
    (only,) = (store / LOCKS).iterdir()
    return only


def test_a_second_training_is_refused_while_the_first_runs(tmp_path):
    with locked(tmp_path / "store", "Anna"):
        refused = pytest.raises(BusyError, match=rf"'Anna' is being trained already \(process {os.getpid()}\)")
        with refused, locked(tmp_path / "store", "Anna"):
            pass
    with locked(tmp_path / "store", "Anna"):
        pass


def test_a_thread_keeps_out_another_thread(tmp_path):
    answers = []

    def attempt():
        try:
            with locked(tmp_path, "Anna"):
                answers.append("in")
        except BusyError:
            answers.append("busy")

    with locked(tmp_path, "Anna"):
        other = threading.Thread(target=attempt)
        other.start()
        other.join()
    assert answers == ["busy"]


def test_another_subject_is_free_and_another_spelling_is_the_same_subject(tmp_path):
    with locked(tmp_path, "Anna"), locked(tmp_path, "Ben"), pytest.raises(BusyError), locked(tmp_path, "ANNA"):
        pass


def test_a_killed_holder_frees_the_lock_at_once(tmp_path, held_elsewhere):
    with pytest.raises(BusyError, match=rf"process {held_elsewhere.pid}\)"), locked(tmp_path, "Anna"):
        pass
    held_elsewhere.kill()
    held_elsewhere.wait()
    with locked(tmp_path, "Anna"):
        pass


CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def _contains() -> bool:
    """Whether this machine lets us begin a process namespace, as a container has one."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _contains(), reason="NOT TRIED: no process namespace can be made here")
def test_a_holder_that_is_killed_with_its_container_frees_the_lock_at_once(tmp_path):
    """Inside, the holder is process 1: a number that is alive everywhere, in the next container too."""
    command = [*CONTAINER, sys.executable, "-c", HOLD, str(tmp_path)]
    container = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert container.stdout is not None
    assert container.stdout.readline() == "held\n"
    assert (place(tmp_path) / HOLDER).read_text() == "1"
    with pytest.raises(BusyError, match=r"process 1\)"), locked(tmp_path, "Anna"):
        pass
    (holder,) = psutil.Process(container.pid).children()
    holder.kill()
    container.wait(20)
    again = subprocess.run(command, input="\n", capture_output=True, text=True, timeout=60, check=False)
    assert again.stdout == "held\n", again.stderr
    with locked(tmp_path, "Anna"):
        pass


@pytest.mark.parametrize(
    "said", ["1", "0", "-1", "9" * 23, "", "no number", "\u0663", pytest.param(str(os.getpid()), id="alive")]
)
def test_what_a_dead_holder_wrote_keeps_nobody_out(tmp_path, held_elsewhere, said):
    """Process 1 is alive in every container, and any other number may have been given to somebody else."""
    held_elsewhere.kill()
    held_elsewhere.wait()
    (place(tmp_path) / HOLDER).write_text(said, "utf-8")
    with locked(tmp_path, "Anna"):
        assert (place(tmp_path) / HOLDER).read_text() == str(os.getpid())


@pytest.mark.parametrize("said", ["no number", "9" * 23, "-1", "\x1b[31m7"])
def test_a_holder_that_makes_no_sense_is_not_named(tmp_path, held_elsewhere, said):
    (place(tmp_path) / HOLDER).write_text(said, "utf-8")
    with pytest.raises(BusyError, match="being trained already; wait"), locked(tmp_path, "Anna"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove a file that is open")
def test_removing_or_replacing_the_lock_file_lets_nobody_in(tmp_path, held_elsewhere):
    held = place(tmp_path) / HELD
    held.unlink()
    with pytest.raises(BusyError), locked(tmp_path, "Anna"):
        pass
    (tmp_path / "other").write_text("")
    (tmp_path / "other").replace(held)
    with pytest.raises(BusyError), locked(tmp_path, "Anna"):
        pass


def test_the_file_of_an_earlier_version_keeps_nobody_out_and_is_removed(tmp_path):
    former = tmp_path / "Anna" / "training" / "lock"
    former.parent.mkdir(parents=True)
    for content in (str(os.getppid()), "1", ""):
        former.write_text(content)
        with locked(tmp_path, "Anna"):
            assert not former.exists()


def test_a_failure_inside_gives_the_lock_back(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path, "Anna"):
        raise ZeroDivisionError
    with locked(tmp_path, "Anna"):
        pass


def test_a_lock_keeps_when_its_subject_is_deleted_and_does_not_tell_the_name(tmp_path):
    (tmp_path / "Anna").mkdir()
    with locked(tmp_path, "Anna"):
        shutil.rmtree(tmp_path / "Anna")
        with pytest.raises(BusyError), locked(tmp_path, "Anna"):
            pass
    left = list(tmp_path.rglob("*"))
    assert not [path for path in left if "anna" in str(path.relative_to(tmp_path)).lower()]
    assert not [path for path in left if path.is_file() and b"anna" in path.read_bytes().lower()]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    refusal = pytest.raises(LockError, match="The training of 'Anna' cannot be locked")
    with refusal, locked(tmp_path / "file" / "store", "Anna"):
        pass


@pytest.mark.parametrize("more", [(), ("--vandal",)] if sys.platform != "win32" else [()])
def test_of_contending_processes_nobody_finds_another_inside(more):
    command = [sys.executable, str(CONTENDERS), "--acquisitions", "3000", *more]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(answer.stdout) == {"contenders": 4, "acquisitions": 3000, "not_alone": 0, "failed": 0}


def test_nothing_behind_a_link_is_touched(tmp_path):
    precious = tmp_path / "precious"
    (precious / "training").mkdir(parents=True)
    (precious / "training" / "lock").write_text("mine")
    store = tmp_path / "store"
    store.mkdir()
    (store / "Anna").symlink_to(precious, target_is_directory=True)
    (store / "Bert").mkdir()
    (store / "Bert" / "training").symlink_to(precious / "training", target_is_directory=True)
    for name in ("Anna", "Bert"):
        with locked(store, name):
            assert [path.name for path in precious.iterdir()] == ["training"]
    assert (precious / "training" / "lock").read_text() == "mine"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.rmtree(store / ".locks")
    (store / ".locks").symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(LockError, match="is a link"), locked(store, "Anna"):
        pass
    assert list(elsewhere.iterdir()) == []
