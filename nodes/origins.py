"""What a picture was made with, as the host, which alone can look, says."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import folder_paths
import torch

from ..portrait import pack, subjects
from ..portrait.disk import sha256
from .api import io
from .folders import own_folder
from .notice import notice

NOT_MODELS = ("custom_nodes", "configs")


class PortraitModelHashes(io.ComfyNode):
    """The sha256 of model files and of subjects' LoRAs, and the versions that decide how a picture comes out."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitModelHashes",
            display_name="Model Hashes",
            category="Portrait Studio/Models",
            description="Lists the sha256 of model files and of the LoRAs of subjects, and the version of this pack. "
            "The command line adds this node to what it sends, so that the record beside a picture says what made it.",
            inputs=[
                io.String.Input(
                    "files",
                    multiline=True,
                    default="",
                    tooltip="Model files as loaders name them, one per line.",
                ),
                io.String.Input("subjects", multiline=True, default="", tooltip="Names of subjects, one per line."),
            ],
            outputs=[io.String.Output(display_name="hashes", tooltip="The hashes and versions as JSON.")],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, files: str = "", subjects: str = "") -> tuple[Any, ...]:
        """Run again when a file has changed."""
        found = [path for name in _lines(files) for path in _model_files(name)]
        return tuple(map(_state, [*found, *map(_lora, _lines(subjects))]))

    @classmethod
    def execute(cls, files: str, subjects: str) -> io.NodeOutput:
        """Hash the files; one that is not there, or cannot be read, has no hash and stops nothing."""
        told = {
            "files": {name: _hashes(_model_files(name)) for name in _lines(files)},
            "subjects": {name: _hashes([_lora(name)]) for name in _lines(subjects)},
            "pack": {"version": pack.version(), "code": pack.code()},
            "processor": {"capability": torch.backends.cpu.get_cpu_capability(), "threads": torch.get_num_threads()},
        }
        text = "\n".join(
            f"{name}: {', '.join(one[:12] for one in found) or 'not found'}"
            for kind in ("files", "subjects")
            for name, found in told[kind].items()
        )
        return io.NodeOutput(json.dumps(told, ensure_ascii=False, indent=1), ui=notice("origins", text=text, **told))


def _lines(text: str) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def _model_files(name: str) -> Iterator[Path]:
    """Yield the files of this name in the folders of models, each once: several loaders may share a folder."""
    seen = set()
    for folder, (_, endings) in folder_paths.folder_names_and_paths.items():
        if folder in NOT_MODELS or not endings or Path(name).suffix.lower() not in endings:
            continue
        found = folder_paths.get_full_path(folder, name)
        if found and found not in seen:
            seen.add(found)
            yield Path(found)


def _lora(name: str) -> Path:
    """Return where a subject's LoRA is if there is one; a name that leads elsewhere gives a path that is not there."""
    plain = Path(name).name == name and "\\" not in name and name != ".."
    return own_folder("subjects") / (name if plain else subjects.NONE) / subjects.LORA


def _hashes(files: Any) -> list[str]:
    found = []
    for path in files:
        if state := _state(path):
            try:
                found.append(_hash(path, state))
            except OSError:
                continue
    return list(dict.fromkeys(found))


def _state(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    return facts.st_size, facts.st_mtime_ns


@functools.lru_cache(maxsize=256)
def _hash(path: Path, _state: tuple[int, int]) -> str:
    return sha256(path)
