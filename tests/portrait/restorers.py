"""Restoration networks of spandrel's own architectures, as small as they come, with random weights."""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from safetensors.torch import save, save_file


@functools.cache
def restore_former() -> bytes:
    """A .safetensors file of RestoreFormer: every width at the least that its normalisations take."""
    from spandrel.architectures.RestoreFormer import RestoreFormer

    torch.manual_seed(3)
    made = RestoreFormer(
        n_embed=64,
        embed_dim=32,
        ch=32,
        out_ch=3,
        ch_mult=(1,) * 6,
        num_res_blocks=1,
        attn_resolutions=(16,),
        dropout=0.0,
        in_channels=3,
        resolution=512,
        z_channels=32,
        double_z=False,
        enable_mid=True,
        head_size=8,
    )
    return save(made.state_dict())


def gfpgan(path: Path) -> Path:
    """GFPGAN, which spandrel has in one size only, written at half precision under the prefix of its publishers."""
    from spandrel.architectures.GFPGAN import GFPGAN

    torch.manual_seed(3)
    tensors = {f"params_ema.{name}": each.half().contiguous() for name, each in GFPGAN().state_dict().items()}
    save_file(tensors, path)
    return path


def upscaler() -> bytes:
    """A .safetensors file of a small ESRGAN: a network that spandrel loads, and no restorer."""
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(3)
    return save(ESRGAN(num_filters=8, num_blocks=1, scale=2).state_dict())
