"""The store of subjects: what it tells, what it hands on, and that nothing stays behind."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from portrait_studio.portrait import subject_store, subjects
from portrait_studio.portrait.errors import PortraitError
from portrait_studio.portrait.subjects import Subject, SubjectError

from ..present import present
from .kept import CARD, kept


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
