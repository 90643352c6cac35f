"""Learning rates step by step, Prodigy on a problem with a known answer, and memories that come back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from portrait_studio.trainer import optimiser
from portrait_studio.trainer.lora import Lora
from portrait_studio.trainer.prodigy import Prodigy
from portrait_studio.trainer.settings import TrainSettings


def lora() -> Lora:
    torch.manual_seed(0)
    return Lora({"lora_unet_a": nn.Linear(6, 6), "lora_te_b": nn.Linear(6, 6)}, 2, 2.0)


@pytest.mark.parametrize(("schedule", "middle", "end"), [("constant", 1, 1), ("linear", 0.5, 0), ("cosine", 0.5, 0)])
def test_the_rate_warms_up_and_comes_down(schedule, middle, end):
    settings = TrainSettings(steps=110, warm_up=10, schedule=schedule)
    rates = [optimiser.rate(step, settings) for step in range(110)]
    assert rates[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert rates[10] == pytest.approx(1)
    assert rates[60] == pytest.approx(middle, abs=0.01)
    assert rates[-1] == pytest.approx(end, abs=0.02)


def test_a_short_training_is_not_all_warm_up():
    settings = TrainSettings(steps=4, warm_up=100, schedule="constant")
    assert [optimiser.rate(step, settings) for step in range(4)] == pytest.approx([1 / 3, 2 / 3, 1, 1])


def test_unet_and_text_encoder_have_rates_of_their_own():
    settings = TrainSettings(learning_rate=1e-3, text_encoder_rate=1e-4, schedule="constant", warm_up=0)
    made = optimiser.build(lora(), settings)
    assert optimiser.set_rate(made, 3, settings) == pytest.approx(1e-3)
    assert [group["lr"] for group in made.param_groups] == pytest.approx([1e-3, 1e-4])


@pytest.mark.parametrize("scale", [0.1, 100.0])
def test_prodigy_finds_its_own_step_size(scale):
    """The distance to the answer differs a thousandfold; AdamW with one rate would miss one of the two."""
    torch.manual_seed(0)
    wanted = torch.randn(20) * scale
    x = torch.zeros(20, requires_grad=True)
    made = Prodigy([x], lr=1.0)
    for _ in range(1500):
        made.zero_grad()
        ((x - wanted) ** 2).sum().div(scale**2).backward()
        made.step()
    assert float((x.detach() - wanted).norm() / wanted.norm()) < 0.05


@pytest.mark.parametrize("name", ["adamw", "prodigy"])
def test_an_optimiser_goes_on_from_its_memory_as_if_nothing_had_been(name):
    settings = TrainSettings(optimiser=name, learning_rate=1.0 if name == "prodigy" else 1e-2)

    def step(one: Lora, made: torch.optim.Optimizer, seed: int) -> None:
        torch.manual_seed(seed)
        for tensor in one.parameters():
            tensor.grad = torch.randn_like(tensor)
        made.step()

    whole, broken = lora(), lora()
    first, second = optimiser.build(whole, settings), optimiser.build(broken, settings)
    for seed in range(3):
        step(whole, first, seed)
        step(broken, second, seed)
    tensors, groups = optimiser.memory(second)
    again = lora()
    again.load(broken.state_dict())
    third = optimiser.build(again, settings)
    optimiser.restore(third, tensors, groups)
    for seed in range(3, 6):
        step(whole, first, seed)
        step(again, third, seed)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
