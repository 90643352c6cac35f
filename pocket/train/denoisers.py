"""The phases unet, openpose and tile: what predicts the noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from . import export
from .data import SIZE
from .diffusion import ALPHA, noised
from .latents import Pool
from .machine import TimedTraining, autocast, meet, rank
from .networks import ControlNet, UNet
from .settings import RankSettings, channels_last, faster, pictures, train

QUANTISE_FROM = 0.8
EMPTY = 0.1


def unet(settings: RankSettings, seconds: float, until: float, rate: float) -> dict[str, float]:
    """Train the UNet on all views; the schedule is for `seconds`, and this call stops at `until`."""
    torch.manual_seed(0)
    network = UNet().to(settings.device)
    last = network.out[2]
    assert isinstance(last, nn.Conv2d)
    nn.init.zeros_(last.weight)
    run = TimedTraining(network, settings.path("unet.safetensors"), seconds, until=until, rate=rate, average_over=500)
    pool, call = Pool(settings), faster(network, settings)

    def loss() -> torch.Tensor:
        index = pool.any(settings.batch)
        t = torch.randint(0, 1000, (settings.batch,), device=settings.device)
        x, noise, weight = noised(pool.latents[index].float(), t, pool.alpha)
        if run.trained > QUANTISE_FROM * run.seconds:
            run.quantised(*export.UNET)
        with autocast(settings.device):
            guess = call(channels_last(x, settings), t, pool.text(index, EMPTY))
        return (weight * (pool.importance(index) * (guess.float() - noise).square()).mean((1, 2, 3))).mean()

    result = train("unet", run, loss, settings.batch)
    if rank() == 0:
        export.unet(settings.work, run.averaged())
    meet()
    return result


FROZEN = ("time_embed", "emb_layers", "transformer_blocks", "proj_in", "proj_out")
"""What a ControlNet shares with the UNet unchanged, so that it need not be stored."""


def controlnet(settings: RankSettings, unet: UNet) -> ControlNet:
    """Return a ControlNet that begins as the UNet and adds nothing yet; what is FROZEN is not trained."""
    torch.manual_seed(1)
    network = ControlNet()
    network.load_state_dict(unet.state_dict(), strict=False)
    for part in (*network.zero_convs, network.middle_block_out):
        for tensor in part.parameters():
            nn.init.zeros_(tensor)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not any(part in name for part in FROZEN))
    return network.to(settings.device)


class Controlled(nn.Module):
    """A UNet and its ControlNet as one network."""

    def __init__(self, unet: UNet, control: ControlNet):
        super().__init__()
        self.unet, self.control = unet, control

    def forward(self, x: torch.Tensor, t: torch.Tensor, context: torch.Tensor, hint: torch.Tensor) -> torch.Tensor:
        """Return the noise [B, 4, H, W] under a hint [B, 3, 8 H, 8 W]."""
        return self.unet(x, t, context, self.control(x, t, context, hint))


def _control(settings: RankSettings, name: str, seconds: float, until: float, rate: float, draw) -> dict[str, float]:
    base = UNet()
    base.load_state_dict(export.stored(settings.work)["unet"])
    base.requires_grad_(False).to(settings.device)
    path = settings.path(f"{name}.safetensors")
    network = controlnet(settings, base)
    run = TimedTraining(network, path, seconds, rate=rate, until=until, average_over=300)
    call = faster(Controlled(base, network), settings)
    alpha = ALPHA.to(settings.device)

    def loss() -> torch.Tensor:
        z, t, codes, hint = draw(settings.control_batch)
        x, noise, weight = noised(z, t, alpha)
        with autocast(settings.device):
            guess = call(channels_last(x, settings), t, codes, channels_last(hint, settings))
        return (weight * (guess.float() - noise).square().mean((1, 2, 3))).mean()

    result = train(name, run, loss, settings.control_batch)
    if rank() == 0:
        export.controlnet(settings.work, name, run.averaged())
    meet()
    return result


def openpose(settings: RankSettings, seconds: float, until: float, rate: float) -> dict[str, float]:
    """Train the OpenPose ControlNet on plain, mirrored and graded views; two thirds of the steps at high noise."""
    pool = Pool(settings, maps=True)

    def draw(batch: int):
        base = torch.randint(0, pool.count, (batch,), device=settings.device)
        view = torch.randint(0, 3, (batch,), device=settings.device)
        t = (1000 * torch.rand(batch, device=settings.device).sqrt()).long().clamp(max=999)
        index = base + view * pool.count
        hint = pictures(pool.maps[base + (view == 1) * pool.count])
        return pool.latents[index].float(), t, pool.text(index, 0.3), hint

    return _control(settings, "openpose", seconds, until, rate, draw)


def tile(settings: RankSettings, seconds: float, until: float, rate: float) -> dict[str, float]:
    """Train the tile ControlNet: the hint is the picture itself, made 1 to 8 times smaller and enlarged again."""
    pool = Pool(settings, pictures=True)

    def draw(batch: int):
        own = torch.randint(0, len(pool.plain), (batch,), device=settings.device)
        index = torch.where(own < pool.count, own, own + 2 * pool.count)
        t = torch.randint(0, 1000, (batch,), device=settings.device)
        small = int(SIZE / float(torch.empty(()).uniform_(1, 8)))
        mode = ("bilinear", "bicubic")[int(torch.randint(0, 2, ()))]
        hint = F.interpolate(pictures(pool.plain[own]), (small, small), mode=mode, antialias=True)
        hint = F.interpolate(hint, (SIZE, SIZE), mode="bicubic").clamp(0, 1)
        return pool.latents[index].float(), t, pool.text(index, 0.3), hint

    return _control(settings, "tile", seconds, until, rate, draw)
