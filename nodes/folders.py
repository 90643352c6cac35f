"""Where the pack keeps an artist's own files in a ComfyUI installation: models/portrait_studio/<kind>/."""

from __future__ import annotations

from pathlib import Path

import folder_paths


def own_folder(kind: str) -> Path:
    """Return the folder of "poses", "tones", "subjects" or "recognisers"; it need not exist."""
    return models_folder("portrait_studio") / kind


def models_folder(name: str) -> Path:
    """Return a sub-folder of the host's models folder; it need not exist."""
    return Path(folder_paths.models_dir) / name
