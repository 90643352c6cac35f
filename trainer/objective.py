"""What training minimises: the weighted error of the noise (or velocity) that the network predicts.

Everything random about a pass is a function of the seed and the number of the pass, so that a training which was
interrupted goes on exactly as it would have.
"""

from __future__ import annotations

import torch


def generator(seed: int, step: int, part: int = 0) -> torch.Generator:
    """Return the source of randomness of one pass (`part`) of one step, on the CPU."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + part * 0x94D049BB133111EB) % 2**63
    return torch.Generator().manual_seed(mixed)


def timesteps(count: int, total: int, random: torch.Generator) -> torch.Tensor:
    """Return `count` timesteps of 0..total-1, one from each of `count` equal spans: all noise levels in every pass."""
    spans = torch.randperm(count, generator=random) + torch.rand(count, generator=random)
    return (spans * (total / count)).long().clamp_(0, total - 1)


def noise(shape: tuple[int, ...], offset: float, random: torch.Generator) -> torch.Tensor:
    """Return Gaussian noise `[B, C, H, W]`, each channel moved by `offset` times one more draw.

    The offset lets the model learn very dark and very light pictures (Guttenberg 2023, crosslabs.org/blog).
    """
    drawn = torch.randn(shape, generator=random)
    if offset:
        drawn += offset * torch.randn(*shape[:2], 1, 1, generator=random)
    return drawn


def snr_weight(sigma: torch.Tensor, gamma: float, velocity: bool) -> torch.Tensor:
    """Return the min-SNR weight of each noise level `[B]`; ones where gamma is 0.

    min(SNR, gamma) / SNR for a network that predicts noise, / (SNR + 1) for one that predicts velocity, with
    SNR = 1 / sigma^2 (Hang et al. 2023, arXiv:2303.09556, section 3.4).
    """
    if not gamma:
        return torch.ones_like(sigma)
    snr = sigma.double() ** -2
    return (snr.clamp(max=gamma) / (snr + (1 if velocity else 0))).to(sigma.dtype)


def noised(latent: torch.Tensor, drawn: torch.Tensor, sigma: torch.Tensor, velocity: bool) -> tuple[torch.Tensor, ...]:
    """Return the network's input and the answer it should give, both `[B, C, H, W]`, for noise levels `[B]`.

    `sigma` is the standard deviation of the noise added to the latent; the network sees it divided by
    sqrt(1 + sigma^2). Velocity is that of Salimans and Ho 2022 (arXiv:2202.00512).
    """
    sigma = sigma.view(-1, 1, 1, 1)
    root = (1 + sigma**2).sqrt()
    wanted = (drawn - sigma * latent) / root if velocity else drawn
    return (latent + sigma * drawn) / root, wanted


def face_weights(mask: torch.Tensor, strength: float) -> torch.Tensor:
    """Return weights `[B, 1, H, W]` of mean 1: a face (mask 1) counts 1 + `strength` times what the rest counts."""
    weights = 1 + strength * mask
    return weights / weights.mean((1, 2, 3), keepdim=True)


def loss(
    predicted: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor, of_picture: torch.Tensor
) -> torch.Tensor:
    """Return the mean over pictures of the squared error, weighted by place `[B, 1, H, W]` and by picture `[B]`."""
    error = (predicted.float() - wanted.float()).square() * weights
    return (error.mean((1, 2, 3)) * of_picture).mean()
