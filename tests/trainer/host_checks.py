"""Run by test_native.py in a process of its own, since ComfyUI reads the command line and keeps its state in modules.

Prints one JSON object. The models are built by ComfyUI's own classes: SDXL's layers without memory ("meta"), and an
SDXL narrow enough to train.
"""

# ruff: noqa: E402 - ComfyUI must have read the command line before its other modules are imported.

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

sys.path.insert(0, sys.argv[1])
sys.argv = [sys.argv[0], "--cpu"]

import comfy.options

comfy.options.enable_args_parsing()

import comfy.lora
import comfy.model_base
import comfy.model_patcher
import comfy.ops
import comfy.sd1_clip
import comfy.sdxl_clip
import comfy.supported_models
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

from portrait_studio.trainer import native, text_encoder
from portrait_studio.trainer.lora import Lora

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
    holder = torch.nn.Module()
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
        prompts = model.words(["a", "bb"])
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

    def tokenize(self, text: str) -> dict:
        return self.tokenizer.tokenize_with_weights(text)

    def load_model(self) -> None:
        pass

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
            text.words(texts[:1])
        lora = Lora(text.layers, 2, 2.0)
        with torch.inference_mode(False), torch.enable_grad(), lora.attached():
            prompts = text.words(texts)
            sum(prompt.context.square().sum() for prompt in prompts).backward()
        apart = [float((p.context - clip.own(t)).abs().max()) for p, t in zip(prompts, texts, strict=True)]
        farthest = max(farthest, *apart)
        learning = sum(
            bool(adapter.up.grad is not None and adapter.up.grad.any()) for adapter in lora.adapters.values()
        )
    sections = len(prompts[1].context) // 77
    return {"farthest": farthest, "reads": len(reads) / 2, "sections": sections, "learning": learning}


def main() -> None:
    types = comfy.model_base.ModelType
    plain, same = learns(types.EPS, False)
    checkpointed, _ = learns(types.EPS, True)
    answer = {
        "unknown": unknown_names(False) + unknown_names(True),
        "losses": plain,
        "checkpointed": checkpointed,
        "host_untouched": same,
        "words": trained_words(),
        "sdxl": refusal(comfy.supported_models.SDXL(dict(SDXL))),
        "sd15": refusal(comfy.supported_models.SD15({"in_channels": 4})),
        "sd20": refusal(comfy.supported_models.SD20({"in_channels": 4})),
        "inpainting": refusal(comfy.supported_models.SD15({"in_channels": 9})),
        "edm": refusal(comfy.supported_models.SDXL(dict(SDXL)), model_type=types.EDM),
    }
    sys.stdout.write(json.dumps(answer))


main()
