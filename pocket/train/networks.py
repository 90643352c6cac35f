"""The pocket networks, with the parameter names and the arithmetic that ComfyUI uses, and nothing else.

What is trained here is loaded by ComfyUI key for key (tests/pocket/test_host.py compares their outputs). Sources:
the latent-diffusion UNet and ControlNet (CompVis/latent-diffusion, lllyasviel/ControlNet), TAESD (madebyollin/taesd)
and SRVGGNetCompact (xinntao/Real-ESRGAN).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


@dataclass(frozen=True)
class UNetShape:
    """The shape of the UNet and of its ControlNets.

    ComfyUI knows a file as SD1.5 by 320 channels and a context of 768; it reads the rest from the keys.
    """

    channels: int = 320
    context: int = 768
    heads: int = 8
    latent: int = 4
    res_blocks: tuple[int, ...] = (1, 1)
    attention: tuple[bool, ...] = (False, True)


POCKET = UNetShape()


def timestep_embedding(t: torch.Tensor, width: int) -> torch.Tensor:
    """Return the sinusoidal embedding [B, width] of timesteps [B] (0..999), cosines first."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angles = t[:, None].float() * frequencies[None]
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)


class ResBlock(nn.Module):
    """Two 3x3 convolutions with the time embedding added between them."""

    def __init__(self, inputs: int, outputs: int, embedding: int):
        super().__init__()
        self.in_layers = nn.Sequential(nn.GroupNorm(32, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(32, outputs), nn.SiLU(), nn.Identity(), nn.Conv2d(outputs, outputs, 3, padding=1)
        )
        self.skip_connection = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Return [B, outputs, H, W]."""
        h = self.in_layers(x) + self.emb_layers(embedding)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)


class Attention(nn.Module):
    """Multi-head attention of [B, N, width] over itself or over a context [B, M, context]."""

    def __init__(self, width: int, context: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Identity())

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return [B, N, width]."""

        def split(y: torch.Tensor) -> torch.Tensor:
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        y = F.scaled_dot_product_attention(split(self.to_q(x)), split(self.to_k(context)), split(self.to_v(context)))
        return self.to_out(y.transpose(1, 2).flatten(2))


class GEGLU(nn.Module):
    """A linear layer gated by the GELU of its second half."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.proj = nn.Linear(width, 2 * hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [..., hidden]."""
        x, gate = self.proj(x).chunk(2, dim=-1)
        return x * F.gelu(gate)


class FeedForward(nn.Module):
    """The transformer's gated two-layer network."""

    def __init__(self, width: int):
        super().__init__()
        self.net = nn.Sequential(GEGLU(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [..., width]."""
        return self.net(x)


class TransformerBlock(nn.Module):
    """Self-attention, attention over the text, feed-forward; each normalised and added."""

    def __init__(self, width: int, context: int, heads: int):
        super().__init__()
        self.attn1 = Attention(width, width, heads)
        self.ff = FeedForward(width)
        self.attn2 = Attention(width, context, heads)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return [B, N, width]."""
        n = self.norm1(x)
        x = x + self.attn1(n, n)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    """One transformer block over the pixels of a feature map."""

    def __init__(self, width: int, context: int, heads: int):
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.proj_in = nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(width, context, heads)])
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return [B, width, H, W]."""
        H, W = x.shape[-2:]
        y = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            y = block(y, context)
        return x + self.proj_out(y.transpose(1, 2).unflatten(2, (H, W)))


class Downsample(nn.Module):
    """Half the size by a strided convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [B, C, H / 2, W / 2]."""
        return self.op(x)


class Upsample(nn.Module):
    """Twice the size by nearest neighbours and a convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [B, C, 2 H, 2 W]."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class TimestepSequential(nn.Sequential):
    """Layers in a row, each given what it asks for."""

    # Sequential gives its layers one tensor; these take three, as in the layout of SD1.5.
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: torch.Tensor, embedding: torch.Tensor, context: torch.Tensor
    ) -> torch.Tensor:
        """Return the last layer's output."""
        for layer in self:
            if isinstance(layer, ResBlock):
                x = layer(x, embedding)
            elif isinstance(layer, SpatialTransformer):
                x = layer(x, context)
            else:
                x = layer(x)
        return x


class Encoder(nn.Module):
    """The half of the UNet that a ControlNet copies."""

    def __init__(self, shape: UNetShape = POCKET):
        super().__init__()
        self.shape = shape
        C, E = shape.channels, 4 * shape.channels

        def attention() -> SpatialTransformer:
            return SpatialTransformer(C, shape.context, shape.heads)

        self.time_embed = nn.Sequential(nn.Linear(C, E), nn.SiLU(), nn.Linear(E, E))
        blocks = [TimestepSequential(nn.Conv2d(shape.latent, C, 3, padding=1))]
        for level, count in enumerate(shape.res_blocks):
            for _ in range(count):
                blocks.append(TimestepSequential(ResBlock(C, C, E), *([attention()] if shape.attention[level] else [])))
            if level < len(shape.res_blocks) - 1:
                blocks.append(TimestepSequential(Downsample(C)))
        self.input_blocks = nn.ModuleList(blocks)
        self.middle_block = TimestepSequential(ResBlock(C, C, E), attention(), ResBlock(C, C, E))

    def embed(self, t: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Return the time embedding [B, 4 C] of timesteps [B]."""
        return self.time_embed(timestep_embedding(t, self.shape.channels).to(dtype))


class UNet(Encoder):
    """Predicts the noise in latents [B, 4, H, W] at timesteps [B] under a text code [B, 77, 768]."""

    def __init__(self, shape: UNetShape = POCKET):
        super().__init__(shape)
        C, E = shape.channels, 4 * shape.channels
        blocks = []
        for level in reversed(range(len(shape.res_blocks))):
            for i in range(shape.res_blocks[level] + 1):
                layers: list[nn.Module] = [ResBlock(2 * C, C, E)]
                if shape.attention[level]:
                    layers.append(SpatialTransformer(C, shape.context, shape.heads))
                if level and i == shape.res_blocks[level]:
                    layers.append(Upsample(C))
                blocks.append(TimestepSequential(*layers))
        self.output_blocks = nn.ModuleList(blocks)
        self.out = nn.Sequential(nn.GroupNorm(32, C), nn.SiLU(), nn.Conv2d(C, shape.latent, 3, padding=1))

    def forward(
        self, x: torch.Tensor, t: torch.Tensor, context: torch.Tensor, control: list[torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Return the noise [B, 4, H, W]; `control` is what ControlNet.forward returned."""
        embedding = self.embed(t, x.dtype)
        control = list(control or [])
        skips = []
        for block in self.input_blocks:
            x = block(x, embedding, context)
            skips.append(x)
        x = self.middle_block(x, embedding, context)
        if control:
            x = x + control.pop()
        for block in self.output_blocks:
            skip = skips.pop()
            if control:
                skip = skip + control.pop()
            x = block(torch.cat([x, skip], dim=1), embedding, context)
        return self.out(x)


HINT = ((3, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 96, 2), (96, 96, 1), (96, 256, 2))


class ControlNet(Encoder):
    """Adds to the UNet's skips what a picture [B, 3, 8 H, 8 W] (0..1) asks for."""

    def __init__(self, shape: UNetShape = POCKET):
        super().__init__(shape)
        C = shape.channels
        layers: list[nn.Module] = []
        for inputs, outputs, stride in HINT:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1, stride=stride), nn.SiLU()]
        self.input_hint_block = nn.Sequential(*layers, nn.Conv2d(HINT[-1][1], C, 3, padding=1))
        self.zero_convs = nn.ModuleList([nn.Sequential(nn.Conv2d(C, C, 1)) for _ in self.input_blocks])
        self.middle_block_out = nn.Sequential(nn.Conv2d(C, C, 1))

    def forward(
        self, x: torch.Tensor, t: torch.Tensor, context: torch.Tensor, hint: torch.Tensor
    ) -> list[torch.Tensor]:
        """Return one residual for every skip, in the encoder's order, and the middle's as the last."""
        embedding = self.embed(t, x.dtype)
        guide = self.input_hint_block(hint)
        residuals = []
        for i, (block, zero) in enumerate(zip(self.input_blocks, self.zero_convs, strict=True)):
            x = block(x, embedding, context)
            if i == 0:
                x = x + guide
            residuals.append(zero(x))
        x = self.middle_block(x, embedding, context)
        return [*residuals, self.middle_block_out(x)]


class VaeBlock(nn.Module):
    """TAESD's residual block of three convolutions."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Sequential(
            *(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [B, C, H, W]."""
        return F.relu(self.conv(x) + x)


class Clamp(nn.Module):
    """TAESD's soft clamp of latents to -3..3."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return 3 tanh(x / 3)."""
        return torch.tanh(x / 3) * 3


class Vae(nn.Module):
    """TAESD's layout: pictures [B, 3, H, W] (0..1) <-> latents [B, 4, H / 8, W / 8]."""

    def __init__(self, width: int = 64, latent: int = 4):
        super().__init__()
        encoder: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), VaeBlock(width)]
        decoder: list[nn.Module] = [Clamp(), nn.Conv2d(latent, width, 3, padding=1), nn.ReLU()]
        for _ in range(3):
            encoder += [nn.Conv2d(width, width, 3, padding=1, stride=2, bias=False)]
            encoder += [VaeBlock(width) for _ in range(3)]
            decoder += [VaeBlock(width) for _ in range(3)]
            decoder += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1, bias=False)]
        self.taesd_encoder = nn.Sequential(*encoder, nn.Conv2d(width, latent, 3, padding=1))
        self.taesd_decoder = nn.Sequential(*decoder, VaeBlock(width), nn.Conv2d(width, 3, 3, padding=1))

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the decoder's latents, before ComfyUI's `vae_scale` and `vae_shift`."""
        return self.taesd_encoder(x)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Return pictures, about 0..1, not clamped."""
        return self.taesd_decoder(z)


class Upscaler(nn.Module):
    """SRVGGNetCompact: pictures [B, 3, H, W] (0..1) -> [B, 3, 4 H, 4 W]."""

    def __init__(self, features: int = 64, layers: int = 16, scale: int = 4):
        super().__init__()
        self.scale = scale
        body: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(layers):
            body += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        self.body = nn.ModuleList([*body, nn.Conv2d(features, 3 * scale * scale, 3, padding=1)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the enlarged picture, not clamped."""
        y = x
        for layer in self.body:
            y = layer(y)
        return F.pixel_shuffle(y, self.scale) + F.interpolate(x, scale_factor=float(self.scale), mode="nearest")
