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

from portrait_studio.trainer import native
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
    ours |= native._text_layers(text, "sdxl")
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


def main() -> None:
    types = comfy.model_base.ModelType
    plain, same = learns(types.EPS, False)
    checkpointed, _ = learns(types.EPS, True)
    answer = {
        "unknown": unknown_names(False) + unknown_names(True),
        "losses": plain,
        "checkpointed": checkpointed,
        "host_untouched": same,
        "sdxl": refusal(comfy.supported_models.SDXL(dict(SDXL))),
        "sd15": refusal(comfy.supported_models.SD15({"in_channels": 4})),
        "sd20": refusal(comfy.supported_models.SD20({"in_channels": 4})),
        "inpainting": refusal(comfy.supported_models.SD15({"in_channels": 9})),
        "edm": refusal(comfy.supported_models.SDXL(dict(SDXL)), model_type=types.EDM),
    }
    sys.stdout.write(json.dumps(answer))


main()
