"""The phase warm: compiling beside the renderers."""

from __future__ import annotations

import torch

from .autoencoder import RoundTrip
from .data import SIZE, WINDOW
from .denoisers import Controlled, controlnet
from .machine import autocast
from .networks import UNet, Vae
from .settings import RankSettings, channels_last, faster


def warm(settings: RankSettings, vae_batch: int, control_batch: int) -> None:
    """Compile the networks on made-up data, so that the phases find them compiled; run it beside `render`."""
    if settings.device.type != "cuda":
        return
    device = settings.device
    call = faster(RoundTrip(Vae().to(device)), settings)
    with autocast(device):
        y, z = call(channels_last(torch.rand(vae_batch, 3, WINDOW, WINDOW, device=device), settings))
    (y.float().mean() + z.float().mean()).backward()
    base = UNet().to(device)
    x = torch.randn(settings.batch, 4, 32, 32, device=device)
    codes = torch.randn(settings.batch, 77, 768, device=device)
    t = torch.randint(0, 1000, (settings.batch,), device=device)
    call = faster(base, settings)
    with autocast(device):
        call(channels_last(x, settings), t, codes).float().mean().backward()
    base = UNet().to(device).requires_grad_(False)
    call = faster(Controlled(base, controlnet(settings, base)), settings)
    hint = channels_last(torch.rand(control_batch, 3, SIZE, SIZE, device=device), settings)
    x, t, codes = x[:control_batch].contiguous(), t[:control_batch].contiguous(), codes[:control_batch].contiguous()
    with autocast(device):
        call(channels_last(x, settings), t, codes, hint).float().mean().backward()
