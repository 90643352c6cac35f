"""The store of subjects where files are odd, and where a save was killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from portrait_studio.portrait import subject_store, subjects
from portrait_studio.portrait.subjects import Subject, SubjectError

from .kept import kept


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "subjects"


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "odd", ["dangling link", "pipe", "number", "surrogate", "deep", "locked", "link", "loop", "card"]
)
def test_one_odd_file_does_not_break_the_survey_of_all(root, tmp_path, odd):
    kept("Anna", root)
    kept("Bert", root)
    folder = root / "Bert"
    card = json.loads((folder / "card.json").read_text("utf-8"))
    if odd == "dangling link":
        (folder / "photo.jpg").symlink_to("nowhere")
        (root / "gone").symlink_to("nowhere")
        (root / ".writing-gone").symlink_to("nowhere")
    elif odd == "pipe":
        (folder / "lora.safetensors").unlink()
        os.mkfifo(folder / "lora.safetensors")
        os.mkfifo(folder / "training" / "pipe")
        os.mkfifo(root / "pipe")
    elif odd == "number":
        (folder / "card.json").write_text(json.dumps(card | {"chosen": {"likeness": int("9" * 401)}}), "utf-8")
    elif odd == "surrogate":
        (folder / "card.json").write_text(json.dumps(card | {"trained": "\ud800"}), "utf-8")
    elif odd == "deep":
        (folder / "card.json").write_text("[" * 100_000, "utf-8")
    elif odd == "locked":
        folder.chmod(0)
    elif odd == "link":
        (folder / "training" / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    elif odd == "loop":
        (folder / "training" / "loop").symlink_to(root, target_is_directory=True)
        (root / "round").symlink_to("round")
    else:
        (folder / "card.json").unlink()
        (folder / "card.json").mkdir()
    found = {one.name: one for one in subject_store.survey(root)}
    folder.chmod(0o755)
    assert found["Anna"].state == "trained"
    assert "Bert" in found
    subject_store.delete("Bert", root)
    assert [one.name for one in subject_store.survey(root)] == ["Anna"]


def test_files_that_vanish_while_they_are_looked_at_count_nothing(root, monkeypatch):
    kept("Anna", root)
    real = Path.lstat

    def gone(path: Path) -> os.stat_result:
        if path.suffix and subjects.TRAINING in path.parts:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return real(path)

    monkeypatch.setattr(Path, "lstat", gone)
    (anna,) = subject_store.survey(root)
    assert anna.state == "trained"
    assert anna.size == sum(real(path).st_size for path in (root / "Anna").iterdir() if path.suffix)


def test_a_link_to_a_card_or_lora_outside_is_neither_read_nor_exported(root, tmp_path):
    kept("Anna", root)
    secret = tmp_path / "secret.safetensors"
    (root / "Anna" / "lora.safetensors").rename(secret)
    (root / "Anna" / "lora.safetensors").symlink_to(secret)
    with pytest.raises(SubjectError, match="it is a link"):
        subject_store.export("Anna", root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _killed_save(root: Path, at: int, subject: Subject) -> bool:
    """Save in a child process that is killed before its `at`-th change to the store; tell whether it was."""
    child = os.fork()
    if not child:
        left = [at]

        def watch(event: str, arguments: tuple) -> None:
            change = event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree", "os.chmod") or (
                event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            )
            if change and str(root) in str(arguments[0]):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(watch)
            subjects.save(subject, root, replace=True)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _faces(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
@pytest.mark.parametrize("before", ["a subject", "nothing", "a training"])
def test_a_save_killed_at_any_moment_leaves_a_subject_that_can_be_seen_restored_and_deleted(tmp_path, before):
    lora = tmp_path / "new.safetensors"
    halves = {"x.lora_up.weight": np.full((4, 2), 2, np.float32), "x.lora_down.weight": np.ones((2, 4), np.float32)}
    save_file(halves, lora)
    newer = Subject("Anna", "newer", "woman", lora, np.ones((1, 128), np.float32), "sface")
    killed = 0
    for at in range(100):
        root = tmp_path / f"subjects {at}"
        root.mkdir()
        if before == "a subject":
            kept("Anna", root)
        elif before == "a training":
            (root / "Anna" / "training" / "class images").mkdir(parents=True)
            (root / "Anna" / "training" / "class images" / "0.png").write_bytes(b"picture")
        if not _killed_save(root, at, newer):
            assert subjects.load("Anna", root).trigger == "newer"
            break
        killed += 1
        if not _faces(root):
            continue
        assert subject_store.names(root) == ["Anna"]
        assert "Anna" in {one.name for one in subject_store.survey(root)}
        again = tmp_path / f"again {at}"
        shutil.copytree(root, again)
        subject_store.delete("Anna", again)
        assert not _faces(again), "no face data stays behind"
        try:
            subject_store.restore("Anna", root)
        except SubjectError as error:
            assert "cannot be restored" in str(error) or "no save of it was interrupted" in str(error)
            assert before != "a subject" or "no save" in str(error)
        if before == "a subject":
            whole = subjects.load("Anna", root)
            assert whole.trigger in ("anb3ll", "newer")
            assert subject_store.survey(root)[0].problem == ""
            assert {path.name for path in _faces(root)} >= {"card.json", "lora.safetensors", "0.png"}
            assert len([path for path in _faces(root) if path.name == "lora.safetensors"]) == 1
        elif before == "a training":
            assert [path for path in _faces(root) if path.name == "0.png"]
    assert killed >= 8


def test_a_subject_that_an_earlier_version_left_half_swapped_is_restored(root):
    """Before its name was in the path, a save wrote straight into .writing-x; the card is written last."""
    kept("Anna", root)
    (root / ".replaced-x").mkdir()
    (root / "Anna").rename(root / ".replaced-x" / "Anna")
    (root / ".writing-y").mkdir()
    (root / ".writing-y" / "lora.safetensors").write_bytes(b"half a face")
    assert {one.name: one.state for one in subject_store.survey(root)} == {
        "Anna": "interrupted",
        ".writing-y": "interrupted",
    }
    assert subjects.names(root) == []
    assert subject_store.restore("Anna", root) == "former"
    assert subjects.load("Anna", root).trigger == "anb3ll"
    subject_store.delete(".writing-y", root)
    assert [path.name for path in root.iterdir()] == ["Anna"]
    with pytest.raises(SubjectError, match="no save of it was interrupted"):
        subject_store.restore("Anna", root)
