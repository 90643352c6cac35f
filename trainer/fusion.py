"""Several LoRAs of one training made one: their changes of the weights are averaged, not their factors.

Averaging `up` and `down` apart, as EasyPhoto does, multiplies the up of one step with the down of another. Here the
mean of the products is taken and brought back to the rank by its singular values, exactly the best approximation in the
least squares sense (Eckart and Young 1936).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from .lora import ALPHA, DOWN, UP, LoraError

StateDict = Mapping[str, torch.Tensor]


def fuse(states: Sequence[StateDict], weights: Sequence[float] | None = None) -> dict[str, torch.Tensor]:
    """Return the LoRA nearest to the weighted mean of the changes of `states`, in the rank that the first has.

    `weights` (default: equal) are divided by their sum. Raises LoraError when there is nothing to fuse or the LoRAs
    have different layers.
    """
    if not states:
        raise LoraError("There is no LoRA to fuse; train at least one checkpoint.")
    if any(set(state) != set(states[0]) for state in states):
        raise LoraError("These LoRAs change different layers and cannot be fused; use checkpoints of one training.")
    shares = torch.tensor(weights if weights is not None else [1.0] * len(states), dtype=torch.float64)
    shares = (shares / shares.sum()).tolist()
    fused = {}
    for name in sorted(key.removesuffix(DOWN) for key in states[0] if key.endswith(DOWN)):
        fused |= _fused_layer(name, states, shares)
    return fused


def change(state: StateDict, name: str) -> torch.Tensor:
    """Return the change of the weight `[out, in * k * k]` of the layer `name`, float64."""
    up, down = state[name + UP].double().flatten(1), state[name + DOWN].double().flatten(1)
    return up @ down * (float(state[name + ALPHA]) / down.shape[0])


def _fused_layer(name: str, states: Sequence[StateDict], shares: Sequence[float]) -> dict[str, torch.Tensor]:
    first_down, first_up = states[0][name + DOWN], states[0][name + UP]
    rank, alpha = first_down.shape[0], float(states[0][name + ALPHA])
    # The mean is ups @ downs with k * rank columns; the small core between their QR factors holds its singular values.
    scaled = [
        state[name + UP].double().flatten(1) * (share * float(state[name + ALPHA]) / state[name + DOWN].shape[0])
        for state, share in zip(states, shares, strict=True)
    ]
    ups, downs = torch.cat(scaled, 1), torch.cat([state[name + DOWN].double().flatten(1) for state in states])
    left, left_core = torch.linalg.qr(ups)
    right, right_core = torch.linalg.qr(downs.T)
    u, s, v = torch.linalg.svd(left_core @ right_core.T)
    count = min(rank, len(s))
    root = (s[:count] * (rank / alpha)).sqrt()
    up = torch.zeros(first_up.shape[0], rank, dtype=torch.float64)
    down = torch.zeros(rank, downs.shape[1], dtype=torch.float64)
    up[:, :count] = left @ u[:, :count] * root
    down[:count] = root[:, None] * (v[:count] @ right.T)
    return {
        name + DOWN: down.reshape(first_down.shape).float(),
        name + UP: up.reshape(first_up.shape).float(),
        name + ALPHA: torch.tensor(alpha),
    }
