"""What a training keeps is whole or not there, and nobody else writes it meanwhile."""

from __future__ import annotations

import errno
import os

import pytest
import torch

from portrait_studio.trainer import state

from ..present import present

PARTS = {"lora": {"a.lora_up.weight": torch.ones(2, 2)}, "mean": {"0": torch.zeros(3)}}


def test_a_state_comes_back_as_it_was(tmp_path):
    state.save(tmp_path, PARTS, {"step": 7, "losses": [0.5]})
    state.save(tmp_path, PARTS, {"step": 9, "losses": [0.5, 0.25]})
    parts, notes = present(state.load(tmp_path))
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
    parts, notes = present(state.load(tmp_path))
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


def test_a_full_disk_is_said_in_one_sentence_and_leaves_no_half_file(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    training = tmp_path / "anna" / "training"
    training.mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", full)  # where a disk with delayed allocation says so
    with pytest.raises(state.StateError, match=r"training of 'anna' cannot write x.json .*No space.*free some space"):
        state.write(training / "x.json", b"x" * 100_000)
    assert list(training.iterdir()) == []
