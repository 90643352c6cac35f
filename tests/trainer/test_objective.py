"""What is minimised, and which pictures are seen: formulas and repeatability."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_studio.trainer import objective
from portrait_studio.trainer.batches import batch, class_pictures


def test_the_noisy_latent_and_its_answer_give_the_clean_one_back():
    latent, drawn = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    sigma = torch.tensor([0.05, 1.0, 12.0])
    for velocity in (False, True):
        x, wanted = objective.noised(latent, drawn, sigma, velocity)
        s = sigma.view(-1, 1, 1, 1)
        noisy = x * (1 + s**2).sqrt()  # as ComfyUI's model_sampling holds it
        clean = noisy / (1 + s**2) - wanted * s / (1 + s**2).sqrt() if velocity else noisy - wanted * s
        torch.testing.assert_close(clean, latent, atol=2e-4, rtol=1e-4)


def test_min_snr_weights_are_those_of_the_paper():
    sigma = torch.tensor([0.1, 0.5, 1.0, 10.0])
    snr = sigma**-2
    torch.testing.assert_close(objective.snr_weight(sigma, 5.0, False), torch.minimum(snr, torch.tensor(5.0)) / snr)
    torch.testing.assert_close(
        objective.snr_weight(sigma, 5.0, True), torch.minimum(snr, torch.tensor(5.0)) / (snr + 1)
    )
    assert torch.equal(objective.snr_weight(sigma, 0.0, False), torch.ones(4))


def test_every_pass_sees_all_noise_levels():
    for step in range(20):
        levels = objective.timesteps(8, 1000, objective.generator(1, step))
        assert sorted(int(level) // 125 for level in levels) == list(range(8))


def test_noise_offset_moves_whole_channels():
    random = objective.generator(0, 0)
    plain = objective.noise((64, 4, 16, 16), 0.0, random)
    moved = objective.noise((64, 4, 16, 16), 0.5, random)
    assert float(plain.mean((2, 3)).std()) < 0.1
    assert float(moved.mean((2, 3)).std()) == pytest.approx(0.5, abs=0.08)


def test_a_face_counts_for_more_and_a_picture_for_as_much_as_before():
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :2, :] = 1
    weights = objective.face_weights(mask, 3.0)
    assert float(weights.mean()) == pytest.approx(1.0)
    assert float(weights[0, 0, 0, 0] / weights[0, 0, 7, 0]) == pytest.approx(4.0)
    assert torch.equal(objective.face_weights(mask, 0.0), torch.ones_like(mask))


def test_one_seed_and_step_draw_the_same_and_others_do_not():
    draws = [torch.randn(4, generator=objective.generator(*key)) for key in ((3, 5), (3, 5), (3, 6), (4, 5))]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[3])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([(64, 64), (64, 96)]), min_size=1, max_size=14), st.integers(1, 6), st.integers(0, 99))
def test_an_epoch_shows_every_picture_and_never_two_sizes_at_once(sizes, count, seed):
    a_epoch = sum(-(-amount // count) for amount in Counter(sizes).values())
    for epoch in (0, 3):
        passes = [batch(sizes, count, epoch * a_epoch + i, seed) for i in range(a_epoch)]
        assert {index for one in passes for index in one} == set(range(len(sizes)))
        assert all(len(one) == count and len({sizes[index] for index in one}) == 1 for one in passes)
        assert passes == [batch(sizes, count, epoch * a_epoch + i, seed) for i in range(a_epoch)]


@pytest.mark.parametrize(("count", "share"), [(4, 0.25), (1, 0.25), (3, 0.5), (8, 0.1)])
def test_class_pictures_come_at_their_share(count, share):
    shown = [class_pictures(count, share, number) for number in range(400)]
    assert sum(shown) / (400 * count) == pytest.approx(share, abs=0.01)
    assert max(shown) <= count
