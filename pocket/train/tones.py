"""Training pictures graded by the tone presets, so that the presets' words mean something to the model."""

from __future__ import annotations

import numpy as np
import torch

from ...portrait import tones


def grade(images: torch.Tensor, captions: list[str], seed: int) -> tuple[torch.Tensor, list[str]]:
    """Return pictures [N, 3, S, S] uint8, each under a random tone preset at strength .7 to 1, and their captions.

    The preset's words stand before the caption or after it.
    """
    rng = np.random.default_rng(seed)
    presets = [tones.load(name) for name in tones.names()]
    choice = rng.integers(len(presets), size=len(images))
    out, words = torch.empty_like(images), list(captions)
    for number, preset in enumerate(presets):
        lut = preset.protected_lut()
        index = np.flatnonzero(choice == number)
        for part in np.array_split(index, max(1, len(index) // 64)):
            if not len(part):
                continue
            on = torch.from_numpy(part).to(images.device)
            x = images[on].permute(0, 2, 3, 1).float() / 255
            y = tones.apply(x, lut, float(rng.uniform(0.7, 1.0)))
            out[on] = (y.clamp(0, 1) * 255).round().byte().permute(0, 3, 1, 2)
            for i in part:
                before = rng.random() < 0.5
                words[i] = f"{preset.words}, {captions[i]}" if before else f"{captions[i]}, {preset.words}"
    return out, words
