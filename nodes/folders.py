"""Where the pack keeps an artist's own files in a ComfyUI installation: models/portrait_studio/<kind>/.

Files that other packs read too are where those look: in a folder of models/ by the name that the field uses.
"""

from __future__ import annotations

from pathlib import Path

import folder_paths


def own_folder(kind: str) -> Path:
    """Return the folder of "poses", "tones", "subjects" or "recognisers"; it need not exist."""
    return models_folder("portrait_studio") / kind


def models_folder(name: str) -> Path:
    """Return a sub-folder of the host's models folder; it need not exist."""
    return Path(folder_paths.models_dir) / name


def model_files(name: str) -> list[str]:
    """Return the .safetensors files of a folder of models by the names that the host has for them.

    A folder that no pack has named yet is models/<name>; from then on extra_model_paths.yaml counts for it as well.
    """
    folder_paths.add_model_folder_path(name, str(models_folder(name)))
    try:
        listed = folder_paths.get_filename_list(name)
    except OSError:  # the host remembers a folder that was taken away meanwhile
        return []
    return [file for file in listed if file.lower().endswith(".safetensors")]


def model_file(name: str, file: str) -> Path | None:
    """Return a file of a folder of models, None when the host has none of that name."""
    found = folder_paths.get_full_path(name, file)
    return Path(found) if found else None
