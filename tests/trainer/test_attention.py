"""Attention: the formula's numbers, for queries to as many or fewer keys."""

from __future__ import annotations

import pytest
import torch

from portrait_studio.trainer.attention import attention


@pytest.mark.parametrize("keys", [7, 3])
def test_it_is_the_formulas(keys):
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 7, 12), torch.randn(2, keys, 12), torch.randn(2, keys, 12)
    heads = [part.unflatten(2, (3, 4)) for part in (q, k, v)]
    weights = torch.einsum("bnhd,bmhd->bhnm", heads[0], heads[1]).div(4**0.5).softmax(-1)
    wanted = torch.einsum("bhnm,bmhd->bnhd", weights, heads[2]).flatten(2)
    torch.testing.assert_close(attention(q, k, v, 3), wanted)
