"""Passes recorded as CUDA graphs: the same gradients as without, and never where they are not safe."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from portrait_studio.trainer.recorded import FAMILIAR, Recorded, recording_works

needs_card = pytest.mark.skipif(not recording_works(), reason="needs a GPU")


def test_nothing_is_recorded_without_a_card():
    if not torch.cuda.is_available():
        assert not recording_works()


def test_nothing_is_recorded_with_the_allocator_that_cannot_free_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_allocator_backend", lambda: "cudaMallocAsync")
    assert not recording_works()
    monkeypatch.setattr(torch.cuda, "get_allocator_backend", lambda: "native")
    assert recording_works()
    monkeypatch.setattr(torch.version, "cuda", None)  # AMD's build
    assert not recording_works()


def test_a_pass_of_a_new_shape_is_the_networks_own():
    passes = []

    def network(x: torch.Tensor) -> torch.Tensor:
        passes.append(x.shape)
        return 2 * x

    recorded = Recorded(network, [])
    for count in range(1, 5):
        torch.testing.assert_close(recorded(torch.ones(count)), torch.full((count,), 2.0))
    assert len(passes) == 4


@needs_card
def test_gradients_of_several_passes_add_up_as_without_recording():
    torch.manual_seed(0)
    layer = nn.Linear(8, 8).cuda()
    trained = list(layer.parameters())
    batches = [torch.randn(4, 8, device="cuda", requires_grad=True) for _ in range(2)]

    def gradients(network) -> list[torch.Tensor]:
        for tensor in (*trained, *batches):
            tensor.grad = None
        for x in batches:
            network(x).square().sum().backward()
        return [tensor.grad.clone() for tensor in (*trained, *batches)]

    wanted = gradients(layer)
    recorded = Recorded(layer.forward, trained)
    for _ in range(FAMILIAR + 1):
        found = gradients(recorded)
    torch.testing.assert_close(found, wanted)
    recorded.forget()
    torch.testing.assert_close(gradients(recorded), wanted)
