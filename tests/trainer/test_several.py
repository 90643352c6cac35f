"""Several people trained at once: each comes out as if alone, and what goes wrong with one ends that one."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from portrait_studio.portrait import identity, subjects
from portrait_studio.portrait.lock import BusyError
from portrait_studio.trainer import judge, run, several, state
from portrait_studio.trainer.examples import TrainingSet
from portrait_studio.trainer.loop import LossError, MemoryShortError
from portrait_studio.trainer.session import TrainedSubject, TrainingObserver
from portrait_studio.trainer.settings import SettingsError, TrainSettings

from ..present import present
from .small import SmallModel, training_set

NAMES = ("Anna", "Berta", "Cem")
SETTINGS = TrainSettings(
    steps=6, batch=3, resolution=64, rank=4, alpha=4.0, learning_rate=1e-2, sample_every=2, samples=2, class_images=2,
    fuse_best=1, final_samples=0,
)  # fmt: skip


@pytest.fixture(autouse=True)
def scores(monkeypatch) -> dict[bytes, list[float]]:
    """The likenesses of each person's checkpoints, in order, .5 where none are given: faces are not what is tested."""
    given: dict[bytes, list[float]] = {}

    def score(step, pictures, asked, person, embedder, base=None, known=None):
        left = given.get(person.tobytes(), [])
        likeness = left.pop(0) if left else 0.5
        return judge.CheckpointScore(step, (likeness,) * len(pictures), (True,) * len(pictures), 1.0 if base else None)

    monkeypatch.setattr(judge, "judge", score)
    return given


def photos_of(number: int, sizes: tuple[int, ...] = (64,)) -> TrainingSet:
    """Photos of a person of their own; with several sizes, pictures that cannot all share a pass."""
    plain = training_set(4)
    random = np.random.default_rng(number)
    examples = []
    for index, one in enumerate(plain.examples):
        high = sizes[index % len(sizes)]
        image = random.integers(0, 255, (high, 64, 3), np.uint8)
        examples.append(dataclasses.replace(one, image=image, mask=one.mask[:high], caption=f"photo {number} {index}"))
    kept = [dataclasses.replace(one, embedding=np.roll(one.embedding, 2 * number)) for one in plain.held_out]
    return dataclasses.replace(plain, examples=tuple(examples), held_out=tuple(kept))


def person(
    number: int, photos: TrainingSet | None = None, losses: list[float] | None = None, **changes
) -> several.Trainee:
    settings = SETTINGS.with_changes({"seed": number, **changes})
    heard = losses if losses is not None else []
    observer = TrainingObserver(progress=lambda done, total, loss: heard.append(loss))
    return several.Trainee(photos or photos_of(number), run.TrainingJob(NAMES[number], settings), observer)


def alone(one: several.Trainee, root, model: SmallModel | None = None) -> TrainedSubject:
    return run.train(model or SmallModel(), one.photos, one.job, root, one.observer)


def subject(outcome: several.TraineeOutcome) -> TrainedSubject:
    assert isinstance(outcome, TrainedSubject), outcome
    return outcome


def apart(one: TrainedSubject, other: TrainedSubject) -> float:
    """The largest difference of the two LoRAs, as a share of the largest number in them."""
    mine, theirs = (state.load_tensors(present(done.subject.lora)) for done in (one, other))
    assert set(mine) == set(theirs)
    most = max(float(tensor.abs().max()) for tensor in mine.values())
    return max(float((mine[key] - theirs[key]).abs().max()) for key in mine) / most


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({}, (64,)),
        ({"accumulation": 2, "prior_share": 0.5}, (64,)),
        ({"optimiser": "prodigy", "learning_rate": 1.0}, (64,)),
        ({"batch": 4}, (64, 48)),
    ],
)
def test_each_learns_what_it_would_have_learnt_alone(tmp_path, changes, sizes):
    apiece: list[list[float]] = [[], [], []]
    people = [person(n, photos_of(n, sizes if n else (64,)), apiece[n], **changes) for n in range(3)]
    outcomes = several.train(SmallModel(), people, tmp_path / "together")
    for number, outcome in enumerate(outcomes):
        losses: list[float] = []
        other = alone(person(number, people[number].photos, losses, **changes), tmp_path / "alone")
        assert len(losses) == SETTINGS.steps
        assert apiece[number] == pytest.approx(losses, rel=1e-4)
        assert apart(subject(outcome), other) < 1e-3
        held_out = [[score.held_out_loss for score in done.scores] for done in (subject(outcome), other)]
        assert held_out[0] == pytest.approx(held_out[1], rel=1e-4)


def test_one_pass_of_the_network_serves_all(tmp_path):
    model = SmallModel()
    real, seen = model.predict, []

    def predict(x, t, prompts):
        if torch.is_grad_enabled():
            seen.append(len(x))
        return real(x, t, prompts)

    model.predict = predict
    several.train(model, [person(n, prior_weight=0.0) for n in range(3)], tmp_path)
    assert seen == [9] * SETTINGS.steps


def test_what_the_base_model_draws_is_drawn_once_for_all(tmp_path):
    model = SmallModel()
    real, drawn = model.sample, []
    model.sample = lambda texts, *rest, **more: drawn.append(tuple(texts)) or real(texts, *rest, **more)
    several.train(model, [person(n) for n in range(3)], tmp_path)
    of_class, before, *judged = drawn
    assert "ohwx" not in of_class[0]
    assert judged == [before] * 9  # three checkpoints of each


@pytest.fixture
def spoilt(monkeypatch) -> TrainingSet:
    """Photos of one person, of which one becomes no number once it has been read."""
    bad = photos_of(1)
    prepare = run.NativeSession.prepare

    def prepared(session):
        prepare(session)
        if session.photos is bad:
            session.data.latents[2].fill_(math.nan)

    monkeypatch.setattr(run.NativeSession, "prepare", prepared)
    return bad


def test_a_loss_that_is_no_number_ends_its_person_and_changes_nothing_of_the_others(tmp_path, spoilt):
    outcomes = {
        name: several.train(SmallModel(), [person(0), person(1, photos), person(2)], tmp_path / name)
        for name, photos in (("well", None), ("ill", spoilt))
    }
    error = outcomes["ill"][1]
    assert isinstance(error, LossError)
    assert "The loss is nan at step" in str(error)
    for number in (0, 2):
        found = subject(outcomes["ill"][number])
        assert apart(found, subject(outcomes["well"][number])) < 1e-5
        assert apart(found, alone(person(number), tmp_path / "alone")) < 1e-3


def test_whoever_stops_early_leaves_the_others_in_peace(tmp_path, scores):
    people = [person(number, patience=1, steps=8) for number in range(3)]
    rising = [0.3, 0.4, 0.5, 0.6, 0.7]
    for number, row in enumerate((rising, [0.3, 0.8, 0.7], rising)):  # Berta's step 4 is no better than her step 2
        own = identity.reference([photo.embedding for photo in people[number].photos.held_out])
        scores[own.tobytes()] = list(row)
    model = SmallModel()
    renewed = []
    model.renew = lambda: renewed.append(1)
    outcomes = [subject(one) for one in several.train(model, people, tmp_path / "together")]
    assert [[score.step for score in one.scores] for one in outcomes] == [[0, 2, 4, 6, 8], [0, 2, 4], [0, 2, 4, 6, 8]]
    assert outcomes[1].chosen.step == 2
    assert len(renewed) == 2  # when Berta ends, and when the others do
    for number in (0, 2):
        own = identity.reference([photo.embedding for photo in people[number].photos.held_out])
        scores[own.tobytes()] = list(rising)
        assert apart(outcomes[number], alone(people[number], tmp_path / "alone")) < 1e-3


class Narrow(SmallModel):
    """A device on which only so many pictures fit."""

    fits, narrowest = 1, 100

    def predict(self, x, t, prompts):
        if torch.is_grad_enabled():
            if len(x) > self.fits:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
            self.narrowest = min(self.narrowest, len(x))
        return super().predict(x, t, prompts)


@pytest.mark.parametrize("fits", [6, 3, 2])
def test_where_memory_is_short_fewer_share_a_pass_and_learn_the_same(tmp_path, fits):
    model = Narrow()
    model.fits = fits  # of nine: two people, one, or a part of one
    outcomes = several.train(model, [person(n, prior_weight=0.0, batch=3) for n in range(3)], tmp_path / "together")
    for number, outcome in enumerate(outcomes):
        wide = Narrow()
        wide.fits = 9 if fits > 2 else fits
        other = alone(person(number, prior_weight=0.0), tmp_path / "alone", wide)
        assert apart(subject(outcome), other) < 1e-3


def test_what_is_kept_to_be_quick_is_given_up_before_fewer_share_a_pass(tmp_path):
    model = Narrow()
    model.fits = 8

    def free() -> bool:
        model.fits = 9
        return True

    model.free = free
    several.train(model, [person(n, prior_weight=0.0) for n in range(3)], tmp_path)
    assert model.narrowest == 9


def test_without_memory_for_anybody_each_is_told_so(tmp_path):
    model = Narrow()
    model.fits = 0
    outcomes = several.train(model, [person(n) for n in range(2)], tmp_path)
    assert all(isinstance(one, MemoryShortError) for one in outcomes)


def test_a_name_that_is_taken_or_busy_is_that_persons_trouble(tmp_path):
    alone(person(0), tmp_path)
    twice = [person(0), person(1), person(1)]
    found = several.train(SmallModel(), twice, tmp_path)
    assert isinstance(found[0], subjects.SubjectError)
    assert isinstance(found[2], BusyError)
    assert apart(subject(found[1]), alone(person(1), tmp_path / "alone")) < 1e-3


def test_the_users_stop_ends_all_and_keeps_what_each_had(tmp_path):
    model = SmallModel()
    read = sum(len(person(n).photos.examples) + SETTINGS.class_images for n in range(3))
    model.stop_at = read + 3 * 3 + 2  # within the fourth step
    with pytest.raises(KeyboardInterrupt):
        several.train(model, [person(n) for n in range(3)], tmp_path)
    for name in NAMES:
        card = subjects.load(name, tmp_path).card
        assert (card["chosen"]["step"], card["stopped"]) == (2, "KeyboardInterrupt")
    whole = [alone(person(n), tmp_path / "alone") for n in range(3)]
    again = several.train(SmallModel(), [person(n) for n in range(3)], tmp_path)  # goes on at step 2
    assert all(apart(subject(one), other) < 1e-3 for one, other in zip(again, whole, strict=True))


def test_people_of_other_settings_are_refused_together(tmp_path):
    with pytest.raises(SettingsError, match="the same settings"):
        several.train(SmallModel(), [person(0), person(1, rank=2)], tmp_path)
    assert list(tmp_path.iterdir()) == []
