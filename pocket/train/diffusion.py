"""Stable Diffusion 1.5's noise schedule, its loss, and a sampler for looking at samples while training."""

from __future__ import annotations

from collections.abc import Callable

import torch

# SD1.5: "scaled linear" betas from 0.00085 to 0.012 in 1000 steps (CompVis/stable-diffusion, v1-inference.yaml).
ALPHA = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0).float()
SIGMA = ((1 - ALPHA) / ALPHA).sqrt()
SNR_CAP = 5.0


def noised(z: torch.Tensor, t: torch.Tensor, alpha: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return noisy latents, their noise, and each sample's loss weight [B] (min-SNR, Hang et al. 2023, gamma 5)."""
    noise = torch.randn_like(z)
    a = alpha[t][:, None, None, None]
    snr = alpha[t] / (1 - alpha[t])
    return a.sqrt() * z + (1 - a).sqrt() * noise, noise, snr.clamp(max=SNR_CAP) / snr


@torch.no_grad()
def sample(
    predict: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], noise: torch.Tensor, steps: int = 12
) -> torch.Tensor:
    """Return latents by DPM-Solver++(2M) on Karras sigmas, as ComfyUI's dpmpp_2m with scheduler karras.

    `predict` gets latents [B, 4, H, W] scaled as in training and timesteps [B], and returns the (guided) noise.
    """
    sigmas = SIGMA.to(noise.device)
    ramp = torch.linspace(0, 1, steps, device=noise.device)
    low, high = sigmas[0] ** (1 / 7), sigmas[-1] ** (1 / 7)
    s = torch.cat([(high + ramp * (low - high)) ** 7, torch.zeros(1, device=noise.device)])
    x, before = noise * (1 + s[0] ** 2).sqrt(), None
    for i in range(steps):
        t = torch.argmin((sigmas.log() - s[i].log()).abs()).float().expand(len(x))
        clean = x - s[i] * predict(x / (1 + s[i] ** 2).sqrt(), t)
        if s[i + 1] == 0:
            return clean
        h = (s[i] / s[i + 1]).log()
        mixed = clean
        if before is not None:
            r = (s[i - 1] / s[i]).log() / h
            mixed = (1 + 1 / (2 * r)) * clean - before / (2 * r)
        x = s[i + 1] / s[i] * x - torch.expm1(-h) * mixed
        before = clean
    return x
