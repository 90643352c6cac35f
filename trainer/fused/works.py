"""Whether the kernels run here."""

from __future__ import annotations

import functools
import logging

import torch

log = logging.getLogger("portrait_studio")

OLDEST = (8, 0)
"""The first cards that compute in bfloat16 (NVIDIA's compute capability)."""


@functools.cache
def usable(device: torch.device) -> bool:
    """Return whether the kernels run on a device; tried once. What keeps them from it is said in the log."""
    if device.type != "cuda" or not torch.version.cuda or torch.cuda.get_device_capability(device) < OLDEST:
        return False
    try:
        from . import merged

        with torch.inference_mode(False):
            one, two = torch.ones(2, 8, dtype=torch.bfloat16, device=device)
            merged.merge(one, one, two)
            return bool((two == 2).all())
    except Exception as error:  # no Triton, no C compiler, no room for its cache: whatever it is, torch's own will do
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        log.info("Training goes on without fused kernels: %s", reason)
        return False
