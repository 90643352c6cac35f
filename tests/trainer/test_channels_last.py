"""Group normalisation in channels-last order: torch's numbers and gradients, without a copy into another order."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from portrait_studio.trainer import channels_last

SIDES = st.integers(1, 7)


def picture(batch: int, channels: int, high: int, wide: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, channels, high, wide, generator=random, dtype=torch.float64) * 3 + 2
    return x.to(memory_format=torch.channels_last).requires_grad_()


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), SIDES, SIDES, st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_answers_and_gradients_are_those_of_torch(batch, groups, each, high, wide, seed):
    channels = groups * each
    assume(each * high * wide > 1)  # torch refuses to normalise a single value
    x = picture(batch, channels, high, wide, seed)
    random = torch.Generator().manual_seed(seed + 1)
    weight, bias = (torch.randn(channels, generator=random, dtype=torch.float64) for _ in range(2))
    above = torch.randn(x.shape, generator=random, dtype=torch.float64)
    wanted = functional.group_norm(x, groups, weight, bias, 1e-3)
    answer = channels_last.group_norm(x, groups, weight, bias, 1e-3)
    torch.testing.assert_close(answer, wanted)
    torch.testing.assert_close(torch.autograd.grad(answer, x, above), torch.autograd.grad(wanted, x, above))


@pytest.mark.parametrize("shape", [(2, 6, 5, 4), (1, 4, 3, 3)])
def test_pictures_and_gradients_stay_channels_last(shape):
    x = picture(*shape)
    answer = channels_last.group_norm(x, 2, torch.ones(shape[1]), torch.zeros(shape[1]), 1e-5)
    (gradient,) = torch.autograd.grad(answer, x, torch.ones_like(answer))
    assert answer.is_contiguous(memory_format=torch.channels_last)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_half_precision_is_summed_in_single():
    x = (torch.full((1, 2, 64, 64), 10.0) + torch.randn(1, 2, 64, 64)).bfloat16()
    answer = channels_last.group_norm(x, 1, torch.ones(2), torch.zeros(2), 1e-5)
    wanted = functional.group_norm(x.double(), 1, None, None, 1e-5)
    assert answer.dtype == torch.bfloat16
    torch.testing.assert_close(answer.double(), wanted, atol=0.02, rtol=0.02)


def test_a_network_hands_its_convolutions_channels_last_whatever_came_before():
    class Turning(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(4, 8, 3), nn.Conv2d(8, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x).contiguous())

    network = Turning()
    x = torch.randn(2, 4, 9, 9)
    plain = network(x)
    channels_last.keep(network)
    seen = []
    network.second.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    torch.testing.assert_close(network(x), plain)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert network.second.weight.is_contiguous(memory_format=torch.channels_last)
