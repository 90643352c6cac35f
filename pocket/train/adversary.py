"""A discriminator of patches: what a decoded picture lacks beside a real one, as a gradient for the decoder.

Patches as in Isola et al. 2017, the hinge loss of Lim and Ye 2017.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from .machine import average

WIDTHS = (64, 128, 192, 192)
DETAIL = 8.0
"""How many times the finest detail is shown enlarged beside the picture: that is what it is asked about."""


class Adversary(nn.Module):
    """Judges squares of about 34 px of pictures [B, 3, H, W] (0..1), and learns as it judges."""

    def __init__(self, device: torch.device, rate: float = 2e-4):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(6, WIDTHS[0], 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for (inputs, outputs), stride in zip(pairwise(WIDTHS), (2, 2, 1), strict=True):
            layers += [nn.Conv2d(inputs, outputs, 4 if stride == 2 else 3, stride=stride, padding=1)]
            layers += [nn.GroupNorm(8, outputs), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, nn.Conv2d(WIDTHS[-1], 1, 3, padding=1))
        self.to(device)
        self.optimiser = torch.optim.Adam(self.parameters(), rate, betas=(0.5, 0.9))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return how real every patch looks, [B, 1, H / 8, W / 8]: above 1 surely real, below -1 surely made."""
        fine = x - F.avg_pool2d(x, 5, 1, 2, count_include_pad=False)
        return self.body(torch.cat([2 * x - 1, DETAIL * fine], 1))

    def pull(self, y: torch.Tensor) -> torch.Tensor:
        """Return the gradient [B, 3, H, W] of the loss of decoded pictures y for not looking real."""
        self.requires_grad_(False)
        with torch.enable_grad():
            made = y.detach().requires_grad_(True)
            (side,) = torch.autograd.grad(-self(made).float().mean(), made)
        self.requires_grad_(True)
        return side

    def learn(self, y: torch.Tensor, x: torch.Tensor) -> float:
        """Take one step towards telling decoded pictures y from real ones x; return the loss (2: it cannot)."""
        made, real = self(torch.cat([y.detach(), x])).float().chunk(2)
        loss = F.relu(1 + made).mean() + F.relu(1 - real).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average([p.grad for p in self.parameters() if p.grad is not None])
        self.optimiser.step()
        return loss.item()
