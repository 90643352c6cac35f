"""An installed sd-scripts: where it is, what it runs with, and whether it is the one that we tried."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...portrait import disk
from ...portrait.places import studio
from .data import table
from .errors import KohyaError

HOME_VARIABLE = "PORTRAIT_STUDIO_KOHYA"
CODE, ENVIRONMENT, TOKENIZERS, RECORD = "sd-scripts", "sd-scripts-env", "sd-scripts-tokenizers", "sd-scripts.json"
INSTALL = "portrait-studio trainer install-kohya"


@dataclass(frozen=True)
class KohyaInstallation:
    """A usable sd-scripts.

    `folder` holds train_network.py, `python` is the interpreter of its environment, `version` a tag, a commit or
    "unknown". `tokenizers` is None when sd-scripts is to fetch them itself.
    """

    folder: Path
    python: Path
    version: str
    tokenizers: Path | None = None

    @property
    def warnings(self) -> list[str]:
        """One sentence when it is not the version that this project is tested with."""
        return [warning] if (warning := version_warning(self.version)) else []

    def device(self) -> dict[str, Any]:
        """Ask the environment's torch what it computes on: {"torch", "cuda", "bf16", "name"}; takes seconds.

        Raises KohyaError when torch cannot be imported there.
        """
        return ask(self.python, DEVICE, self.folder)

    def precision(self, wanted: str) -> str:
        """Return "fp32" or "bf16" for the setting `precision`."""
        if wanted != "auto":
            return wanted
        return "bf16" if self.device()["bf16"] else "fp32"


DEVICE = """
import json, torch
cuda = torch.cuda.is_available()
print(json.dumps({"torch": torch.__version__, "cuda": cuda, "bf16": cuda and torch.cuda.is_bf16_supported(),
                  "name": torch.cuda.get_device_name() if cuda else "cpu"}))
"""


def home() -> Path:
    """Return the folder that holds code, environment and record: $PORTRAIT_STUDIO_KOHYA, else the studio's."""
    return Path(os.environ.get(HOME_VARIABLE) or studio())


def find(folder: Path | None = None) -> KohyaInstallation:
    """Return what install-kohya left in `folder` (`home()` when None). Raises KohyaError if nothing whole is."""
    base = folder or home()
    try:
        record = json.loads((base / RECORD).read_text("utf-8"))
        found = KohyaInstallation(
            Path(record["folder"]),
            Path(record["python"]),
            str(record["version"]),
            Path(record["tokenizers"]) if record["tokenizers"] else None,
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise KohyaError(f"sd-scripts is not installed; run '{INSTALL}' first.") from None
    for part in (found.folder / "train_network.py", found.python, *([found.tokenizers] if found.tokenizers else [])):
        if not part.exists():
            raise KohyaError(f"{part.name} of the installed sd-scripts is gone; run '{INSTALL}' again.")
    return found


def remember(found: KohyaInstallation, folder: Path) -> None:
    """Write the record that `find` reads, whole or not at all."""
    text = json.dumps({key: str(value) if value else None for key, value in asdict(found).items()}, indent=2)
    disk.write(folder / RECORD, f"{text}\n".encode())


def check(folder: Path) -> str:
    """Return the version of the sd-scripts in `folder`. Raises KohyaError when it is something else."""
    if not folder.is_dir():
        raise KohyaError(f"There is no folder {folder}; give the one that holds sd-scripts' train_network.py.")
    missing = [name for name in table("pins")["source"]["files"] if not (folder / name).is_file()]
    if missing:
        raise KohyaError(f"{folder.name} is not a complete sd-scripts: {missing[0]} is missing; give another --path.")
    return version(folder)


def version(folder: Path) -> str:
    """Return tag or commit from git, else what the README's history says, else "unknown"."""
    if (folder / ".git").exists():
        for question in (["describe", "--tags", "--exact-match"], ["rev-parse", "HEAD"]):
            try:
                answer = subprocess.run(["git", "-C", folder, *question], capture_output=True, text=True, check=False)
            except OSError:
                break
            if not answer.returncode:
                return answer.stdout.strip()
    readme = folder / "README.md"
    text = readme.read_text("utf-8", "replace") if readme.is_file() else ""
    found = re.search(r"\*\*Version (\d+(?:\.\d+)+)", text)
    return f"v{found[1]}" if found else "unknown"


def version_warning(found: str) -> str | None:
    """Return one sentence when `found` is neither the pinned tag nor its commit."""
    pin = table("pins")["source"]
    if found in (pin["tag"], pin["commit"]):
        return None
    return f"This is sd-scripts {found[:16]}, and {pin['tag']} is the one that was tried; options may differ."


def ask(python: Path, code: str, folder: Path) -> dict[str, Any]:
    """Return the JSON object that `code` prints in sd-scripts' environment, run in `folder`.

    Raises KohyaError with the last lines of what it said instead.
    """
    command = [python, "-c", code]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment())
    except OSError as error:
        raise KohyaError(f"{python.name} of sd-scripts' environment cannot be started; run '{INSTALL}'.") from error
    try:
        return json.loads(answer.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise KohyaError(
            f"sd-scripts' environment does not work; run '{INSTALL}' again.", answer.stderr.strip().splitlines()[-8:]
        ) from None


def environment(offline: bool = False, on_gpu: bool = False) -> dict[str, str]:
    """Return the environment variables that sd-scripts runs with: this process's, less what would lead it astray."""
    astray = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "ACCELERATE_CONFIG_FILE")
    answer = {key: value for key, value in os.environ.items() if key not in astray}
    answer |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1", "COLUMNS": "200"}
    if offline:
        answer |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if on_gpu:
        answer.setdefault("OMP_NUM_THREADS", "1")  # as `accelerate launch --num_cpu_threads_per_process 1` does
    return answer


def python_of(folder: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
