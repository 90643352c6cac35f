"""A subject through sd-scripts, from photos of a synthetic person; replay.py hands the judge pictures of real faces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from portrait_studio.portrait import photos, subjects
from portrait_studio.portrait.disk import sha256
from portrait_studio.trainer import photo_set
from portrait_studio.trainer.kohya import session
from portrait_studio.trainer.kohya.errors import KohyaError
from portrait_studio.trainer.run import TrainingJob, TrainingObserver

from ...present import present

PEOPLE = Path(__file__).parents[3] / "pocket" / "subjects"


@pytest.fixture(scope="module")
def pictures_of(tmp_path_factory):
    """The first photo of a person, small and as PNG: `pictures_of(name)`."""
    folder = tmp_path_factory.mktemp("people")

    def convert(name: str) -> list[str]:
        path = folder / f"{name}.png"
        picture = Image.open(PEOPLE / name / f"{name}-01.jpg")
        picture.thumbnail((320, 320))
        picture.save(path)
        return [str(path)]

    return convert


@pytest.fixture(scope="module")
def nora():
    paths = sorted((PEOPLE / "nora").glob("*.jpg"))[:7]
    options = photo_set.PhotoSetOptions("zznora", "woman")
    return photo_set.prepare(photos.read_all(paths), [path.name for path in paths], options)


@pytest.fixture
def play(tmp_path, nora, settings, replayed, pictures_of):
    """Train a subject with a replay that draws other people first and then the person."""
    base, installation = replayed

    def go(plan: dict, changes: dict | None = None, name: str = "Nora", **more):
        chosen = settings.with_changes(
            {"steps": 3, "samples": 2, "rank": 1, "class_images": 2, "fuse_best": 2, **(changes or {})}
        )
        shown = {
            "0": pictures_of("henry"),
            "1": pictures_of("leila"),
            "2": pictures_of("nora"),
            "3": pictures_of("mina"),
            "fused": pictures_of("david"),
        }
        script = {"steps": 3, "until": 3, "pictures": shown, **plan}
        (installation.folder / "replay.json").write_text(json.dumps(script))
        job = TrainingJob(name, chosen, replace=more.pop("replace", False))
        return session.train_subject(nora, job, base, installation, tmp_path / "subjects", **more)

    return go


def test_the_checkpoint_that_looks_like_the_person_becomes_the_subject(play, tmp_path, nora):
    said: list[str] = []
    seen: list[tuple[int, int]] = []
    observer = TrainingObserver(say=said.append, pictures=lambda step, pictures: seen.append((step, len(pictures))))
    outcome = play({}, observer=observer)
    assert [score.step for score in outcome.scores] == [0, 1, 2, 3, 2]
    assert [len(score.fused) for score in outcome.scores] == [0, 0, 0, 0, 2]
    assert (outcome.chosen.step, outcome.chosen.fused) == (2, ())
    assert outcome.chosen.likeness > outcome.scores[0].likeness + 0.2
    assert [step for step, _ in seen] == [0, 1, 2, 3, 2]
    assert {count for _, count in seen} == {2}
    assert any("likeness" in line for line in said)

    found = subjects.load("Nora", tmp_path / "subjects")
    assert found.lora
    assert (found.trigger, found.class_word) == ("zznora", "woman")
    assert np.array_equal(present(found.references), np.stack([photo.embedding for photo in nora.held_out]))
    card = found.card
    assert card["trainer"] == "sd-scripts v0.10.1"
    assert card["base"] == {
        "checkpoint": "base.safetensors",
        "sha256": sha256(tmp_path / "base.safetensors"),
        "family": "sd15",
    }
    assert card["chosen"]["step"] == 2
    assert len(card["checkpoints"]) == 5
    assert card["photos"]["held_out"] == [photo.sha256 for photo in nora.held_out]
    assert safe_open(found.lora, "np").metadata()["ss_steps"] == "2"
    for secret in (b"anna", b"zznora", b"secret", b"nora-0"):
        assert secret not in found.lora.read_bytes()

    folder = tmp_path / "subjects" / "Nora" / "training"
    assert not (folder / "kohya").exists()  # crops and captions
    assert not (folder / "lock").exists()
    assert Image.open(folder / "curves.png").size == (960, 620)
    assert len(list((folder / "samples").glob("*.png"))) == 10
    assert len(list((folder / "class").glob("class-*.png"))) == 2


def test_a_cancel_leaves_the_best_checkpoint_so_far_as_the_subject(play, tmp_path):
    seen: list[int] = []
    outcome = play(
        {"until": 2, "hang": True},
        observer=TrainingObserver(pictures=lambda step, _: seen.append(step)),
        cancelled=lambda: 2 in seen,
    )
    assert outcome.subject.card["stopped"] == "cancelled"
    assert outcome.chosen.step == 2
    assert not (tmp_path / "subjects" / "Nora" / "training" / "kohya").exists()


def test_a_failure_after_a_checkpoint_leaves_the_subject_and_says_why(play):
    last = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB."
    outcome = play({"until": 2, "code": 1, "last": last})
    assert outcome.subject.card["stopped"] == "failed"
    assert any("memory is too small" in warning for warning in outcome.warnings)


def test_a_cancel_before_the_first_checkpoint_leaves_nothing(play, tmp_path):
    with pytest.raises(KohyaError, match="nothing was kept"):
        play({"until": 0, "hang": True}, {"class_images": 0}, cancelled=lambda: True)
    assert subjects.names(tmp_path / "subjects") == []


def test_a_name_that_is_taken_is_refused_before_anything_runs(play, tmp_path):
    subjects.save(subjects.Subject("Nora"), tmp_path / "subjects")
    with pytest.raises(subjects.SubjectError, match="already"):
        play({})
    assert not (tmp_path / "sd-scripts" / "argv.json").exists()
