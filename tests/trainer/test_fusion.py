"""Fusion averages the changes of weights, not the factors that make them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from portrait_studio.trainer import fusion
from portrait_studio.trainer.lora import Lora, LoraError

NAMES = ("lora_unet_a", "lora_unet_b")


def state(seed: int, rank: int = 4) -> dict[str, torch.Tensor]:
    lora = Lora({"lora_unet_a": nn.Linear(12, 20), "lora_unet_b": nn.Conv2d(6, 10, 3)}, rank, 2.0, seed)
    torch.manual_seed(seed)
    with torch.no_grad():
        for tensor in lora.parameters():
            tensor.normal_()
    return lora.state_dict()


def test_fusing_one_lora_gives_it_back():
    one = state(1)
    for name in NAMES:
        torch.testing.assert_close(fusion.change(fusion.fuse([one]), name), fusion.change(one, name))


def test_a_lora_fused_with_its_like_in_other_factors_is_itself():
    one, other = state(1), state(1)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)))[0]
    other["lora_unet_a.lora_up.weight"] = other["lora_unet_a.lora_up.weight"] @ turn
    other["lora_unet_a.lora_down.weight"] = turn.T @ other["lora_unet_a.lora_down.weight"]
    fused = fusion.fuse([one, other])
    torch.testing.assert_close(fusion.change(fused, NAMES[0]), fusion.change(one, NAMES[0]), atol=1e-5, rtol=1e-5)
    # What EasyPhoto does, the mean of the factors, is far from it.
    up = (one["lora_unet_a.lora_up.weight"] + other["lora_unet_a.lora_up.weight"]).double() / 2
    down = (one["lora_unet_a.lora_down.weight"] + other["lora_unet_a.lora_down.weight"]).double() / 2
    wrong = up @ down * 0.5
    assert (wrong - fusion.change(one, NAMES[0])).norm() > 0.1 * fusion.change(one, NAMES[0]).norm()


@pytest.mark.parametrize("name", NAMES)
def test_no_lora_of_the_rank_is_nearer_to_the_mean_of_the_changes(name):
    states = [state(seed) for seed in (1, 2, 3)]
    mean = sum(fusion.change(one, name) for one in states) / 3
    fused = fusion.fuse(states)
    left = torch.linalg.svdvals(mean)[4:].square().sum().sqrt()
    assert (fusion.change(fused, name) - mean).norm() == pytest.approx(float(left), rel=1e-5)
    assert fused[name + ".lora_down.weight"].shape == states[0][name + ".lora_down.weight"].shape


def test_weights_are_shares():
    states = [state(1, 4), state(1, 4)]
    states[1] = {
        key: value * (1 if key.endswith("alpha") else 2) for key, value in states[1].items()
    }  # 4 times as much
    fused = fusion.fuse(states, [3, 1])
    wanted = fusion.change(states[0], NAMES[0]) * (0.75 + 0.25 * 4)
    torch.testing.assert_close(fusion.change(fused, NAMES[0]), wanted, atol=1e-4, rtol=1e-5)


def test_loras_of_different_layers_are_refused():
    other = {key.replace("_b", "_c"): value for key, value in state(1).items()}
    with pytest.raises(LoraError, match="different layers"):
        fusion.fuse([state(1), other])
    with pytest.raises(LoraError, match="no LoRA to fuse"):
        fusion.fuse([])
