"""Tuning by reward: its steps on a toy, the reward of faces, and what a training does with it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from portrait_studio.portrait import identity, photos, subjects
from portrait_studio.portrait.faces import detect
from portrait_studio.portrait.likeness import recognisers
from portrait_studio.portrait.likeness.known import KnownPhotos
from portrait_studio.trainer import face_reward, guided, judge, reward, run, state
from portrait_studio.trainer.loop import LossError
from portrait_studio.trainer.lora import Lora
from portrait_studio.trainer.settings import TrainSettings

from ..present import present
from .small import SmallModel, training_set
from .test_run import job

SUBJECTS = judge.FILE.parents[1] / "pocket" / "subjects"
SETTINGS = TrainSettings(resolution=64, rank=4, alpha=4.0, learning_rate=0.2, sample_steps=8, sample_cfg=2.0)


def bright(picture: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    return picture.mean()


def seen(name: str, count: int) -> KnownPhotos:
    """Photos of a ready subject, two of them held out."""
    faces, embeddings, names = [], [], []
    for file in sorted((SUBJECTS / name).glob("*.jpg"))[:count]:
        picture = photos.read(file)
        face = detect(picture)[0]
        faces.append(identity.align(picture, face))
        embeddings.append(identity.embed(picture, face))
        names.append(file.name)
    trained = np.arange(len(names)) >= 2
    return KnownPhotos(tuple(names), np.stack(faces), np.stack(embeddings), np.zeros((len(names), 2)), trained, "sface")


@pytest.fixture(scope="module")
def known() -> KnownPhotos:
    return seen("nora", 7)


@pytest.fixture(scope="module")
def of_nora(known) -> face_reward.FaceReward:
    found, why = face_reward.of_photos(known, torch.device("cpu"), reward.numbers())
    assert not why
    return present(found)


def tuned(steps: int, by=bright, **numbers) -> tuple[SmallModel, Lora, reward.Rewarding]:
    model = SmallModel()
    model.layers["lora_te_context"] = model.net.context
    lora = Lora(model.layers, 4, 4.0)
    with lora.attached():
        phase = reward.Rewarding(model, lora, by, "ohwx person", (64, 64), SETTINGS)
        phase.numbers = {**phase.numbers, **numbers}
        for _ in range(steps):
            phase.advance()
    return model, lora, phase


# ------------------------------------------------------------ the steps


def test_the_gradient_reaches_the_lora_of_the_unet_and_nothing_else():
    model, lora, _ = tuned(3)
    plain = SmallModel()
    assert all(torch.equal(mine, own) for mine, own in zip(model.net.parameters(), plain.net.parameters(), strict=True))
    assert all(one.grad is None for one in model.net.parameters())
    changed = {name for name, one in lora.adapters.items() if one.up.abs().max() > 0}
    assert changed == {"lora_unet_into", "lora_unet_middle"}


def changed(pull: float) -> tuple[float, float]:
    """How much more reward a tuned model's looks have on the ways it began with, and how far they have moved."""
    model, lora, phase = tuned(40, pull=pull)
    rewards, moves = [], []
    with lora.attached(), torch.no_grad():
        for way in phase.ways:
            for place in range(2, 7):
                x, sigma = way.x[place][None], way.sigmas[place][None]
                now = guided.denoised(model, x, sigma, [way.prompt], way.unwanted, SETTINGS.sample_cfg)
                before = way.seen[place][None]
                rewards.append(float(phase.decoded(now).mean() - phase.decoded(before).mean()))
                moves.append(float((now - before).square().mean()))
    return float(np.mean(rewards)), float(np.mean(moves))


def test_the_reward_rises_and_the_pull_keeps_the_model_near_what_it_was():
    free, far = changed(0.0)
    held, near = changed(30.0)
    assert free > 0.02
    assert near < 0.5 * far
    assert held < free


def test_the_same_seed_gives_the_same_lora():
    first, second = (tuned(4)[1].state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("where", ["reward", "gradient"])
def test_what_is_no_number_leaves_the_lora_as_it_was(where):
    def odd(picture: torch.Tensor, _: torch.Generator) -> torch.Tensor:
        value = picture.mean()
        return value * float("nan") if where == "reward" else (value - value.detach()).abs().sqrt()

    model = SmallModel()
    lora = Lora(model.layers, 4, 4.0)
    before = lora.state_dict()
    with lora.attached():
        phase = reward.Rewarding(model, lora, odd, "ohwx person", (64, 64), SETTINGS)
        with pytest.raises(LossError, match="tuning by reward broke off at step 1"):
            phase.advance()
    assert all(torch.equal(before[key], value) for key, value in lora.state_dict().items())


def test_pictures_without_a_face_have_no_reward():
    assert tuned(2, lambda *_: None)[2].rewards == [None, None]


# ------------------------------------------------------------ the reward of a face


def numbers(**own) -> dict:
    return {**reward.numbers(), "beside": 0.0, "blur": 0.0, **own}


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255


def test_a_face_is_pulled_towards_the_person(known):
    of_nora = present(face_reward.of_photos(known, torch.device("cpu"), numbers())[0])
    picture = tensor(photos.read(SUBJECTS / "leila" / "leila-01.jpg"))
    values = []
    for _ in range(3):
        picture = picture.detach().requires_grad_()
        value = present(of_nora(picture, torch.Generator().manual_seed(0)))
        values.append(float(value))
        (slope,) = torch.autograd.grad(value, picture)
        picture = picture + 0.5 * slope / slope.norm()
    assert values[0] < values[1] < values[2]


def test_more_alike_than_real_photos_is_worth_nothing(known):
    of_nora = present(face_reward.of_photos(known, torch.device("cpu"), numbers(copying=0.0))[0])
    low = replace(of_nora, most=0.2)
    picture = tensor(photos.read(SUBJECTS / "nora" / "nora-01.jpg")).requires_grad_()
    value = present(low(picture, torch.Generator()))
    assert float(value) == pytest.approx(0.2)
    (slope,) = torch.autograd.grad(value, picture)
    assert float(slope.abs().max()) == 0


def test_a_copy_is_worth_less_than_another_photo_of_the_person(known):
    plain, guarded = (
        present(face_reward.of_photos(known, torch.device("cpu"), numbers(copying=weight))[0]) for weight in (0.0, 1.0)
    )
    copy, other = (tensor(photos.read(SUBJECTS / "nora" / name)) for name in ("nora-03.jpg", "nora-01.jpg"))
    cost = [
        float(present(plain(one, torch.Generator()))) - float(present(guarded(one, torch.Generator())))
        for one in (copy, other)
    ]
    assert cost[0] > 1.5  # the same face, and the same pixels
    assert cost[1] < 0.3


def test_without_a_face_there_is_no_reward(of_nora):
    assert of_nora(torch.full((3, 96, 96), 0.5), torch.Generator()) is None


def test_why_there_is_no_reward_is_said(known):
    def why(of) -> str:
        found, said = face_reward.of_photos(of, torch.device("cpu"), reward.numbers())
        assert found is None
        return said

    assert why(None) == "the faces of the photos are not known"
    assert why(replace(known, backend="insightface")) == "insightface gives no gradient; measure likeness with sface"
    few = replace(
        known, **{name: getattr(known, name)[:5] for name in ("names", "faces", "embeddings", "turns", "trained")}
    )
    assert why(few).startswith("only 3 photos of the person can be compared")


# ------------------------------------------------------------ in a training


@pytest.fixture
def photo_set(known):
    return replace(training_set(), known=known)


@pytest.fixture
def faced() -> SmallModel:
    return SmallModel([photos.read(SUBJECTS / "nora" / "nora-01.jpg")[::4, ::4].copy()])


def lora_of(done: subjects.Subject) -> dict[str, torch.Tensor]:
    return state.load_tensors(present(done.lora))


def test_the_tuned_lora_wins_by_the_margin_alone(tmp_path, judged, faced, photo_set):
    judged(0.3, 0.5, 0.6, 0.7, 0.1, 0.72, 0.75)  # base, steps 2, 4, 6, fusion, half of the reward and all of it
    done = run.train(faced, photo_set, job(reward_steps=4), tmp_path)
    assert (done.chosen.step, done.chosen.rewarded) == (6, 4)
    assert done.subject.card["chosen"]["rewarded"] == 4
    judged(0.3, 0.5, 0.6, 0.7, 0.1, 0.705, 0.708)
    other = run.train(faced, photo_set, job("Berta", reward_steps=4), tmp_path)
    assert (other.chosen.step, other.chosen.rewarded) == (6, 0)
    judged(0.3, 0.5, 0.6, 0.7, 0.1)
    off = run.train(faced, photo_set, job("Clara"), tmp_path)
    untuned, without = lora_of(other.subject), lora_of(off.subject)
    assert all(torch.equal(untuned[key], without[key]) for key in untuned | without)
    assert not all(torch.equal(untuned[key], value) for key, value in lora_of(done.subject).items())


def test_a_reward_that_makes_nothing_better_ends_half_way(tmp_path, judged, faced, photo_set):
    judged(0.3, 0.5, 0.6, 0.7, 0.1, 0.69)
    done = run.train(faced, photo_set, job(reward_steps=4), tmp_path)
    assert [score.rewarded for score in done.scores] == [0, 0, 0, 0, 0, 2]
    assert done.chosen.step == 6


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "The tuning by reward broke off at step 1: .* The LoRA from before it is kept."),
        (RuntimeError("out of memory"), "There is too little memory for the tuning by reward. The LoRA from before"),
    ],
)
def test_what_fails_keeps_the_lora_from_before_and_is_a_warning(tmp_path, judged, faced, photo_set, error, said):
    judged(0.3, 0.5, 0.6, 0.7, 0.1)
    off = run.train(faced, photo_set, job(), tmp_path / "off")
    plain = faced.decoder

    def decoder():
        if error:
            raise error
        return lambda latents: plain()(latents) + latents.sum() * float("nan")

    faced.decoder = decoder
    judged(0.3, 0.5, 0.6, 0.7, 0.1)
    done = run.train(faced, photo_set, job(reward_steps=4), tmp_path)
    assert [warning for warning in done.warnings if re.match(said, warning)]
    mine, other = lora_of(done.subject), lora_of(off.subject)
    assert all(torch.equal(mine[key], other[key]) for key in mine | other)


def test_a_cancel_in_the_reward_leaves_the_subject_from_before_it(tmp_path, judged, faced, photo_set):
    judged(0.3, 0.5, 0.6, 0.7, 0.1)
    plain = faced.ways

    def ways(*given):
        faced.stop_at = faced.checks + 2  # at the second step of the reward
        return plain(*given)

    faced.ways = ways
    with pytest.raises(KeyboardInterrupt):
        run.train(faced, photo_set, job(reward_steps=4), tmp_path)
    card = subjects.load("Anna", tmp_path).card
    assert card["chosen"] == {"step": 6, "fused": [], "likeness": 0.7}
    assert card["stopped"] == "KeyboardInterrupt"


def test_without_a_reward_the_training_says_why_and_goes_on(tmp_path, judged):
    judged(0.3, 0.5, 0.6, 0.7, 0.1)
    done = run.train(SmallModel(), training_set(), job(reward_steps=4), tmp_path)
    assert "The tuning by reward is left out: the faces of the photos are not known." in done.warnings
    assert done.chosen.step == 6


class Second:
    """A second face recognition with an opinion of its own: the share of red in a face."""

    name, same_person = "second", None

    def __call__(self, aligned) -> np.ndarray:
        red = np.asarray(aligned, np.float32)[..., 0].mean((1, 2)) / 255
        return np.stack([red, 1 - red], 1)


@pytest.mark.parametrize("kept", [True, False])
def test_a_second_face_recognition_that_sees_less_of_the_person_keeps_the_lora_from_before(
    tmp_path, judged, faced, photo_set, monkeypatch, kept
):
    monkeypatch.setattr(recognisers, "second", lambda: (Second(), ""))
    plain, drawn = faced.sample, []

    def sample(*given, **more):
        drawn.append(len(given[0]))
        pictures = plain(*given, **more)
        tuned = len(drawn) > 6  # class pictures, base, three checkpoints, fusion
        return [np.where([False, tuned and not kept, False], 0, one).astype(np.uint8) for one in pictures]

    faced.sample = sample
    judged(0.3, 0.5, 0.6, 0.7, 0.1, 0.8, 0.9)
    done = run.train(faced, photo_set, job(reward_steps=4), tmp_path)
    assert bool(done.chosen.rewarded) is kept
    told = [warning for warning in done.warnings if "left out: by second the likeness went from" in warning]
    assert bool(told) is not kept
