"""The watch over a run, from its files and command line to its outcome; replay.py plays what sd-scripts would do."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open

from portrait_studio.trainer.kohya import training
from portrait_studio.trainer.kohya.errors import KohyaError
from portrait_studio.trainer.kohya.prompts import SamplePrompt

DATA = Path(__file__).parents[2] / "data" / "kohya"


@pytest.fixture
def play(tmp_path, training_set, settings, replayed):
    """Train with a replay: `play(plan, changes, **more)`."""
    base, installation = replayed

    def go(plan: dict, changes: dict | None = None, **more):
        chosen = settings.with_changes({"steps": 4, **(changes or {})})
        (installation.folder / "replay.json").write_text(
            json.dumps({"steps": chosen.steps, "until": chosen.steps, **plan})
        )
        cancelled = more.pop("cancelled", lambda: False)
        run = training.KohyaRun(training_set, chosen, base, installation, tmp_path / "work", cancelled=cancelled)
        return training.train(run, **more)

    return go


def test_checkpoints_and_samples_are_picked_up_judged_and_the_best_is_chosen(play):
    scores = {1: 0.2, 2: 0.7, 3: 0.7, 4: 0.6}
    judged: list[Path] = []
    events: list[training.TrainingEvent] = []

    def judge(path: Path) -> float:
        judged.append(path)
        return scores[len(judged)]

    outcome = play(
        {"pause": 0.3, "writing": 0.2}, judge=judge, listener=events.append, samples=[SamplePrompt("photo of zzperson")]
    )
    assert outcome.ended == "finished"
    assert [(saved.step, saved.score) for saved in outcome.checkpoints] == list(scores.items())
    assert (outcome.best.step, outcome.best.path) == (3, judged[2])
    assert outcome.losses == [(1, 1.0), (2, 0.5), (3, 0.333), (4, 0.25)]
    assert [sample.step for sample in outcome.samples] == [0, 1, 2, 3, 4]
    assert [event for event in events if isinstance(event, training.Saved)] == outcome.checkpoints
    steps = [event.step for event in events if isinstance(event, training.TrainingStep)]
    assert steps == [1, 2, 3, 4]


def test_nothing_of_paths_folders_and_captions_is_left_in_a_checkpoint(play):
    outcome = play({}, {"rank": 8, "learning_rate": 3e-4})
    for saved in outcome.checkpoints:
        content = saved.path.read_bytes()
        for secret in (b"anna", b"Holiday", b"zzperson", b"secret", b"train"):
            assert secret not in content.replace(b"ss_num_train", b"").replace(b"ss_max_train", b"")
        metadata = safe_open(saved.path, "np").metadata()
        assert metadata["ss_network_dim"] == "8"
        assert metadata["ss_learning_rate"] == "0.0003"
        assert metadata["ss_steps"] == str(saved.step)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint(play):
    started = time.monotonic()
    outcome = play({"losses": {"3": "nan"}, "values": {"3": float("nan")}, "until": 3, "hang": True})
    assert time.monotonic() - started < 10
    assert outcome.ended == "failed"
    assert "step 3, with the learning rate 0.0002" in str(outcome.error)
    assert outcome.best.step == 2
    assert outcome.losses == [(1, 1.0), (2, 0.5)]


def test_a_cancel_leaves_the_best_checkpoint_so_far(play):
    seen: list[float] = []
    outcome = play(
        {"hang": True, "until": 2},
        judge=lambda path: 0.9 if "000001" in path.name else 0.1,
        listener=lambda event: seen.append(time.monotonic()) if isinstance(event, training.Saved) else None,
        cancelled=lambda: len(seen) == 2,
    )
    assert outcome.ended == "cancelled"
    assert outcome.best.step == 1
    assert time.monotonic() - seen[-1] < 2


def test_training_stops_when_no_checkpoint_becomes_better(play):
    outcome = play({"pause": 1.0}, {"steps": 30, "patience": 2}, judge=lambda path: -int(path.stem[-2:]))
    assert outcome.ended == "early"
    assert [saved.step for saved in outcome.checkpoints[:3]] == [1, 2, 3]
    assert len(outcome.checkpoints) < 6
    assert outcome.best.step == 1


def test_a_failure_before_any_checkpoint_is_raised_with_the_last_lines(play):
    plan = {"until": 0, "code": 1, "last": (DATA / "no-tokenizer.log").read_text("utf-8")}
    with pytest.raises(KohyaError, match="The tokenizer is neither here nor to be fetched; run") as caught:
        play(plan)
    assert caught.value.tail[-1] == "TypeError: expected str, bytes or os.PathLike object, not NoneType"
    assert str(caught.value).endswith(caught.value.tail[-1])


def test_a_failure_after_a_checkpoint_keeps_it(play):
    last = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of ..."
    outcome = play({"until": 3, "code": 1, "last": last}, {"batch": 4})
    assert outcome.ended == "failed"
    assert "lower batch (now 4), resolution (now 128)" in str(outcome.error)
    assert outcome.best.step == 3


def test_a_run_that_ends_well_without_its_last_checkpoint_has_failed(play):
    # sd-scripts returns 0 when it finds no pictures.
    with pytest.raises(KohyaError, match="ended with 0"):
        play({"until": 0, "ends_without": True})


def test_what_is_not_followed_is_said(play):
    outcome = play({}, {"ema_decay": 0.9, "prior_weight": 0.5})
    assert any("ema_decay" in warning for warning in outcome.warnings)
    assert any("no class images" in warning for warning in outcome.warnings)


def test_a_python_that_is_gone_is_named_in_one_sentence(training_set, settings, replayed, tmp_path):
    base, installation = replayed
    gone = replace(installation, python=tmp_path / "python")
    chosen = settings.with_changes({"steps": 4, "precision": "fp32"})
    with pytest.raises(KohyaError, match=r"^python of .* could not be started .*install-kohya' again\.$"):
        training.train(training.KohyaRun(training_set, chosen, base, gone, tmp_path / "work"))
