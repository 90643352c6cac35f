"""A LoRA changes layers, leaves them as they were, and keeps kohya's format."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from portrait_studio.trainer.lora import Average, Lora, LoraError
from portrait_studio.trainer.lora_group import LoraGroup

from ..present import present


def layers() -> dict[str, nn.Module]:
    torch.manual_seed(1)
    return {"lora_unet_a": nn.Linear(12, 20), "lora_unet_b": nn.Conv2d(6, 10, 3, stride=2, padding=1)}


def filled(lora: Lora) -> Lora:
    torch.manual_seed(2)
    with torch.no_grad():
        for tensor in lora.parameters():
            tensor.normal_()
    return lora


@pytest.mark.parametrize("name", ["lora_unet_a", "lora_unet_b"])
def test_an_adapter_does_what_its_product_added_to_the_weight_would(name):
    targets = layers()
    lora = filled(Lora(targets, rank=4, alpha=2.0))
    layer, adapter = targets[name], lora.adapters[name]
    assert isinstance(layer.weight, torch.nn.Parameter)
    x = torch.randn(3, 12) if name.endswith("a") else torch.randn(3, 6, 9, 9)
    with lora.attached():
        changed = layer(x)
    delta = (adapter.up.flatten(1) @ adapter.down.flatten(1)).reshape(layer.weight.shape) * (2.0 / 4)
    with torch.no_grad():
        layer.weight += delta
    torch.testing.assert_close(changed, layer(x), atol=2e-5, rtol=1e-4)


def test_a_new_lora_changes_nothing_and_has_gradients_for_up_alone():
    targets = layers()
    x = torch.randn(2, 12)
    plain = targets["lora_unet_a"](x)
    lora = Lora(targets, rank=4, alpha=4.0)
    with lora.attached():
        out = targets["lora_unet_a"](x)
        out.sum().backward()
    assert torch.equal(out, plain)
    adapter = lora.adapters["lora_unet_a"]
    assert present(adapter.up.grad).abs().sum() > 0
    assert present(adapter.down.grad).abs().sum() == 0


def test_layers_are_as_before_when_an_error_leaves_them():
    targets = layers()
    x = torch.randn(2, 12)
    plain = targets["lora_unet_a"](x)
    with pytest.raises(ZeroDivisionError), filled(Lora(targets, 4, 4.0)).attached():
        raise ZeroDivisionError
    assert torch.equal(targets["lora_unet_a"](x), plain)
    assert "forward" not in vars(targets["lora_unet_a"])


def test_what_is_saved_has_kohyas_keys_and_comes_back():
    lora = filled(Lora(layers(), 4, 2.0))
    state = lora.state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        "lora_unet_a.lora_down.weight": (4, 12),
        "lora_unet_a.lora_up.weight": (20, 4),
        "lora_unet_a.alpha": (),
        "lora_unet_b.lora_down.weight": (4, 6, 3, 3),
        "lora_unet_b.lora_up.weight": (10, 4, 1, 1),
        "lora_unet_b.alpha": (),
    }
    other = Lora(layers(), 4, 4.0)
    other.load(state)
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in state.items())


def test_a_lora_of_another_model_or_rank_is_refused_by_name():
    state = Lora(layers(), 4, 4.0).state_dict()
    with pytest.raises(LoraError, match="another rank or layer size: lora_unet_a"):
        Lora(layers(), 8, 8.0).load(state)
    with pytest.raises(LoraError, match="another kind of checkpoint"):
        Lora({"lora_unet_c": nn.Linear(2, 2)}, 4, 4.0).load(state)
    with pytest.raises(LoraError, match="no attention"):
        Lora({}, 4, 4.0)


def test_a_layer_narrower_than_the_rank_keeps_the_scale():
    lora = Lora({"lora_unet_a": nn.Linear(3, 20)}, rank=8, alpha=4.0)
    assert lora.adapters["lora_unet_a"].down.shape == (3, 3)
    assert lora.adapters["lora_unet_a"].scale == pytest.approx(0.5)


def test_the_start_depends_on_the_seed_alone():
    first, same, other = (Lora(layers(), 4, 4.0, seed).state_dict() for seed in (5, 5, 6))
    key = "lora_unet_a.lora_down.weight"
    assert torch.equal(first[key], same[key])
    assert not torch.equal(first[key], other[key])


def test_the_average_follows_and_is_lent_for_a_while():
    lora = filled(Lora(layers(), 4, 4.0))
    average = Average(lora, 0.9)
    own = [tensor.clone() for tensor in lora.parameters()]
    with torch.no_grad():
        for tensor in lora.parameters():
            tensor.add_(1.0)
    for _ in range(200):
        average.update()
    with average.in_place():
        for tensor, before in zip(lora.parameters(), own, strict=True):
            torch.testing.assert_close(tensor, before + 1.0, atol=1e-3, rtol=1e-3)
    assert all(torch.equal(tensor, before + 1.0) for tensor, before in zip(lora.parameters(), own, strict=True))


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", ["lora_unet_a", "lora_unet_b"])
def test_in_a_group_each_persons_part_of_a_batch_goes_through_their_own_lora(name, fast):
    targets = layers()
    loras = [Lora(targets, 4, 2.0, seed) for seed in range(3)]
    for lora in loras:
        filled(lora)
        lora.adapters[name].up.data += torch.randn(1)
    group = LoraGroup(loras)
    x = torch.randn(6, 5, 12) if name.endswith("a") else torch.randn(6, 6, 9, 9)
    with group.attached(), torch.autocast("cpu", torch.bfloat16, enabled=fast, cache_enabled=False):
        with group.passing([2, 0, 1]):
            together = targets[name](x)
            learnt = group.parameters(name)
            gradients = torch.autograd.grad(together.float().square().sum(), learnt)
        alone = []
        for place, member in enumerate((2, 0, 1)):
            with group.passing([member]):
                alone.append(targets[name](x[2 * place : 2 * place + 2]))
        wanted = torch.autograd.grad(torch.cat(alone).float().square().sum(), learnt)
    for one, other in zip((together, *gradients), (torch.cat(alone), *wanted), strict=True):
        assert float((one - other).norm() / other.norm()) < (2e-2 if fast else 1e-5)
