"""Tone filter against Pillow's Color3DLUT: 2048 x 2048, one core, the same LUT. Prints the ratio and the difference.

Run: python benchmarks/tone_filter.py [--out FILE]
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from machine import facts, keep, parser
from PIL import Image, ImageFilter

from portrait_studio.portrait import tones

SIDE = 2048
ROUNDS = 9


def best_of(*works: Callable[[], object]) -> list[float]:
    """Return the least seconds of each of `works`, run in turns so that a busy machine slows them alike."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, seconds in zip(works, times, strict=True):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
    return [min(seconds) for seconds in times]


def picture() -> Image.Image:
    """Return a photograph with fine grain, so that neighbouring pixels take different ways through the LUT."""
    from skimage.data import astronaut

    photo = Image.fromarray(astronaut()).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(1).normal(0, 4, (SIDE, SIDE, 3))
    return Image.fromarray(np.clip(np.asarray(photo) + grain, 0, 255).astype(np.uint8))


def main() -> None:
    """Measure and print."""
    options = parser(__doc__).parse_args()
    about = facts()
    torch.set_num_threads(1)
    photo = picture()
    image = torch.from_numpy(np.array(photo)).float()[None] / 255
    lut = tones.load("teal-and-orange").protected_lut()
    pillow = ImageFilter.Color3DLUT(len(lut), lut.transpose(2, 1, 0, 3).ravel().tolist())

    theirs, ours = best_of(lambda: photo.filter(pillow), lambda: tones.apply(image, lut))
    difference = np.abs(tones.apply(image, lut)[0].numpy() * 255 - np.asarray(photo.filter(pillow), np.float32)).max()
    print(f"{SIDE} x {SIDE}, LUT of {len(lut)} points, one core, best of {ROUNDS}")
    print(f"  Pillow Color3DLUT (8 bit)   {theirs * 1000:7.1f} ms")
    print(f"  tones.apply (32-bit float)  {ours * 1000:7.1f} ms")
    print(f"  ratio {ours / theirs:.2f} (at most 2), largest difference {difference:.2f}/255 (at most 1)")
    keep(
        options.out,
        {
            "side": SIDE,
            "lut_points": len(lut),
            "pillow_ms": round(theirs * 1000, 1),
            "ours_ms": round(ours * 1000, 1),
            "ratio": round(ours / theirs, 2),
            "largest_difference_of_255": round(float(difference), 2),
            "machine": about,
        },
    )


if __name__ == "__main__":
    main()
