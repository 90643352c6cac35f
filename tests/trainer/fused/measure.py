"""How far the kernels are from float64, on fresh random numbers; prints one JSON object.

python measure.py DEVICE SEED COMFYUI. A process of its own: on a CPU Triton must be told to interpret its kernels
(TRITON_INTERPRET=1) before it is imported, and ComfyUI reads the command line.
"""

# ruff: noqa: E402 - ComfyUI must have read the command line before its other modules are imported.

from __future__ import annotations

import copy
import json
import sys
from typing import Any

device, seed = sys.argv[1], int(sys.argv[2])
sys.path.insert(0, sys.argv[3])
sys.argv = [sys.argv[0], *(["--cpu"] if device == "cpu" else [])]

import comfy.options

comfy.options.enable_args_parsing()

import comfy.ops
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from torch.nn import functional

from portrait_studio.trainer import low_rank
from portrait_studio.trainer.fused import gate, merged, norms
from portrait_studio.trainer.fused.unet import quicken
from portrait_studio.trainer.lora import Lora

torch.manual_seed(seed)
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
NARROW: dict[str, Any] = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32, "num_res_blocks": [1],
    "channel_mult": [1], "num_heads": 2, "context_dim": 24, "use_spatial_transformer": True,
    "transformer_depth": [1], "transformer_depth_middle": -1, "transformer_depth_output": [0, 0],
    "use_checkpoint": False, "legacy": False,
}  # fmt: skip


def drawn(*shape: int, kind: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape).to(device, kind)


def apart(found: Any, wanted: Any) -> list[float]:
    return [
        float((one.detach().double() - other.detach()).norm() / other.detach().norm())
        for one, other in zip(found, wanted, strict=True)
    ]


def fine(*tensors: torch.Tensor | None) -> list[Any]:
    return [None if one is None else one.detach().double().requires_grad_() for one in tensors]


def group_norms(kind: torch.dtype) -> list[float]:
    errors = []
    for (b, c, h, w), groups in (((2, 96, 3, 7), 8), ((1, 24, 20, 16), 4)):
        for silu in (False, True):
            for plus in (None, drawn(b, c, kind=kind)):
                x = (drawn(b, c, h, w) * 2 + 1).to(kind).to(memory_format=torch.channels_last).requires_grad_()
                weight, bias = drawn(c, kind=kind), drawn(c, kind=kind)
                beside, above = drawn(b, c, h, w, kind=kind), drawn(b, c, h, w, kind=kind)
                same, y = norms.group_norm(x, groups, weight, bias, 1e-5, silu, plus)
                assert y.is_contiguous(memory_format=torch.channels_last)
                (exact,) = fine(x)
                moved = exact if plus is None else exact + plus.double()[..., None, None]
                normed = functional.group_norm(moved, groups, weight.double(), bias.double(), 1e-5)
                normed = functional.silu(normed) if silu else normed
                found = (same, y, *torch.autograd.grad((same, y), x, (beside, above), retain_graph=True))
                found += torch.autograd.grad(y, x, above)
                gradients = torch.autograd.grad((exact, normed), exact, fine(beside, above), retain_graph=True)
                gradients += torch.autograd.grad(normed, exact, above.double())
                errors += apart(found, (exact, normed, *gradients))
    return errors


def add_norms(kind: torch.dtype) -> list[float]:
    errors = []
    for shape in ((3, 5, 72), (1, 3, 1280)):
        for added in (None, drawn(*shape, kind=kind).requires_grad_()):
            x = drawn(*shape, kind=kind).requires_grad_()
            weight, bias = drawn(shape[-1], kind=kind), drawn(shape[-1], kind=kind)
            above = drawn(*shape, kind=kind), drawn(*shape, kind=kind)
            answers = norms.add_norm(x, added, weight, bias, 1e-5)
            given = [one for one in (x, added) if one is not None]
            exact = fine(*given)
            total = exact[0] * 1 if added is None else exact[0] + exact[1]
            normed = functional.layer_norm(total, shape[-1:], weight.double(), bias.double(), 1e-5)
            found = (*answers, *torch.autograd.grad(answers, given, above))
            wanted = (total, normed, *torch.autograd.grad((total, normed), exact, fine(*above), retain_graph=True))
            found += torch.autograd.grad(norms.add_norm(x, added, weight, bias, 1e-5)[1], x, above[1])
            wanted += torch.autograd.grad(normed, exact[0], above[1].double())
            errors += apart(found, wanted)
    return errors


def gates(kind: torch.dtype) -> list[float]:
    x, above = drawn(3, 5, 2 * 300, kind=kind).requires_grad_(), drawn(3, 5, 300, kind=kind)
    (exact,) = fine(x)
    value, opened = exact.chunk(2, -1)
    y, wanted = gate.gated(x), value * functional.gelu(opened)
    return apart((y, *torch.autograd.grad(y, x, above)), (wanted, *torch.autograd.grad(wanted, exact, above.double())))


def linears(count: int) -> list[float]:
    kind = torch.bfloat16
    layers = [
        low_rank.Layer(
            drawn(48, 32, kind=kind) * 0.1,
            drawn(48, kind=kind) if count == 1 else None,
            (drawn(8, 32) * 0.1).requires_grad_(),
            (drawn(48, 8) * 0.1).requires_grad_(),
            0.5,
        )
        for _ in range(count)
    ]
    x, above = drawn(40, 32, kind=kind).requires_grad_(), [drawn(40, 48, kind=kind) for _ in layers]
    answers = (merged.linear(x, layers[0]),) if count == 1 else merged.linears(x, layers)
    given = [x, *(factor for layer in layers for factor in (layer.down, layer.up))]
    exact = fine(*given)
    wanted = []
    for at, layer in enumerate(layers):
        down, up = exact[1 + 2 * at : 3 + 2 * at]
        bias = None if layer.bias is None else layer.bias.double()
        wanted.append(functional.linear(exact[0], layer.weight.double() + layer.scale * up @ down, bias))
    found = (*answers, *torch.autograd.grad(answers, given, above))
    return apart(found, (*wanted, *torch.autograd.grad(wanted, exact, fine(*above))))


def people(count: int) -> float:
    """Return how far layers of three people, whose rows share a pass, are from each person's layers alone."""
    kind = torch.bfloat16
    weights = [drawn(48, 32, kind=kind) * 0.1 for _ in range(count)]
    bias = drawn(48, kind=kind) if count == 1 else None
    factors = [[(drawn(3, *shape) * 0.1).requires_grad_() for shape in ((8, 32), (48, 8))] for _ in weights]
    x = drawn(3 * 16, 32, kind=kind).requires_grad_()
    above = [drawn(3 * 16, 48, kind=kind) for _ in weights]
    learnt = [x, *(factor for pair in factors for factor in pair)]

    def passed(rows: torch.Tensor, at: Any) -> tuple[torch.Tensor, ...]:
        layers = [
            low_rank.Layer(weight, bias, down[at], up[at], 0.5)
            for weight, (down, up) in zip(weights, factors, strict=True)
        ]
        return (merged.linear(rows, layers[0]),) if count == 1 else merged.linears(rows, layers)

    together = passed(x, slice(None))
    each = [passed(rows, number) for number, rows in enumerate(x.chunk(3))]
    alone = [torch.cat(parts) for parts in zip(*each, strict=True)]
    found = (*together, *torch.autograd.grad(together, learnt, above))
    return max(apart(found, (*alone, *torch.autograd.grad(alone, learnt, above))))


def kept_of_small_changes() -> dict[str, Any]:
    """What merging keeps of changes far below the weights' last bit, and whether no change leaves the weights alone."""
    weight = (drawn(128, 320) * 0.03).bfloat16()
    out = torch.empty_like(weight)
    merged.merge(weight, torch.zeros_like(weight), out)
    kept = {"unchanged": torch.equal(out, weight)}
    for size in (1e-6, 1e-5, 1e-4):
        change = (drawn(128, 320) * size).bfloat16()
        merged.merge(weight, change, out)
        exact = change.double()
        kept[str(size)] = float(((out.double() - weight.double()) * exact).sum() / exact.square().sum())
    return kept


def together(passed: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The answer, and all gradients as one vector: some of them are nothing but rounding."""
    return passed[0], torch.cat([one.double().flatten() for one in passed[1:]])


def network() -> dict[str, Any]:
    """Return how far answers and gradients of a small UNet are from float64, as the host computes them and quickened.

    It has a LoRA on all layers of its blocks.
    """
    config = NARROW | {"device": device, "operations": comfy.ops.disable_weight_init}
    plain = UNetModel(**config, dtype=torch.float32).requires_grad_(False)
    for weight in plain.parameters():
        weight.copy_(torch.randn(weight.shape) * (0.1 if weight.ndim == 1 else weight[0].numel() ** -0.5))
    for layer in plain.modules():
        if isinstance(layer, (torch.nn.GroupNorm, torch.nn.LayerNorm)):
            layer.weight += 1
    x, t, context = drawn(1, 4, 8, 8), torch.tensor([300], device=device), drawn(1, 9, 24)
    above = drawn(1, 4, 8, 8)

    def passed(kind: torch.dtype, quick: bool) -> list[torch.Tensor]:
        unet = copy.deepcopy(plain).to(kind)
        unet.dtype = kind
        if quick:
            quicken(unet)
        layers = {
            name: one
            for name, one in unet.named_modules()
            if isinstance(one, (torch.nn.Linear, torch.nn.Conv2d))
            and name.startswith(("input_blocks.1", "middle_block", "output_blocks"))
        }
        lora = Lora(layers, 8, 4.0, seed=1)
        learnt = lora.parameters()
        with torch.no_grad():
            for factor in learnt:
                factor.copy_(torch.randn(factor.shape, generator=torch.Generator().manual_seed(factor.numel())) * 0.1)
                factor.data = factor.data.to(torch.float64 if kind == torch.float64 else torch.float32)
        for adapter in lora.adapters.values():
            adapter.fused = quick
        with lora.attached():
            moved = x.to(kind).to(memory_format=torch.channels_last)
            answer = unet(moved, t, context=context.to(kind), transformer_options={})
            return [answer, *torch.autograd.grad(answer, learnt, above.to(kind))]

    exact = passed(torch.float64, False)
    found = {}
    for name, kind in PRECISIONS.items():
        for quick in (False, True):
            answer, gradients = apart(together(passed(kind, quick)), together(exact))
            way = f"{name}, {'quickened' if quick else 'plain'}"
            found[way] = {"answer": answer, "gradients": gradients}
    return found


found: dict[str, Any] = {"kept": kept_of_small_changes(), "network": network()}
for name, kind in PRECISIONS.items():
    found[name] = {"group norm": max(group_norms(kind)), "add and norm": max(add_norms(kind)), "gate": max(gates(kind))}
found["bfloat16"] |= {"one layer": max(linears(1)), "three layers": max(linears(3))}
found["bfloat16"] |= {"one layer of three people": people(1), "three layers of three people": people(3)}
print(json.dumps(found))  # noqa: T201
