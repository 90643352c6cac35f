"""A whole training of a small model: subject, salvage, resume, refusals, and what stays on the disk."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
import torch

from portrait_studio.portrait import subjects
from portrait_studio.portrait.lock import LOCKS
from portrait_studio.trainer import judge, run, state
from portrait_studio.trainer.loop import LossError
from portrait_studio.trainer.settings import TrainSettings

from ..present import present
from .small import SmallModel, training_set

SETTINGS = TrainSettings(
    steps=6, batch=2, resolution=64, rank=4, alpha=4.0, learning_rate=1e-2, sample_every=2, samples=2, class_images=2
)


def job(name: str = "Anna", **changes) -> run.TrainingJob:
    base = {"checkpoint": "small.safetensors", "sha256": "b" * 64}
    replace = changes.pop("replace", False)
    return run.TrainingJob(name, SETTINGS.with_changes(changes), base, replace)


def test_the_best_checkpoint_becomes_the_subject(tmp_path, judged):
    judged(0.3, 0.5, 0.8, 0.6, 0.7)  # base, steps 2, 4, 6, fusion
    done = run.train(SmallModel(), training_set(), job(), tmp_path)
    assert done.chosen.step == 4
    assert [score.step for score in done.scores] == [0, 2, 4, 6, 6]
    subject = subjects.load("Anna", tmp_path)
    assert subject.prompt_words == "ohwx person"
    assert present(subject.references).shape == (2, 128)
    assert subject.card["chosen"] == {"step": 4, "fused": [], "likeness": 0.8}
    assert subject.card["likeness_before"] == 0.3
    assert len(subject.card["photos"]["trained"]) == 5
    assert done.curves.shape == (620, 960, 3)
    left = {file.name for file in (tmp_path / "Anna" / "training").iterdir()}
    assert left == {"class", "samples", "curves.png", "likeness"}  # states and checkpoints are of no more use


def test_a_fusion_is_kept_only_when_it_is_likest(tmp_path, judged):
    judged(0.3, 0.5, 0.8, 0.6, 0.83)
    done = run.train(SmallModel(), training_set(), job(), tmp_path)
    assert done.chosen.fused == (2, 4, 6)
    judged(0.3, 0.5, 0.8, 0.6, 0.805)  # less than the margin
    other = run.train(SmallModel(), training_set(), job("Berta"), tmp_path)
    assert other.chosen.step == 4
    assert not other.chosen.fused


def test_training_stops_early_when_it_no_longer_gets_better(tmp_path, judged):
    judged(0.3, 0.8, 0.7, 0.6, 0.1)
    done = run.train(SmallModel(), training_set(), job(steps=20, patience=2), tmp_path)
    assert [score.step for score in done.scores if not score.fused] == [0, 2, 4, 6]
    assert done.chosen.step == 2


def stopped(tmp_path, judged, at: int, *values: float) -> None:
    judged(*values)
    model = SmallModel()
    model.stop_at = at
    with pytest.raises(KeyboardInterrupt):
        run.train(model, training_set(), job(), tmp_path)


def test_a_cancel_leaves_the_best_checkpoint_and_the_next_run_ends_as_if_there_had_been_none(tmp_path, judged):
    judged(0.3, 0.5, 0.6, 0.7, 0.1)
    whole = run.train(SmallModel(), training_set(), job(), tmp_path / "whole").subject
    encoded = len(training_set().examples) + SETTINGS.class_images
    stopped(tmp_path, judged, encoded + 6, 0.3, 0.5, 0.6)  # within step 6
    half = subjects.load("Anna", tmp_path)
    assert half.card["chosen"]["step"] == 4
    assert half.card["stopped"] == "KeyboardInterrupt"
    judged(0.7, 0.1)  # only step 6 and the fusion are left to judge
    done = run.train(SmallModel(), training_set(), job(), tmp_path)
    assert done.chosen.step == 6
    assert done.subject.card["stopped"] is None
    mine, other = (state.load_tensors(present(subject.lora)) for subject in (done.subject, whole))
    assert all(torch.equal(mine[key], other[key]) for key in mine | other)


def test_before_the_first_judged_checkpoint_a_cancel_leaves_no_subject(tmp_path, judged):
    encoded = len(training_set().examples) + SETTINGS.class_images
    stopped(tmp_path, judged, encoded + 2, 0.3)
    assert subjects.names(tmp_path) == []


def test_a_state_of_other_photos_or_settings_is_not_gone_on_from(tmp_path, judged):
    encoded = len(training_set().examples) + SETTINGS.class_images
    stopped(tmp_path, judged, encoded + 6, 0.3, 0.5, 0.6)
    with pytest.raises(subjects.SubjectError, match="a subject named 'Anna' already"):
        run.train(SmallModel(), training_set(), job(rank=2, alpha=2.0), tmp_path)
    judged(0.3, 0.5, 0.6, 0.7, 0.1)
    done = run.train(SmallModel(), training_set(), job(rank=2, alpha=2.0, replace=True), tmp_path)
    assert len(done.scores) == 5


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint_and_says_so(tmp_path, judged):
    judged(0.3, 0.5)
    model = SmallModel()
    real = model.predict
    calls = []

    def predict(x, t, prompts):
        if torch.is_grad_enabled():  # a step of the training, not the loss on held-out photos
            calls.append(len(x))
        return real(x, t, prompts) * (float("nan") if len(calls) > 3 else 1.0)

    model.predict = predict
    with pytest.raises(LossError, match=r"loss is nan at step \d .* checkpoint of step 2 is kept as subject 'Anna'"):
        run.train(model, training_set(), job(), tmp_path)
    assert subjects.load("Anna", tmp_path).card["stopped"].startswith("The loss is nan")


def test_a_full_disk_in_mid_run_is_said_and_no_half_subject_is_left(tmp_path, judged, monkeypatch):
    judged(0.3, 0.5, 0.6, 0.7, 0.1)
    real = state.write

    def no_room(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(path, content):
        if path.name == "step-000004.safetensors":
            monkeypatch.setattr(os, "fsync", no_room)  # from here on, for everything
        real(path, content)

    monkeypatch.setattr(state, "write", full)
    with pytest.raises(state.StateError, match="cannot write step-000004"):
        run.train(SmallModel(), training_set(), job(), tmp_path)
    assert subjects.names(tmp_path) == []
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(("name", "folder"), [("../../etc", "_.._etc"), ("미나 🙂", "미나 🙂"), ("a/b\\c", "a_b_c")])
def test_any_name_stays_inside_the_subjects_folder(tmp_path, judged, name, folder):
    judged(0.3, 0.5, 0.6, 0.7, 0.1)
    root = tmp_path / "subjects"
    done = run.train(SmallModel(), training_set(), job(name), root)
    assert done.subject.name == folder
    assert [entry.name for entry in tmp_path.iterdir()] == ["subjects"]
    assert {entry.name for entry in root.iterdir()} == {LOCKS, folder}


def test_the_lora_says_nothing_about_people_photos_or_folders(tmp_path, judged):
    from safetensors import safe_open

    judged(0.3, 0.5, 0.6, 0.7, 0.1)
    done = run.train(SmallModel(), training_set(), job(), tmp_path)
    with safe_open(done.subject.lora, "np") as file:
        about = file.metadata()
    assert about["ss_network_dim"] == "4"
    assert about["ss_base_model_version"] == "sd_v1"
    told = json.dumps(about)
    assert not [word for word in ("Anna", "photo", "ohwx", ".jpg", str(tmp_path), "small.safetensors") if word in told]


def test_class_images_are_made_once_and_kept(tmp_path, judged):
    judged(*(0.3, 0.5, 0.6, 0.7, 0.1) * 2)
    model = SmallModel([np.full((64, 64, 3), 77, np.uint8)])
    asked = []
    real = model.sample
    model.sample = lambda texts, seeds, *rest, **more: asked.extend(texts) or real(texts, seeds, *rest, **more)
    run.train(model, training_set(), job(), tmp_path)
    made = [text for text in asked if "ohwx" not in text]
    assert len(made) == 2
    run.train(model, training_set(), job(replace=True, seed=5), tmp_path)
    assert [text for text in asked if "ohwx" not in text] == made


@pytest.fixture
def by_picture(monkeypatch):
    """Give every picture a likeness, `rows` in the order of judging; tell how many pictures each row was about."""
    asked: list[int] = []

    def give(*rows: tuple[float, ...]) -> list[int]:
        left = list(rows)

        def score(step, pictures, questions, person, embedder, base=None, known=None):
            asked.append(len(pictures))
            row = left.pop(0)
            assert len(row) == len(pictures) == len(questions)
            return judge.CheckpointScore(step, row, (True,) * len(row), 1.0 if base else None)

        monkeypatch.setattr(judge, "judge", score)
        return asked

    return give


def test_finalists_that_are_too_close_get_more_pictures_and_these_decide(tmp_path, by_picture):
    finals = ((0.1, 0.1), (0.9, 0.9))  # of the leader (step 4), then of the other
    asked = by_picture((0.3, 0.3), (0.5, 0.7), (0.6, 0.62), *finals)
    done = run.train(SmallModel(), training_set(), job(steps=4, fuse_best=1, patience=0), tmp_path)
    assert asked == [2, 2, 2, 2, 2]
    assert done.chosen.step == 2
    assert done.chosen.likenesses == (0.5, 0.7, 0.9, 0.9)
    assert len(done.pictures) == 2


def test_a_finalist_that_comes_in_later_is_asked_what_the_other_was_asked(tmp_path, by_picture):
    finals = ((0.6, 0.6), (0.1, 0.1), (0.1, 0.1))  # of the last (step 6), of step 4, then of step 2 alone
    asked = by_picture((0.3, 0.3), (0.5, 0.7), (0.6, 0.62), (0.5, 0.66), *finals)
    done = run.train(SmallModel(), training_set(), job(steps=6, fuse_best=1, patience=0), tmp_path)
    assert asked == [2] * 7
    assert done.chosen.likenesses == (0.5, 0.66, 0.6, 0.6)
    assert [len(score.likenesses) for score in done.scores] == [2, 4, 4, 4]


def test_finalists_get_no_more_pictures_than_the_budget(tmp_path, by_picture):
    close = ((0.5, 0.7), (0.6, 0.62), (0.5,), (0.6,))
    asked = by_picture((0.3, 0.3), (0.5, 0.7), (0.6, 0.62), *close)
    run.train(SmallModel(), training_set(), job(steps=4, fuse_best=1, final_samples=6), tmp_path)
    assert asked == [2, 2, 2, 2, 2, 1, 1]


def test_without_a_budget_the_first_pictures_decide(tmp_path, by_picture):
    asked = by_picture((0.3, 0.3), (0.5, 0.7), (0.6, 0.62))
    done = run.train(SmallModel(), training_set(), job(steps=4, fuse_best=1, final_samples=0), tmp_path)
    assert len(asked) == 3
    assert done.chosen.step == 4


def test_the_loss_on_held_out_photos_is_in_the_card_and_is_the_same_each_time(tmp_path, judged):
    judged(*(0.3, 0.5, 0.8, 0.6, 0.1) * 2)
    first = run.train(SmallModel(), training_set(), job(), tmp_path).subject.card["checkpoints"]
    again = run.train(SmallModel(), training_set(), job(replace=True), tmp_path).subject.card["checkpoints"]
    losses = [one["held_out_loss"] for one in first]
    assert all(value > 0 for value in losses)
    assert len(set(losses[:4])) == 4  # training changes it
    assert losses == [one["held_out_loss"] for one in again]
