"""Run by test_family.py in a process of its own, since ComfyUI reads the command line and keeps its state in modules.

Prints one JSON object: for the layers of each family, without memory ("meta"), what ComfyUI's own detection makes of
them and what our node calls that.
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

import comfy.model_detection
import comfy.ops
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

from portrait_studio.nodes.family import kind_of

# As the entries of comfy/model_detection.py, unet_config_from_diffusers_unet; the pocket one has two levels.
COMMON = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "use_spatial_transformer": True,
    "legacy": False,
}
SD15 = COMMON | {
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "transformer_depth_middle": 1,
    "context_dim": 768,
    "num_heads": 8,
}
KINDS = {
    "pocket": SD15
    | {
        "num_res_blocks": [1, 1],
        "channel_mult": [1, 1],
        "transformer_depth": [1, 1],
        "transformer_depth_output": [1, 1, 1, 1],
    },
    "SD1.5": SD15,
    "SDXL": COMMON
    | {
        "num_res_blocks": [2, 2, 2],
        "channel_mult": [1, 2, 4],
        "transformer_depth": [0, 0, 2, 2, 10, 10],
        "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
        "transformer_depth_middle": 10,
        "context_dim": 2048,
        "num_head_channels": 64,
        "use_linear_in_transformer": True,
        "num_classes": "sequential",
        "adm_in_channels": 2816,
    },
    "SD2": SD15 | {"context_dim": 1024, "use_linear_in_transformer": True, "num_heads": -1, "num_head_channels": 64},
}


def family(config: dict) -> str:
    network = UNetModel(**config, device=torch.device("meta"), operations=comfy.ops.disable_weight_init)
    found = comfy.model_detection.model_config_from_unet(network.state_dict(), "")
    return kind_of(SimpleNamespace(model=SimpleNamespace(model_config=found)))


sys.stdout.write(json.dumps({name: family(config) for name, config in KINDS.items()}) + "\n")
