"""Passes recorded as CUDA graphs: the same gradients as without, and never where they are not safe."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from portrait_studio.trainer.cuda_graphs import FAMILIAR, Recorded, recording_works

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


def replaying(function, examples, num_warmup_iters):
    """As torch.cuda.make_graphed_callables does, on any device: one set of buffers, which every pass overwrites."""
    held, buffers = {}, [torch.zeros_like(one) for one in examples if one.requires_grad]

    class Replay(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *given):
            with torch.enable_grad():
                for example, value in zip(examples, given, strict=True):
                    if example.data_ptr() != value.data_ptr():
                        example.data.copy_(value)
                held["answer"] = function(*examples)
            return held["answer"].detach()

        @staticmethod
        def backward(ctx, above):
            found = torch.autograd.grad(held["answer"], [one for one in examples if one.requires_grad], above)
            for buffer, gradient in zip(buffers, found, strict=True):
                buffer.copy_(gradient)
            waiting = iter(buffers)
            return tuple(next(waiting).detach() if one.requires_grad else None for one in examples)

    return Replay.apply


@pytest.fixture(params=["stand-in", pytest.param("card", marks=needs_card)])
def device(request, monkeypatch) -> str:
    if request.param == "card":
        return "cuda"
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", replaying)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (2**30, 2**30))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 2**20)
    return "cpu"


class Passes:
    """A layer, two batches of one shape, and the gradients that reach them."""

    def __init__(self, device: str) -> None:
        torch.manual_seed(0)
        self.layer = nn.Linear(8, 8).to(device)
        self.trained = list(self.layer.parameters())
        self.batches = [torch.randn(4, 8, device=device).requires_grad_() for _ in range(2)]
        self.calls = 0

    def network(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.layer(x).square()

    def gradients(self, network, one_by_one: bool = True) -> list[torch.Tensor]:
        for tensor in (*self.trained, *self.batches):
            tensor.grad = None
        if one_by_one:
            for x in self.batches:
                network(x).sum().backward()
        else:
            sum(network(x).square().sum() for x in self.batches).backward()
        return [tensor.grad.clone() for tensor in (*self.trained, *self.batches)]


def test_gradients_of_several_passes_add_up_as_without_recording(device):
    passes = Passes(device)
    wanted = passes.gradients(passes.network)
    recorded = Recorded(passes.network, passes.trained)
    for _ in range(FAMILIAR + 1):
        torch.testing.assert_close(passes.gradients(recorded), wanted)
    recorded.forget()
    torch.testing.assert_close(passes.gradients(recorded), wanted)


def test_a_second_pass_of_a_shape_before_the_first_has_gone_back_is_not_replayed(device):
    passes = Passes(device)
    wanted = passes.gradients(passes.network, one_by_one=False)
    recorded = Recorded(passes.network, passes.trained)
    passes.gradients(recorded)
    for _ in range(2):
        torch.testing.assert_close(passes.gradients(recorded, one_by_one=False), wanted)


@needs_card
def test_what_is_recorded_is_not_computed_by_python_again():
    passes = Passes("cuda")
    recorded = Recorded(passes.network, passes.trained)
    for _ in range(FAMILIAR):
        passes.gradients(recorded)
    before = passes.calls
    passes.gradients(recorded)
    assert passes.calls == before


def test_there_is_no_recording_where_memory_is_short(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (10, 2**30))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 11)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", lambda *_, **__: pytest.fail("it was recorded"))
    passes = Passes(device)
    wanted = passes.gradients(passes.network)
    recorded = Recorded(passes.network, passes.trained)
    for _ in range(FAMILIAR + 1):
        torch.testing.assert_close(passes.gradients(recorded), wanted)


def test_a_card_that_refuses_to_record_trains_on_without(device, monkeypatch):
    def refused(*_, **__):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refused)
    passes = Passes(device)
    wanted = passes.gradients(passes.network)
    recorded = Recorded(passes.network, passes.trained)
    for _ in range(FAMILIAR + 1):
        torch.testing.assert_close(passes.gradients(recorded), wanted)
