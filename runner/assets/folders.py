"""Where a ComfyUI looks for model files: its own folders and those of extra_model_paths.yaml, in its own order."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...portrait import reading
from ...portrait.presets import shown
from ..client import PromptError

# Folder names with another place than models/<name>, and names that mean another (ComfyUI's folder_paths.py).
_PLACES = {
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("unet", "diffusion_models"),
    "controlnet": ("controlnet", "t2i_adapter"),
}
_LEGACY = {"unet": "diffusion_models", "clip": "text_encoders"}
_BESIDE_MODELS = ("custom_nodes", "datasets")
CONFIG = "extra_model_paths.yaml"
LONGEST_NAME = 200  # bytes; systems take 255, and an unfinished file's name is longer


@dataclass(frozen=True)
class ModelFolders:
    """The folders of a host, by the host's names for them; `paths` are the known ones, the first one searched first."""

    root: Path
    paths: Mapping[str, tuple[Path, ...]]

    def of(self, name: str) -> tuple[Path, ...]:
        """Return the folders that go by a name; a name that the host does not know stands for models/<name>.

        Raises PromptError for one that leads out of models/.
        """
        name = _LEGACY.get(name, name)
        return self.paths.get(name) or _own(self.root, relative(name).as_posix())

    def find(self, name: str, file: str) -> list[Path]:
        """Return every copy of a model file; the host loads the first. Raises PromptError as `place` does."""
        inside = relative(file)
        return [folder / inside for folder in self.of(name) if _is_file(folder / inside)]

    def place(self, name: str, file: str) -> Path:
        """Return where a model file belongs: in the folder that the host searches first.

        Raises PromptError for a name of a folder or a file that leads out of models/.
        """
        return self.of(name)[0] / relative(file)


def _own(comfyui: Path, name: str) -> tuple[Path, ...]:
    inside = comfyui if name in _BESIDE_MODELS else comfyui / "models"
    return tuple(inside / place for place in _PLACES.get(name, (name,)))


def relative(name: str) -> Path:
    """Return the name of a model, or of a folder of models, as a path that stays inside. Raises PromptError.

    Names that a system cannot have, hidden ones among them, are refused as well.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    whole = not parts.is_absolute() and ":" not in name and name.isprintable() and bool(parts.parts)
    if not whole or any(part.startswith(".") or len(part.encode()) > LONGEST_NAME for part in parts.parts):
        raise PromptError(
            f"The model name {shown(name)} points outside its folder: do not use the graph that asks for it"
        )
    return Path(*parts.parts)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a path too long for this system
        return False


def read_folders(comfyui: Path, configs: Sequence[Path] = (), beside: Path | None = None) -> ModelFolders:
    """Return the folders of a ComfyUI that need not run.

    `configs` are files as given to its --extra-model-paths-config, read after its own extra_model_paths.yaml; `beside`
    is a folder that is laid out like models/ and searched last. Raises PromptError for a file that cannot be read.
    """
    own = comfyui / CONFIG
    paths: dict[str, list[Path]] = {}

    def folder(name: str) -> list[Path]:
        name = _LEGACY.get(name, name)
        if name not in paths:
            paths[name] = list(_own(comfyui, name))
        return paths[name]

    for config in ([own] if own.is_file() else []) + list(configs):
        for name, path, first in _entries(config):
            known = folder(name)
            if path in known and not first:
                continue
            if path in known:
                known.remove(path)
            known.insert(0 if first else len(known), path)
    if beside is not None and beside.is_dir():
        for path in sorted(beside.iterdir()):
            if path.is_dir() and path not in folder(path.name):
                folder(path.name).append(path)
    folder("custom_nodes")
    return ModelFolders(comfyui, {name: tuple(known) for name, known in paths.items()})


def _entries(config: Path) -> Iterator[tuple[str, Path, bool]]:
    """Yield (name, folder, whether it goes first), as ComfyUI's utils/extra_config.py reads them."""
    for section in _parse(config).values():
        if not isinstance(section, dict):
            continue
        first = bool(section.get("is_default"))
        base = section.get("base_path")
        start = config.resolve().parent
        if isinstance(base, str) and base:
            start = start / os.path.expandvars(os.path.expanduser(base))  # noqa: PTH111 - as the host does it
        for name, listed in section.items():
            if name in ("base_path", "is_default") or not isinstance(listed, str):
                continue
            for line in filter(None, listed.split("\n")):
                yield str(name), Path(os.path.normpath(start / line)), first


def _parse(config: Path) -> dict[str, Any]:
    try:
        text = reading.read_text(config, "notes")
    except reading.ReadError as error:
        raise PromptError(f"{config.name!r} cannot be read ({error}): check its name and place") from error
    try:
        data = json.loads(text)
    except ValueError:
        data = _yaml(config, text)
    return data if isinstance(data, dict) else {}


def _yaml(config: Path, text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise PromptError(
            f"{config.name!r} says where the host's models are, and reading it needs PyYAML: pip install pyyaml"
        ) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise PromptError(f"{config.name!r} is not a YAML file ({where}): ComfyUI cannot read it either") from error
