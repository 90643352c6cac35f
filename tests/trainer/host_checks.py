"""Run by test_native.py in a process of its own, since ComfyUI reads the command line and keeps its state in modules.

Prints one JSON object. The models are built by ComfyUI's own classes: SDXL's layers without memory ("meta"), and an
SDXL narrow enough to train.
"""

# ruff: noqa: E402 - ComfyUI must have read the command line before its other modules are imported.

from __future__ import annotations

import gc
import json
import sys
from types import SimpleNamespace
from typing import Any, ClassVar

sys.path.insert(0, sys.argv[1])
CHECKPOINT = sys.argv[2]
sys.argv = [sys.argv[0], "--cpu"]

import comfy.options

comfy.options.enable_args_parsing()

import comfy.lora
import comfy.model_base
import comfy.model_patcher
import comfy.ops
import comfy.sd
import comfy.sd1_clip
import comfy.sdxl_clip
import comfy.supported_models
import lazy_layers
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

from portrait_studio.trainer import copies, native, text_encoder
from portrait_studio.trainer.lora import Lora
from portrait_studio.trainer.lora_group import LoraGroup

# The SDXL entry of comfy/model_detection.py, unet_config_from_diffusers_unet.
SDXL = {
    "use_checkpoint": False,
    "image_size": 32,
    "out_channels": 4,
    "use_spatial_transformer": True,
    "legacy": False,
    "num_classes": "sequential",
    "adm_in_channels": 2816,
    "in_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [2, 2, 2],
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "channel_mult": [1, 2, 4],
    "transformer_depth_middle": 10,
    "use_linear_in_transformer": True,
    "context_dim": 2048,
    "num_head_channels": 64,
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "use_temporal_attention": False,
    "use_temporal_resblock": False,
}
NARROW = SDXL | {
    "model_channels": 64,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 1],
    "transformer_depth": [0, 1],
    "transformer_depth_output": [0, 0, 1, 1],
    "transformer_depth_middle": 1,
}


def unknown_names(convolutions: bool) -> list[str]:
    """The names of ours that ComfyUI's loader does not know, of SDXL's UNet and its two text encoders."""
    unet = UNetModel(**SDXL, dtype=torch.float16, device="meta", operations=comfy.ops.disable_weight_init)
    holder: Any = torch.nn.Module()
    holder.diffusion_model = unet
    holder.model_config = comfy.supported_models.SDXL(dict(SDXL))
    text = comfy.sdxl_clip.SDXLClipModel(device="meta", dtype=torch.float16)
    known = comfy.lora.model_lora_keys_unet(holder, {})
    known = comfy.lora.model_lora_keys_clip(text, known)
    ours = native._unet_layers(SimpleNamespace(model=holder), unet, "sdxl", convolutions)
    ours |= text_encoder.layers_of(text, "sdxl")
    assert len(ours) > 700 + 200, len(ours)
    return sorted(set(ours) - set(known))


class Words:
    """Stands in for a CLIP of 800 million weights: random words of the right shape."""

    def tokenize(self, text: str) -> str:
        return text

    def encode_from_tokens(self, text: str, return_pooled: bool) -> tuple[torch.Tensor, torch.Tensor]:
        random = torch.Generator().manual_seed(len(text))
        return torch.randn(1, 77, 2048, generator=random), torch.randn(1, 1280, generator=random)


def narrow_sdxl(kind: comfy.model_base.ModelType) -> comfy.model_patcher.ModelPatcher:
    config = comfy.supported_models.SDXL(dict(NARROW))
    config.set_inference_dtype(torch.float32, None)
    with torch.inference_mode():
        model = comfy.model_base.SDXL(config, kind, device="cpu")
        torch.manual_seed(0)
        for weight in model.parameters():
            weight.copy_(torch.randn_like(weight) * 0.02)
    return comfy.model_patcher.ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))


def learns(kind: comfy.model_base.ModelType, checkpointing: bool) -> tuple[list[float], bool]:
    """Losses of a few steps on one latent, and whether the host's own weights are what they were."""
    patcher = narrow_sdxl(kind)
    before = {name: weight.clone() for name, weight in patcher.model.state_dict().items()}
    with torch.inference_mode(False), torch.enable_grad():
        model = native.NativeModel(patcher, Words(), None, "fp32", checkpointing=checkpointing)
        lora = Lora(model.layers, 4, 4.0)
        made = torch.optim.AdamW(lora.parameters(), lr=1e-2)
        torch.manual_seed(1)
        x, wanted, t = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.tensor([10, 900])
        prompts = model.encode_text(["a", "bb"])
        losses = []
        with lora.attached():
            for _ in range(8):
                made.zero_grad()
                loss = (model.predict(x, t, prompts) - wanted).square().mean()
                loss.backward()
                made.step()
                losses.append(loss.item())
    same = all(torch.equal(weight, before[name]) for name, weight in patcher.model.state_dict().items())
    return losses, same


def blocks_computed_again_to_their_ends() -> int:
    """How often a block comes to its end on the way there and back, when its last layer keeps something."""
    ends = []

    def block(x: torch.Tensor) -> torch.Tensor:
        y = x.sin().exp()
        ends.append(True)
        return y

    with torch.inference_mode(False), torch.enable_grad():
        native._checkpointed(block)(torch.ones(3, requires_grad=True)).sum().backward()
    return len(ends)


def drawn_factors(loras: list[Lora]) -> None:
    """Give LoRAs numbers of their own, so that everything has a gradient."""
    with torch.no_grad():
        for number, lora in enumerate(loras):
            for place, factor in enumerate(lora.parameters()):
                own = torch.Generator().manual_seed(1000 * number + place)
                factor.copy_(torch.randn(factor.shape, generator=own) * 0.05)


def gradients(loras: list[Lora]) -> list[torch.Tensor]:
    """The gradients of each LoRA as one vector, which are forgotten then."""
    found = []
    for lora in loras:
        learnt = [factor.grad for factor in lora.parameters()]
        found.append(torch.cat([gradient.flatten() for gradient in learnt if gradient is not None]))
        for factor in lora.parameters():
            factor.grad = None
    return found


def apart(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> float:
    return max(
        float((one - other).detach().norm() / other.detach().norm()) for one, other in zip(found, wanted, strict=True)
    )


def several(checkpointing: bool) -> dict[str, float]:
    """How far three people's gradients of one pass are from those of a pass each, on a UNet with convolutions too."""
    with torch.inference_mode(False), torch.enable_grad():
        model = native.NativeModel(
            narrow_sdxl(comfy.model_base.ModelType.EPS), Words(), None, "fp32",
            convolutions=True, checkpointing=checkpointing,
        )  # fmt: skip
        loras = [Lora(model.layers, 4, 2.0, seed) for seed in range(3)]
        drawn_factors(loras)
        group = LoraGroup(loras)
        torch.manual_seed(1)
        x, t = torch.randn(6, 4, 8, 8), torch.randint(0, 1000, (6,))
        prompts = model.encode_text(["a", "bb", "ccc", "dddd", "eeeee", "ffffff"])
        with group.attached():
            with group.passing([0, 1, 2]):
                together = model.predict(x, t, prompts)
                together.square().sum().backward()
            found, answers = gradients(loras), []
            for number in range(3):
                part = slice(2 * number, 2 * number + 2)
                with group.passing([number]):
                    answers.append(model.predict(x[part], t[part], prompts[part]))
                    answers[-1].square().sum().backward()
    return {"answer": apart([together], [torch.cat(answers)]), "gradients": apart(found, gradients(loras))}


def several_readers() -> float:
    """How far three people's gradients are when their texts are read in one pass from those of a pass each."""
    clip, texts = SmallClip(), ["a woman", "a man", "portrait", "a woman", "", "b"]
    text = text_encoder.TrainedText(clip, "sd15", torch.device("cpu"), torch.float32)
    with torch.inference_mode(False), torch.enable_grad():
        loras = [Lora(text.layers, 4, 2.0, seed) for seed in range(3)]
        drawn_factors(loras)
        group = LoraGroup(loras)
        with group.attached():
            with group.passing([0, 1, 2]):
                torch.stack([one.context for one in text.encode_text(texts)]).square().sum().backward()
            found = gradients(loras)
            for number in range(3):
                with group.passing([number]):
                    own = text.encode_text(texts[2 * number : 2 * number + 2])
                    torch.stack([one.context for one in own]).square().sum().backward()
    return apart(found, gradients(loras))


def refusal(config: object, **changes: object) -> str:
    base = SimpleNamespace(model_config=config, concat_keys=(), model_type=comfy.model_base.ModelType.EPS)
    for name, value in changes.items():
        setattr(base, name, value)
    try:
        return native.family(SimpleNamespace(model=base))
    except native.ModelError as error:
        return str(error)


class SmallClip:
    """A CLIP of two layers with random weights, by the host's classes."""

    layer_idx: int | None = None

    def __init__(self) -> None:
        small = {"num_hidden_layers": 3, "hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 96}
        with torch.inference_mode():
            torch.manual_seed(0)
            options = {"clip_l_model_config": small}
            self.cond_stage_model = comfy.sd1_clip.SD1ClipModel("cpu", torch.float32, options)
            for weight in self.cond_stage_model.parameters():
                weight.copy_(torch.randn_like(weight) * 0.1)
        self.tokenizer = comfy.sd1_clip.SD1Tokenizer()
        cpu = torch.device("cpu")
        self.patcher = comfy.model_patcher.ModelPatcher(self.cond_stage_model, cpu, cpu)

    def tokenize(self, text: str) -> dict:
        return self.tokenizer.tokenize_with_weights(text)

    def own(self, text: str) -> torch.Tensor:
        """The text as the host's own node reads it."""
        self.cond_stage_model.reset_clip_options()
        if self.layer_idx is not None:
            self.cond_stage_model.set_clip_options({"layer": self.layer_idx})
        return self.cond_stage_model.encode_token_weights(self.tokenize(text))[0][0]


def trained_words() -> dict[str, object]:
    """How far the trained encoder's words are from the host's, and how often it read a section of text."""
    clip, texts = SmallClip(), ["a woman", "portrait, " * 60, "a man", "a woman"]
    farthest, reads = 0.0, []
    for clip.layer_idx in (None, -2):
        text = text_encoder.TrainedText(clip, "sd15", torch.device("cpu"), torch.float32)
        embedding = text._encoders.clip_l.transformer.get_input_embeddings()
        embedding.register_forward_hook(lambda *_: reads.append(1))
        with torch.inference_mode():  # as when a sample is made before the first step
            text.encode_text(texts[:1])
        lora = Lora(text.layers, 2, 2.0)
        with torch.inference_mode(False), torch.enable_grad(), lora.attached():
            prompts = text.encode_text(texts)
            torch.stack([prompt.context.square().sum() for prompt in prompts]).sum().backward()
        apart = [float((p.context - clip.own(t)).abs().max()) for p, t in zip(prompts, texts, strict=True)]
        farthest = max(farthest, *apart)
        learning = sum(
            bool(adapter.up.grad is not None and adapter.up.grad.any()) for adapter in lora.adapters.values()
        )
    sections = len(prompts[1].context) // 77
    return {"farthest": farthest, "reads": len(reads) / 2, "sections": sections, "learning": learning}


def on_a_lazy_host() -> dict[str, object]:
    """The UNet's copy where linear layers allocate nothing, on a device that is not the weights' own.

    "meta" has shapes and no numbers; a layer left on the CPU fails on it as on a card.
    """
    device = torch.device("meta")
    plain = narrow_sdxl(comfy.model_base.ModelType.EPS).model.state_dict()
    with lazy_layers.instead_of(comfy.ops.disable_weight_init):
        patcher = narrow_sdxl(comfy.model_base.ModelType.EPS)
        with torch.inference_mode():
            patcher.model.load_state_dict(plain)
        lazy = sum(isinstance(layer, lazy_layers.Linear) for layer in patcher.model.diffusion_model.modules())
        with torch.inference_mode(False), torch.enable_grad():
            unet, _ = native._unet(patcher, device, torch.bfloat16)
            layers = native._unet_layers(patcher, unet, "sdxl", False)
            lora = Lora(layers, 4, 4.0)
            with lora.attached():
                x, t = torch.randn(2, 4, 8, 8, device=device), torch.tensor([10, 900], device=device)
                context, vector = torch.randn(2, 77, 2048, device=device), torch.randn(2, 2816, device=device)
                inputs = [one.to(torch.bfloat16) for one in (x, context, vector)]
                options = {"optimized_attention_override": native._attention}
                answer = unet(inputs[0], t, context=inputs[1], y=inputs[2], transformer_options=options)
                answer.float().square().mean().backward()
    return {
        "lazy": lazy,
        "devices": sorted({str(weight.device) for weight in unet.parameters()}),
        "answer": list(answer.shape),
        "learning": sum(one.grad is not None for one in lora.parameters()),
        "trained": len(lora.parameters()),
    }


class Handle:
    """As a virtual buffer or host buffer of comfy-aimdo: frees its memory when it is deleted."""

    freed: ClassVar[list[int]] = []

    def __init__(self, address: int) -> None:
        self.address = address

    def __del__(self) -> None:
        Handle.freed.append(self.address)


def managed(part: Any) -> None:
    """Hang on a network what ComfyUI 0.33's ModelPatcherDynamic.load does."""
    part.dynamic_vbars = {torch.device("cpu"): Handle(1)}
    part.dynamic_pins = {torch.device("cpu"): {"weights": (Handle(2), [], [-1], [0], [0], {}), "failed": False}}
    for number, layer in enumerate(part.modules()):
        if hasattr(layer, "comfy_cast_weights"):
            layer.comfy_cast_weights = True
            layer._v = (part.dynamic_vbars[torch.device("cpu")], 4096 * number, 1024)
            layer._v_signature = None
            layer._pin_state = part.dynamic_pins[torch.device("cpu")]
            layer.weight_function = [Handle(3)]


def beside_handles() -> dict[str, object]:
    """What becomes of the host's handles when its text encoder is copied and the copy thrown away."""
    clip = SmallClip()
    managed(clip.cond_stage_model)
    gc.collect()
    before = len(Handle.freed)
    text = text_encoder.TrainedText(clip, "sd15", torch.device("cpu"), torch.float32)
    with torch.inference_mode():
        text.encode_text(["a woman"])
    handles = {"dynamic_vbars", "dynamic_pins", "_v", "_pin_state", "weight_function"}
    held = {name for layer in text._encoders.modules() for name in handles & vars(layer).keys()}
    del text
    gc.collect()
    return {"freed": len(Handle.freed) - before, "copied": sorted(held)}


def packed() -> dict[str, object]:
    """What the trainer makes of weights that are no plain numbers."""
    layer: Any = torch.nn.Linear(8, 4)
    patcher = SimpleNamespace(backup={}, patches={})
    answer: dict[str, object] = {}

    class GGMLTensor(torch.Tensor):
        """As ComfyUI-GGUF's."""

    for name, weight in {
        "gguf": torch.zeros(4, 8).as_subclass(GGMLTensor),
        "int8": torch.zeros(4, 8, dtype=torch.int8),
    }.items():
        layer.weight = torch.nn.Parameter(weight, requires_grad=False)
        try:
            dict(copies.weights(patcher, layer))
        except native.ModelError as error:
            answer[name] = str(error)
    values = torch.linspace(-1, 1, 32).view(4, 8)
    layer.weight = torch.nn.Parameter(values.to(torch.float8_e4m3fn), requires_grad=False)
    answer["fp8"] = float((dict(copies.weights(patcher, layer))["weight"].float() - values).abs().max())
    layer.convert_weight = lambda weight: weight.float() * 2  # the host's own name for dequantising a layer
    answer["scaled"] = float((dict(copies.weights(patcher, layer))["weight"] - 2 * values).abs().max())
    del layer.convert_weight
    layer.weight = torch.nn.Parameter(values.clone())
    layer.weight_comfy_model_dtype = torch.float16
    answer["used_as"] = str(dict(copies.weights(patcher, layer))["weight"].dtype)
    patcher.backup["weight"] = SimpleNamespace(weight=values + 1)
    answer["unpatched"] = float((dict(copies.weights(patcher, layer))["weight"].float() - values).mean())
    layer.weight = torch.nn.Parameter(torch.empty(4, 8, device="meta"))
    patcher.backup.clear()
    answer["unread"] = float(dict(copies.weights(patcher, layer))["weight"].abs().max())
    return answer


def decoded(checkpoint: str) -> dict[str, object]:
    """How far the differentiable decoder's picture of the end of a way is from the sampler's, and the gradient."""
    model, clip, vae = comfy.sd.load_checkpoint_guess_config(checkpoint)[:3]
    with torch.inference_mode(False), torch.enable_grad():
        made = native.NativeModel(model, clip, vae, "fp32")
        asked = ["portrait photo of woman", "portrait photo of man"], [3, 4], (128, 64), 3, 2.0
        drawn = [torch.from_numpy(one).permute(2, 0, 1) / 255 for one in made.sample(*asked)]
        ways = made.ways(*asked)
        latents = torch.stack([way.seen[-1] for way in ways]).requires_grad_()
        pictures = made.decoder()(latents)
        (slope,) = torch.autograd.grad(pictures.mean(), latents)
    return {
        "apart": float((pictures.detach().clamp(0, 1) - torch.stack(drawn)).abs().max()),
        "slope": float(slope.abs().max()),
        "looks": [list(one.shape) for one in (ways[0].x, ways[0].seen, ways[0].sigmas)],
        "falls": bool((ways[0].sigmas.diff() < 0).all()),
    }


def main() -> None:
    types = comfy.model_base.ModelType
    plain, same = learns(types.EPS, False)
    checkpointed, _ = learns(types.EPS, True)
    answer = {
        "unknown": unknown_names(False) + unknown_names(True),
        "losses": plain,
        "checkpointed": checkpointed,
        "to the end": blocks_computed_again_to_their_ends(),
        "host_untouched": same,
        "several": [several(False), several(True)],
        "several_readers": several_readers(),
        "words": trained_words(),
        "lazy": on_a_lazy_host(),
        "handles": beside_handles(),
        "packed": packed(),
        "decoded": decoded(CHECKPOINT),
        "sdxl": refusal(comfy.supported_models.SDXL(dict(SDXL))),
        "sd15": refusal(comfy.supported_models.SD15({"in_channels": 4})),
        "sd20": refusal(comfy.supported_models.SD20({"in_channels": 4})),
        "inpainting": refusal(comfy.supported_models.SD15({"in_channels": 9})),
        "edm": refusal(comfy.supported_models.SDXL(dict(SDXL)), model_type=types.EDM),
    }
    sys.stdout.write(json.dumps(answer))


main()
