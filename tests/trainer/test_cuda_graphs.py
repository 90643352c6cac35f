"""Passes recorded as CUDA graphs: the same gradients as without, and never where they are not safe."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

from portrait_studio.trainer.cuda_graphs import (
    FAMILIAR,
    CudaRecorder,
    Recorded,
    Recorder,
    _capture,
    can_record,
    recording_works,
)

from ..present import present

needs_card = pytest.mark.skipif(not recording_works(), reason="needs a GPU")


def test_nothing_is_recorded_without_a_card():
    if not torch.cuda.is_available():
        assert not recording_works()


@pytest.mark.parametrize(
    ("cuda", "allocator", "works"),
    [("13.0", "native", True), ("13.0", "cudaMallocAsync", False), (None, "native", False)],
)
def test_only_torchs_own_allocator_on_an_nvidia_build_can_record(cuda, allocator, works):
    assert can_record(cuda, allocator) is works


def test_a_pass_of_a_new_shape_is_the_networks_own():
    passes = []

    def network(x: torch.Tensor) -> torch.Tensor:
        passes.append(x.shape)
        return 2 * x

    recorded = Recorded(network, list)
    for count in range(1, 5):
        torch.testing.assert_close(recorded(torch.ones(count)), torch.full((count,), 2.0))
    assert len(passes) == 4


class BufferRecorder:
    """Keeps torch's contract for recordings on any device: one set of buffers, which every pass overwrites."""

    def __init__(self, room: bool = True, refuses: bool = False) -> None:
        self.room, self.refuses, self.recorded = room, refuses, 0

    def has_room(self) -> bool:
        return self.room

    def settle(self) -> None:
        pass

    def record(self, function, examples):
        if self.refuses:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.recorded += 1
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
            def backward(ctx, *above):
                found = torch.autograd.grad(held["answer"], [one for one in examples if one.requires_grad], above)
                for buffer, gradient in zip(buffers, found, strict=True):
                    buffer.copy_(gradient)
                waiting = iter(buffers)
                return tuple(next(waiting).detach() if one.requires_grad else None for one in examples)

        return Replay.apply


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=needs_card)])
def device(request) -> str:
    return request.param


def recorder_for(device: str) -> Recorder:
    return CudaRecorder() if device == "cuda" else BufferRecorder()


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
            torch.stack([network(x).square().sum() for x in self.batches]).sum().backward()
        return [present(tensor.grad).clone() for tensor in (*self.trained, *self.batches)]


def test_gradients_of_several_passes_add_up_as_without_recording(device):
    passes = Passes(device)
    wanted = passes.gradients(passes.network)
    recorded = Recorded(passes.network, lambda: passes.trained, recorder_for(device))
    for _ in range(FAMILIAR + 1):
        torch.testing.assert_close(passes.gradients(recorded), wanted)
    recorded.forget()
    torch.testing.assert_close(passes.gradients(recorded), wanted)


def test_a_second_forward_before_the_first_backward_is_not_replayed(device):
    passes = Passes(device)
    wanted = passes.gradients(passes.network, one_by_one=False)
    recorded = Recorded(passes.network, lambda: passes.trained, recorder_for(device))
    passes.gradients(recorded)
    for _ in range(2):
        torch.testing.assert_close(passes.gradients(recorded, one_by_one=False), wanted)


def test_passes_that_train_other_tensors_are_recorded_apart(device):
    torch.manual_seed(0)
    factors = [torch.randn(8, device=device).requires_grad_() for _ in range(2)]
    turn = [0]
    recorder = recorder_for(device)
    recorded = Recorded(lambda x: x * factors[turn[0]], lambda: [factors[turn[0]]], recorder)
    for step in range(2 * FAMILIAR + 4):
        turn[0] = step % 2
        x = torch.randn(4, 8, device=device)
        recorded(x).sum().backward()
        torch.testing.assert_close(present(factors[turn[0]].grad), x.sum(0))
        assert factors[1 - turn[0]].grad is None
        factors[turn[0]].grad = None
    assert not isinstance(recorder, BufferRecorder) or recorder.recorded == 2


def test_what_is_forgotten_for_now_is_recorded_again(device):
    passes, recorder = Passes(device), recorder_for(device)
    wanted = passes.gradients(passes.network)
    recorded = Recorded(passes.network, lambda: passes.trained, recorder)
    assert not recorded.forget(for_good=False)  # there was nothing yet
    for _ in range(2):
        for _ in range(FAMILIAR + 1):
            torch.testing.assert_close(passes.gradients(recorded), wanted)
        assert recorded.forget(for_good=False)
    assert not isinstance(recorder, BufferRecorder) or recorder.recorded == 2


@needs_card
def test_what_is_recorded_is_not_computed_by_python_again():
    passes = Passes("cuda")
    recorded = Recorded(passes.network, lambda: passes.trained)
    for _ in range(FAMILIAR):
        passes.gradients(recorded)
    before = passes.calls
    passes.gradients(recorded)
    assert passes.calls == before


@pytest.mark.parametrize("recorder", [BufferRecorder(room=False), BufferRecorder(refuses=True)])
def test_without_room_or_where_recording_fails_training_goes_on_unrecorded(recorder):
    passes = Passes("cpu")
    wanted = passes.gradients(passes.network)
    recorded = Recorded(passes.network, lambda: passes.trained, recorder)
    for _ in range(FAMILIAR + 1):
        torch.testing.assert_close(passes.gradients(recorded), wanted)
    assert recorder.recorded == 0


@needs_card
def test_a_capture_that_breaks_off_leaves_the_card_usable():
    passes = Passes("cuda")

    def waits(x: torch.Tensor) -> torch.Tensor:
        if torch.cuda.is_current_stream_capturing():
            torch.cuda.synchronize()  # not allowed during a capture
        return passes.network(x)

    stream = torch.cuda.current_stream()
    wanted = passes.gradients(passes.network)
    recorded = Recorded(waits, lambda: passes.trained)
    for _ in range(FAMILIAR + 1):
        torch.testing.assert_close(passes.gradients(recorded), wanted)
    assert torch.cuda.current_stream() == stream
    assert torch.randn(3, device="cuda").isfinite().all()


def test_no_garbage_is_collected_during_a_capture():
    with _capture(torch.device("cpu")):
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(RuntimeError, match="broke off"), _capture(torch.device("cpu")):
        raise RuntimeError("broke off")
    assert gc.isenabled()
