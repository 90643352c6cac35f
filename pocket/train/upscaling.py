"""The phase upscaler."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from . import export
from .data import SIZE
from .machine import TimedTraining, autocast, load_mean, meet, rank
from .networks import Upscaler, Vae
from .settings import RankSettings, channels_last, faster, gradients, pictures, train


def upscaler(settings: RankSettings, seconds: float, batch: int) -> dict[str, float]:
    """Train the x4 upscaler on large renders made smaller, half of them after a round trip through the VAE."""
    large = settings.people("large").images
    coder = load_mean(Vae(), settings.path("vae.safetensors")).to(settings.device).eval()
    small, coded = [], []
    with torch.no_grad():
        for chunk in large.split(32):
            x = F.interpolate(pictures(chunk), (SIZE, SIZE), mode="bicubic", antialias=True).clamp(0, 1)
            with autocast(settings.device):
                y = coder.decode(coder.encode(x)).float().clamp(0, 1)
            small.append((x * 255).round().byte())
            coded.append((y * 255).round().byte())
    inputs = torch.stack([torch.cat(small), torch.cat(coded)])
    torch.manual_seed(2)
    network = Upscaler()
    begin_bilinear(network)
    run = TimedTraining(
        network.to(settings.device), settings.path("upscaler.safetensors"), seconds, rate=1e-3, decay_from=0.3
    )
    call, side = faster(network, settings), 64

    def loss() -> torch.Tensor:
        low, high = [], []
        for _ in range(max(1, batch // 8)):
            i, kind = int(torch.randint(0, len(large), ())), int(torch.randint(0, 2, ()))
            for _ in range(8):
                x, y = torch.randint(0, SIZE - side + 1, (2,)).tolist()
                low.append(inputs[kind, i, :, y : y + side, x : x + side])
                high.append(large[i, :, 4 * y : 4 * (y + side), 4 * x : 4 * (x + side)])
        a, b = pictures(torch.stack(low)), pictures(torch.stack(high))
        with autocast(settings.device):
            guess = call(channels_last(a, settings))
        guess = guess.float()
        edges = sum((p - q).abs().mean() for p, q in zip(gradients(guess), gradients(b), strict=True))
        return F.l1_loss(guess, b) + edges

    result = train("upscaler", run, loss, batch, every=50)
    if rank() == 0:
        export.upscaler(settings.work, run.averaged())
    meet()
    return result


@torch.no_grad()
def begin_bilinear(network: Upscaler) -> None:
    """Set an upscaler's weights to bilinear interpolation, with random features beside it to learn from.

    torch's own start lets the signal die out within sixteen layers. Here 27 features carry the 3 x 3 neighbourhood of
    every pixel through all layers unchanged, and the last one weighs them; the others start as in He et al. (2015).
    """
    first, *middle, last = (layer for layer in network.body if isinstance(layer, nn.Conv2d))
    carried, scale = 27, network.scale
    for layer in (first, *middle):
        nn.init.kaiming_normal_(layer.weight, a=0.25)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
        layer.weight[:carried] = 0
    for layer in middle:
        layer.weight[torch.arange(carried), torch.arange(carried), 1, 1] = 1
    for channel in range(3):
        for tap in range(9):
            first.weight[channel * 9 + tap, channel, tap // 3, tap % 3] = 1
    for layer in network.body:
        if isinstance(layer, nn.PReLU):
            layer.weight[:carried] = 1
    nn.init.zeros_(last.weight)
    assert last.bias is not None
    nn.init.zeros_(last.bias)
    for y, x in itertools.product(range(scale), repeat=2):
        down, right = ((i + 0.5) / scale - 0.5 for i in (y, x))
        vertical, across = ([max(0.0, -d), 1 - abs(d), max(0.0, d)] for d in (down, right))
        weights = torch.outer(torch.tensor(vertical), torch.tensor(across))
        weights[1, 1] -= 1  # the network adds to the nearest neighbour
        for channel in range(3):
            row = last.weight[channel * scale**2 + y * scale + x]
            row[channel * 9 : channel * 9 + 9, 1, 1] = weights.flatten()
