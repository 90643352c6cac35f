"""Writes an SD1.5-layout checkpoint of random weights (2.1 GB, fp16), with the network classes of sd-scripts.

Runs in sd-scripts' environment, with its folder as PYTHONPATH: python random_sd15.py FILE
"""

import sys

import torch
from diffusers import AutoencoderKL
from library import model_util
from library.original_unet import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

torch.manual_seed(0)
text = CLIPTextConfig(  # that of openai/clip-vit-large-patch14
    vocab_size=49408,
    hidden_size=768,
    intermediate_size=3072,
    num_hidden_layers=12,
    num_attention_heads=12,
    max_position_embeddings=77,
    hidden_act="quick_gelu",
    projection_dim=768,
)
model_util.save_stable_diffusion_checkpoint(
    False,
    sys.argv[1],
    CLIPTextModel(text),
    UNet2DConditionModel(**model_util.create_unet_diffusers_config(False)),
    None,
    0,
    0,
    None,
    torch.float16,
    AutoencoderKL(**model_util.create_vae_diffusers_config()),
)
