"""What the folder of a ComfyUI says about it while it does not run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from ...portrait import reading
from ..assets import installed_packs, read_folders
from ..client import HostError
from .host_facts import HostFacts
from .live import log_files, read_log
from .log import failures, tells_of_a_start


def facts_of_folder(
    comfyui: Path,
    configs: Sequence[Path] = (),
    beside: Path | None = None,
    environment: Path | None = None,
    work: Path | None = None,
) -> HostFacts:
    """Read a ComfyUI that need not run; nothing of it is started.

    `configs` are its --extra-model-paths-config files, `beside` a further folder of models, `environment` its Python
    environment (looked for when left out), `work` where its users' folder and log are when not in its own folder.
    Raises HostError when the folder holds none.
    """
    if not (comfyui / "main.py").is_file():
        raise HostError(f"There is no ComfyUI in {comfyui.name!r}: main.py is missing; give the folder that holds it")
    folders = read_folders(comfyui, configs, beside)
    python, torch = _environment(comfyui, environment)
    users = [comfyui / "user", *([work / "user"] if work else [])]
    logs = [text for user in users for file in log_files(user) if tells_of_a_start(text := read_log(file))]
    memory = psutil.virtual_memory()
    return HostFacts(
        name="/".join(comfyui.resolve().parts[-2:]),
        running=False,
        version=_version(comfyui),
        python=python,
        torch=torch,
        ram_total=memory.total,
        ram_free=memory.available,
        folders=folders,
        packs=tuple(installed_packs(folders.of("custom_nodes"))),
        failures=failures(logs[0]) if logs else {},
        has_log=bool(logs),
    )


def _version(comfyui: Path) -> str:
    try:
        text = reading.read_text(comfyui / "comfyui_version.py", "notes")
    except reading.ReadError:
        return ""
    found = re.search(r"__version__\s*=\s*[\"']([^\"']+)", text)
    return found[1] if found else ""


def _environment(comfyui: Path, given: Path | None) -> tuple[str, str]:
    """Return the versions of Python and torch in the environment that ComfyUI most likely runs with."""
    guesses = [given] if given else [comfyui / ".venv", comfyui / "venv", comfyui.parent / "python_embeded"]
    for folder in guesses:
        found = [*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages")]
        for packages in found:
            torch = next(packages.glob("torch-*.dist-info"), None)
            config = folder / "pyvenv.cfg"
            text = ""
            with suppress(reading.ReadError):
                text = reading.read_text(config, "notes")
            python = re.search(r"^version(?:_info)? *= *([0-9.]+)", text, re.M)
            return python[1] if python else "", torch.name.split("-")[1].removesuffix(".dist") if torch else ""
    return "", ""
