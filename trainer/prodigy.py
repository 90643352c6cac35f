"""Prodigy (Mishchenko and Defazio 2023, arXiv:2306.06101): AdamW that finds the size of its steps by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch


class Prodigy(torch.optim.Optimizer):
    """Algorithm 4 of the paper with decoupled weight decay, bias correction and the safeguard for warm-up.

    `lr` is a factor, 1 as a rule. The estimate `d` of the distance to the solution is shared by all parameters and
    lies in the first group, as do the two sums that it is the quotient of.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        d0: float = 1e-6,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
        self.param_groups[0].update(d=d0, d0=d0, numerator=0.0, k=0)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]: no loss is handed back
        """Move every parameter that has a gradient."""
        first = self.param_groups[0]
        d, d0, beta3 = first["d"], first["d0"], math.sqrt(first["betas"][1])
        first["k"] += 1
        numerator, denominator, rates = first["numerator"] * beta3, 0.0, []
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            corrected = math.sqrt(1 - beta2 ** first["k"]) / (1 - beta1 ** first["k"])
            rates.append(d * group["lr"] * corrected)
            for p in (p for p in group["params"] if p.grad is not None):
                state = self.state[p]
                if not state:
                    for name in ("exp_avg", "exp_avg_sq", "s"):
                        state[name] = torch.zeros_like(p)
                    state["start"] = p.detach().clone()
                numerator += d / d0 * rates[-1] * float(torch.sum(p.grad * (state["start"] - p)))
                state["exp_avg"].mul_(beta1).add_(p.grad, alpha=d * (1 - beta1))
                state["exp_avg_sq"].mul_(beta2).addcmul_(p.grad, p.grad, value=d * d * (1 - beta2))
                state["s"].mul_(beta3).add_(p.grad, alpha=d / d0 * d)
                denominator += float(state["s"].abs().sum())
        first["numerator"] = numerator
        if denominator:
            first["d"] = max(d, numerator / denominator)
        for group, rate in zip(self.param_groups, rates, strict=True):
            for p in (p for p in group["params"] if p.grad is not None):
                state = self.state[p]
                p.mul_(1 - group["weight_decay"] * rate)
                p.addcdiv_(state["exp_avg"], state["exp_avg_sq"].sqrt().add_(d * group["eps"]), value=-rate)
