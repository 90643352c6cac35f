"""The store of subjects: what it tells, what it hands on, and that nothing stays behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from portrait_studio.portrait import subject_store, subjects
from portrait_studio.portrait.errors import PortraitError
from portrait_studio.portrait.likeness import known as likeness_report
from portrait_studio.portrait.likeness import stored
from portrait_studio.portrait.subjects import Subject, SubjectError

from ..present import present

CARD = {
    "trained": "2026-01-02T03:04:05+00:00",
    "base": {"checkpoint": "pocket.safetensors", "sha256": "b" * 64, "family": "sd15"},
    "settings": {"steps": 240},
    "chosen": {
        "step": 120,
        "likeness": 0.81,
        "held_out_names": ["secret-photo-1.jpg"],
        "photo": "secret-photo-2.jpg",
        "reference": ["secret-photo-3.jpg"],
        "embedding": [0.123456789],
        "checkpoints": [{"step": 60, "path": "/home/secret-photo-4.jpg"}],
    },
    "photos": {"trained": ["f" * 64], "held_out": ["e" * 64]},
    "consent": "private words",
}


def kept(name: str, root: Path, lora: bool = True) -> Subject:
    """A subject on the disk, with what a training leaves beside it."""
    trained = root.parent / "trained.safetensors"
    root.parent.mkdir(parents=True, exist_ok=True)
    up, down = np.ones((4, 2), np.float32), np.ones((2, 4), np.float32)
    halves = {"lora_unet_x.lora_up.weight": up, "lora_unet_x.lora_down.weight": down}
    save_file(halves, trained, {"ss_steps": "240"})
    references = np.random.default_rng(1).random((2, 128)).astype(np.float32)
    made = subjects.save(Subject(name, "anb3ll", "woman", trained if lora else None, references, "sface", CARD), root)
    training = root / made.name / subjects.TRAINING / "class images"
    training.mkdir(parents=True)
    (training / "0.png").write_bytes(b"picture")
    (training.parent / "state-000120.safetensors").write_bytes(b"state")
    likeness = training.parent / likeness_report.FOLDER
    likeness.mkdir()
    for file in (likeness_report.FACES, stored.REPORT, stored.PICTURE.format(0), stored.PHOTO.format(3)):
        (likeness / file).write_bytes(b"secret-photo")
    return made


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "subjects"


def test_the_survey_tells_of_trained_unfinished_and_broken_subjects(root):
    kept("Anna", root)
    kept("Bert", root, lora=False)
    (root / "Carl" / "training").mkdir(parents=True)
    kept("Dora", root)
    (root / "Dora" / "lora.safetensors").write_bytes(b"x")
    (root / ".hidden").mkdir()
    (root / "notes.txt").write_text("no subject")
    found = subject_store.survey(root)
    assert [(one.name, one.state) for one in found] == [
        ("Anna", "trained"),
        ("Bert", "no LoRA"),
        ("Carl", "unfinished"),
        ("Dora", "broken"),
    ]
    anna = found[0]
    assert (anna.prompt_words, anna.base, anna.likeness) == ("anb3ll woman", "pocket.safetensors", 0.81)
    assert anna.size == sum(path.stat().st_size for path in (root / "Anna").rglob("*") if path.is_file())
    assert found[3].problem.startswith("lora.safetensors is not a whole safetensors file")
    assert subject_store.survey(root / "nothing here") == []


def test_the_facts_are_card_and_files(root):
    kept("Anna", root)
    facts = subject_store.facts("Anna", root)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["card"]["photos"] == CARD["photos"]
    assert set(facts["files"]) == {
        "card.json",
        "lora.safetensors",
        "references.safetensors",
        "training/class images/0.png",
        "training/likeness/faces.safetensors",
        "training/likeness/photo-3.jpg",
        "training/likeness/picture-0.jpg",
        "training/likeness/report.json",
        "training/state-000120.safetensors",
    }


def test_an_export_holds_lora_card_and_note_and_nothing_that_identifies(root, tmp_path):
    kept("Anna", root)
    file = subject_store.export("Anna", root, tmp_path / "out")
    assert file == tmp_path / "out" / "Anna.zip"
    with zipfile.ZipFile(file) as archive:
        assert sorted(archive.namelist()) == ["Anna/README.txt", "Anna/card.json", "Anna/lora.safetensors"]
        everything = b"".join(archive.read(name) for name in archive.namelist())
        card = json.loads(archive.read("Anna/card.json"))
        note = archive.read("Anna/README.txt").decode()
    for secret in (b"secret-photo", b"0.123456789", b"f" * 64, b"e" * 64, b"private words", str(tmp_path).encode()):
        assert secret not in everything
    assert card["base"] == CARD["base"]
    assert card["chosen"] == {"step": 120, "likeness": 0.81, "checkpoints": [{"step": 60}]}
    assert "anb3ll woman" in note
    assert "no photos" in note


def test_an_export_is_a_subject_again_where_it_is_unpacked(root, tmp_path):
    kept("Anna", root)
    with zipfile.ZipFile(subject_store.export("Anna", root, tmp_path / "anna.zip")) as archive:
        archive.extractall(tmp_path / "elsewhere")
    again = subjects.load("Anna", tmp_path / "elsewhere")
    assert again.prompt_words == "anb3ll woman"
    assert load_file(present(again.lora)).keys() == load_file(root / "Anna" / "lora.safetensors").keys()
    assert again.references is None


def test_an_export_for_other_tools_is_the_lora_itself(root, tmp_path):
    kept("Anna", root)
    file = subject_store.export("Anna", root, tmp_path, lora_only=True)
    assert file == tmp_path / "Anna.safetensors"
    assert file.read_bytes() == (root / "Anna" / "lora.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("target", "lora_only", "sentence"),
    [
        ("x.rar", False, "ends in .zip"),
        ("x.zip", True, "ends in .safetensors"),
        ("file/x.zip", False, "cannot be written"),
    ],
)
def test_an_export_that_cannot_be_leaves_no_file(root, tmp_path, target, lora_only, sentence):
    kept("Anna", root)
    (tmp_path / "file").write_text("in the way")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SubjectError, match=sentence):
        subject_store.export("Anna", root, tmp_path / target, lora_only)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_subject_without_lora_is_not_exported(root, tmp_path):
    kept("Bert", root, lora=False)
    with pytest.raises(SubjectError, match="'Bert' has no LoRA to export; train it first"):
        subject_store.export("Bert", root, tmp_path)


@pytest.mark.parametrize("name", ["Anna", "👩‍🚀 astronaut", "김민지", "../../Anna"])
def test_deleting_leaves_nothing_behind_and_nobody_else_alone(root, name):
    other = kept("Other", root)
    made = kept(name, root)
    for hidden in (".replaced-x", ".deleting-y"):
        (root / hidden / made.name).mkdir(parents=True)
        (root / hidden / made.name / "lora.safetensors").write_bytes(b"old face")
    (root / ".writing-z").mkdir()
    (root / ".writing-z" / "card.json").write_text(json.dumps({"name": made.name}))
    removed = subject_store.delete(made.name, root)
    kept_by_training = {"training/class images/0.png", "training/likeness/faces.safetensors"}
    assert {"card.json", "lora.safetensors", *kept_by_training} <= set(removed)
    assert [path.name for path in root.iterdir()] == [other.name]
    assert subjects.load("Other", root).lora


def test_unfinished_trainings_and_half_deleted_subjects_can_be_deleted(root):
    (root / "Carl" / "training").mkdir(parents=True)
    (root / ".deleting-x" / "Dora").mkdir(parents=True)
    assert subject_store.names(root) == ["Carl", "Dora"]
    subject_store.delete("Carl", root)
    subject_store.delete("Dora", root)
    assert list(root.iterdir()) == []


def test_a_link_in_the_store_is_removed_and_what_it_leads_to_is_not(root, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "photo.jpg").write_bytes(b"x")
    kept("Anna", root)
    (root / "Anna" / "link").symlink_to(precious, target_is_directory=True)
    (root / "Bert").symlink_to(precious, target_is_directory=True)
    assert "link" in subject_store.delete("Anna", root)
    subject_store.delete("Bert", root)
    assert list(root.iterdir()) == []
    assert (precious / "photo.jpg").exists()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=30) | st.sampled_from(["..", "../outside", ".", "", "Anna/..", "Anna/../../outside", "/", "a\x00"])
)
def test_no_name_reaches_outside_the_store(tmp_path, name):
    root = tmp_path / "subjects"
    (root / "Anna").mkdir(parents=True, exist_ok=True)
    (tmp_path / "outside").mkdir(exist_ok=True)
    for act in (subject_store.delete, subject_store.facts):
        with pytest.raises(PortraitError, match="There is no subject named"):
            act(name if name != "Anna" else "Bert", root)
    assert (tmp_path / "outside").is_dir()
    assert (root / "Anna").is_dir()


def test_saving_a_subject_again_keeps_what_its_training_left(root, tmp_path):
    kept("Anna", root)
    state = root / "Anna" / "training" / "state-000120.safetensors"
    subjects.save(subjects.load("Anna", root), root, replace=True)
    assert state.read_bytes() == b"state"
    assert [path.name for path in root.iterdir()] == ["Anna"]


def test_an_unfinished_training_does_not_keep_its_subject_from_being_saved(root):
    (root / "Anna" / "training").mkdir(parents=True)
    (root / "Anna" / "training" / "lock").write_text("1")
    subjects.save(Subject("Anna", "anb3ll"), root)
    assert (root / "Anna" / "training" / "lock").exists()
    with pytest.raises(SubjectError, match="There is a subject named 'Anna' already"):
        subjects.save(Subject("Anna", "anb3ll"), root)


# --- odd files


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


# --- killed in the middle of a save


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
