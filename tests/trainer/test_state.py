"""What a training keeps is whole or not there, and nobody else writes it meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from portrait_studio.trainer import state

PARTS = {"lora": {"a.lora_up.weight": torch.ones(2, 2)}, "mean": {"0": torch.zeros(3)}}


def test_a_state_comes_back_as_it_was(tmp_path):
    state.save(tmp_path, PARTS, {"step": 7, "losses": [0.5]})
    state.save(tmp_path, PARTS, {"step": 9, "losses": [0.5, 0.25]})
    parts, notes = state.load(tmp_path)
    assert notes["step"] == 9
    assert notes["losses"] == [0.5, 0.25]
    assert torch.equal(parts["lora"]["a.lora_up.weight"], torch.ones(2, 2))
    assert len(list(tmp_path.iterdir())) == 2  # the older tensors are gone


def test_a_crash_between_tensors_and_notes_leaves_the_older_state(tmp_path, monkeypatch):
    state.save(tmp_path, PARTS, {"step": 7})
    real = state.write

    def dies(path, content):
        if path.name == state.NOTES:
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr(state, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        state.save(tmp_path, {"lora": {"a.lora_up.weight": torch.full((2, 2), 9.0)}}, {"step": 8})
    parts, notes = state.load(tmp_path)
    assert notes["step"] == 7
    assert torch.equal(parts["lora"]["a.lora_up.weight"], torch.ones(2, 2))


@pytest.mark.parametrize("damage", ["truncated", "missing", "notes"])
def test_what_is_not_whole_is_not_gone_on_from(tmp_path, damage):
    state.save(tmp_path, PARTS, {"step": 7})
    tensors = next(tmp_path.glob("*.safetensors"))
    if damage == "truncated":
        tensors.write_bytes(tensors.read_bytes()[:-5])
    elif damage == "missing":
        tensors.unlink()
    else:
        (tmp_path / state.NOTES).write_text("{", "utf-8")
    assert state.load(tmp_path) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said_in_one_sentence_and_leaves_no_half_file(tmp_path):
    training = tmp_path / "anna" / "training"
    training.mkdir(parents=True)
    (training / ".x.json.part").symlink_to("/dev/full")
    with pytest.raises(state.StateError, match=r"training of 'anna' cannot write x.json .*No space.*free some space"):
        state.write(training / "x.json", b"x" * 100_000)
    assert list(training.iterdir()) == []


def test_two_trainings_of_one_name_are_refused_while_the_first_lives(tmp_path):
    training = tmp_path / "anna" / "training"
    code = "import sys; from pathlib import Path; from portrait_studio.trainer import state\n"
    code += "with state.locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.readline()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(training)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(state.BusyError, match=f"'anna' is being trained already .process {other.pid}"),
            state.locked(training),
        ):
            pass
        other.kill()
        other.wait()
        with state.locked(training):  # its process is gone: the lock is taken over
            assert (training / state.LOCK).read_text() == str(os.getpid())
    finally:
        other.kill()
        other.wait()
    assert not (training / state.LOCK).exists()


@pytest.mark.parametrize("content", ["", "not a number"])
def test_a_lock_that_names_nobody_is_taken_over(tmp_path, content):
    (tmp_path / state.LOCK).write_text(content)
    with state.locked(tmp_path):
        pass
