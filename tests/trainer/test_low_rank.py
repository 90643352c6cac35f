"""A linear layer with a LoRA beside it: the numbers and gradients of the plain formula."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_studio.trainer import low_rank

SIDES = st.integers(1, 9)


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(SIDES, SIDES, SIDES, SIDES, st.booleans(), st.floats(0.01, 4), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_answers_and_gradients_are_those_of_the_formula(count, into, out, rank, with_bias, scale, seed):
    rows, down, up = (
        drawn(*shape, seed=seed + at).requires_grad_()
        for at, shape in enumerate([(count, into), (rank, into), (out, rank)])
    )
    weight, bias = drawn(out, into, seed=seed + 3), drawn(out, seed=seed + 4) if with_bias else None
    answer = low_rank.linear(rows, low_rank.Layer(weight, bias, down, up, scale))
    wanted = torch.nn.functional.linear(rows, weight + scale * up @ down, bias)
    torch.testing.assert_close(answer, wanted)
    above = drawn(count, out, seed=seed + 5)
    found = torch.autograd.grad(answer, (rows, down, up), above)
    for one, other in zip(found, torch.autograd.grad(wanted, (rows, down, up), above), strict=True):
        torch.testing.assert_close(one, other)


@given(SIDES, SIDES, SIDES, SIDES, SIDES, st.booleans(), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_rows_of_several_people_go_each_through_their_own_factors(people, count, into, out, rank, with_bias, seed):
    rows, down, up = (
        drawn(*shape, seed=seed + at).requires_grad_()
        for at, shape in enumerate([(people * count, into), (people, rank, into), (people, out, rank)])
    )
    weight, bias = drawn(out, into, seed=seed + 3), drawn(out, seed=seed + 4) if with_bias else None
    answer = low_rank.linear(rows, low_rank.Layer(weight, bias, down, up, 0.5))
    each = zip(rows.chunk(people), down, up, strict=True)
    wanted = torch.cat([low_rank.linear(part, low_rank.Layer(weight, bias, a, b, 0.5)) for part, a, b in each])
    torch.testing.assert_close(answer, wanted)
    above = drawn(people * count, out, seed=seed + 5)
    found = torch.autograd.grad(answer, (rows, down, up), above)
    for one, other in zip(found, torch.autograd.grad(wanted, (rows, down, up), above), strict=True):
        torch.testing.assert_close(one, other)


def test_factors_in_single_precision_learn_from_rows_in_half():
    rows, weight = drawn(4, 6, seed=1).bfloat16(), drawn(5, 6, seed=2).bfloat16()
    down, up = drawn(2, 6, seed=3).float().requires_grad_(), drawn(5, 2, seed=4).float().requires_grad_()
    answer = low_rank.linear(rows, low_rank.Layer(weight, None, down, up, 0.5))
    answer.sum().backward()
    assert answer.dtype == torch.bfloat16
    assert down.grad is not None
    assert down.grad.dtype == torch.float32


@pytest.mark.parametrize(
    ("out", "into", "rank", "pays"),
    [(320, 320, 128, True), (2560, 320, 128, True), (1280, 1280, 128, False), (320, 320, 16, False)],
)
def test_merging_pays_where_a_layer_is_small_for_its_rank(out, into, rank, pays):
    assert low_rank.merging_pays(out, into, rank) is pays
