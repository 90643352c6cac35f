"""The sample prompts as the JSON file that sd-scripts reads; options inside a prompt's text stay text there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..settings import TrainSettings

FILE = "prompts.json"
MAX_SEED = 2**32  # numpy's, which sd-scripts seeds too


@dataclass(frozen=True)
class SamplePrompt:
    """One sample: what is wanted, what is not, and the seed of its noise."""

    text: str
    negative: str = ""
    seed: int = 0


def write(
    prompts: Sequence[SamplePrompt], settings: TrainSettings, folder: Path, size: tuple[int, int] | None = None
) -> Path:
    """Write the prompts and return the file's path; pictures of `size` (width, height), a square when None."""
    width, height = size or (settings.resolution // 8 * 8,) * 2
    rows: list[dict[str, Any]] = [
        {
            "prompt": prompt.text,
            "negative_prompt": prompt.negative,
            "width": width,
            "height": height,
            "sample_steps": settings.sample_steps,
            "scale": settings.sample_cfg,
            "seed": prompt.seed % MAX_SEED,
        }
        for prompt in prompts
    ]
    path = folder / FILE
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return path
