"""Sets sd-scripts up: the pinned code or a folder that is there, an environment of its own, the tokenizers.

Every step looks first whether an earlier run did it, so running again goes on where the last one stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

import psutil

from ...portrait import disk
from .data import table
from .errors import KohyaError
from .installation import (
    CODE,
    ENVIRONMENT,
    INSTALL,
    TOKENIZERS,
    KohyaInstallation,
    ask,
    check,
    home,
    python_of,
    remember,
    version,
    version_warning,
)
from .process import Process

Say = Callable[[str], None]
STAMP, WANTED = "portrait-studio.json", "portrait-studio-requirements.txt"
SHARED = "zz_shared_torch.pth"  # sorted last and added behind: sd-scripts' own pins are found before what is shared
PYTHONS = ((3, 10), (3, 13))
_LAST = 8  # lines of a program that failed
IMPORTS = """
import importlib, json, sys
sys.path.insert(0, ".")
names = ["torch", "torchvision", "accelerate", "transformers", "diffusers", "safetensors", "cv2"]
print(json.dumps({name: importlib.import_module(name).__version__ for name in names}))
"""


def install(
    say: Say, path: Path | None = None, base: Path | None = None, own_torch: bool = False, comfyui: Path | None = None
) -> KohyaInstallation:
    """Set sd-scripts up in `base` (`home()`), tell `say` of every step, and return it.

    `path` is an sd-scripts that is already there; nothing is changed in it. The torch of the running Python is shared
    when it is new enough, unless `own_torch`. `comfyui` is where the tokenizers are copied from when they are not
    found beside this pack. Raises KohyaError with the way out.
    """
    low, high = PYTHONS
    if not low <= sys.version_info[:2] <= high:
        raise KohyaError(
            f"sd-scripts needs Python {low[0]}.{low[1]} to {high[0]}.{high[1]}, and this is "
            f"{sys.version_info[0]}.{sys.version_info[1]}; run {INSTALL} with one of those."
        )
    base = base or home()
    try:
        base.mkdir(parents=True, exist_ok=True)
        code = path.resolve() if path else _fetch(base, say)
        found = check(code)
        if warning := version_warning(found):
            say(warning)
        shares = not own_torch and _torch_to_share() is not None
        python = _environment(base, code, shares, say)
        words = tokenizers(base, comfyui, say)
        say("Looking whether everything can be imported")
        versions = ask(python, IMPORTS, code)
        say(", ".join(f"{name} {number}" for name, number in versions.items()))
        done = KohyaInstallation(code, python, found, words)
        remember(done, base)
    except OSError as error:
        raise KohyaError(
            f"{base} cannot be written ({error.strerror}); free some room or look at its permissions."
        ) from None
    return done


def requirements(text: str) -> list[str]:
    """Return the lines of sd-scripts' requirements.txt less what is dropped and with what is swapped (pins.toml)."""
    pins = table("pins")
    dropped = {row["name"] for row in pins["drop"]}
    swapped = {row["name"]: row["with"] for row in pins["swap"]}
    answer = []
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        name = (re.match(r"-e|[\w.-]+", line) or [""])[0]
        if line and name not in dropped:
            answer.append(swapped.get(name, name) + line[len(name) :])
    return answer


def _fetch(base: Path, say: Say) -> Path:
    pin = table("pins")["source"]
    target = base / CODE
    if target.is_dir() and version(target) in (pin["tag"], pin["commit"]):
        say(f"sd-scripts {pin['tag']} is there already")
        return target
    if target.exists():
        raise KohyaError(
            f"{target} holds sd-scripts {version(target)[:16]} and {pin['tag']} is wanted; delete that folder, or use "
            "it as it is with --path."
        )
    if not shutil.which("git"):
        raise KohyaError("git, which fetches sd-scripts, is not installed; install it, or give a folder with --path.")
    _room(base, table("pins")["space"]["code"])
    part = base / f"{CODE}.part"
    shutil.rmtree(part, ignore_errors=True)
    say(f"Fetching sd-scripts {pin['tag']} from {pin['repository']}")
    clone = ["git", "clone", "--depth", "1", "--branch", pin["tag"], "-c", "advice.detachedHead=false"]
    way_out = "look at the network, or fetch it elsewhere and give the folder with --path"
    run([*clone, pin["repository"], part], "sd-scripts could not be fetched", way_out, say)
    head = subprocess.run(["git", "-C", part, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if head.stdout.strip() != pin["commit"]:
        shutil.rmtree(part, ignore_errors=True)
        raise KohyaError(
            f"The tag {pin['tag']} of sd-scripts is now {head.stdout.strip()[:12]} and no more {pin['commit'][:12]}, "
            "so it was not kept; look at what changed and give a folder with --path."
        )
    part.replace(target)
    return target


def _environment(base: Path, code: Path, shares: bool, say: Say) -> Path:
    folder = base / ENVIRONMENT
    python = python_of(folder)
    pins = table("pins")
    wanted = requirements((code / "requirements.txt").read_text("utf-8"))
    wanted += [] if shares else pins["torch"]["packages"]
    state = {
        "python": list(sys.version_info[:3]),
        "torch": str(_torch_to_share()) if shares else "own",
        "requirements": hashlib.sha256("\n".join(wanted).encode()).hexdigest(),
    }
    if python.exists() and _read(folder / STAMP) == state:
        say("Its environment is there already")
        return python
    _room(base, pins["space"]["environment"] + (0 if shares else pins["space"]["torch"]))
    uv = base / "uv" / ("Scripts/uv.exe" if sys.platform == "win32" else "bin/uv")
    uv_path = str(uv) if uv.exists() else shutil.which("uv")
    say(f"Making its environment in {folder.name}" + (", with the torch of this Python" if shares else ""))
    if uv_path:
        make: list[str | Path] = [uv_path, "venv", "--quiet", "--clear", "--python", sys.executable, folder]
    else:
        make = [sys.executable, "-m", "venv", "--clear", folder]
    run(make, "The environment could not be made", "on Debian: apt install python3-venv", say)
    if shares:
        _share(folder, python)
    (folder / WANTED).write_text("\n".join(wanted) + "\n", "utf-8")
    if uv_path:
        get: list[str | Path] = [uv_path, "pip", "install", "--python", python, "--requirements", folder / WANTED]
        if shares:
            # uv does not see what a .pth adds; a requirement that never applies keeps it from fetching another torch.
            beside = folder / "portrait-studio-overrides.txt"
            beside.write_text("torch; sys_platform == 'none'\ntorchvision; sys_platform == 'none'\n", "utf-8")
            get += ["--overrides", beside]
    else:
        get = [python, "-m", "pip", "install", "--requirement", folder / WANTED]
    way_out = "look at the network and the index settings and run it again: what was fetched is kept"
    run(get, "sd-scripts' requirements could not be installed", way_out, say)
    disk.write(folder / STAMP, json.dumps(state).encode())
    return python


def _torch_to_share() -> Path | None:
    """Return the folder of packages that holds this Python's torch and torchvision, if new enough and together."""
    try:
        number = [int(part) for part in metadata.version("torch").split(".")[:2]]
        homes = {Path(str(metadata.distribution(name).locate_file(""))).resolve() for name in ("torch", "torchvision")}
    except (metadata.PackageNotFoundError, ValueError):
        return None
    return homes.pop() if number >= table("pins")["torch"]["least"] and len(homes) == 1 else None


def _share(folder: Path, python: Path) -> None:
    scheme = "nt" if sys.platform == "win32" else "posix_prefix"
    site = Path(sysconfig.get_path("purelib", scheme, {"base": str(folder), "platbase": str(folder)}))
    (site / SHARED).write_text(f"{_torch_to_share()}\n", "utf-8")
    if not python.exists():
        raise KohyaError(f"{folder.name} holds no interpreter; delete it and run {INSTALL} again.")


def tokenizers(base: Path, comfyui: Path | None, say: Say) -> Path | None:
    """Return the folder of tokenizers in `base`, copied from a ComfyUI; None when there is none to copy from."""
    pin = table("pins")["tokenizers"]
    target = base / TOKENIZERS
    if all((target / name / "vocab.json").is_file() for name in pin["folders"]):
        return target
    # As a custom node, this pack is in ComfyUI/custom_nodes/.
    places = [comfyui, base / "ComfyUI", Path(__file__).resolve().parents[4]]
    sources = [place / pin["source"] for place in places if place and (place / pin["source"] / "vocab.json").is_file()]
    if not sources:
        say("No ComfyUI to copy the tokenizer from: sd-scripts will fetch it at the first training (or give --comfyui)")
        return None
    for name in pin["folders"]:
        part = target / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(sources[0], part)
        config = json.loads((part / "tokenizer_config.json").read_text("utf-8"))
        config["model_max_length"] = pin["model_max_length"]
        (part / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
        shutil.rmtree(target / name, ignore_errors=True)
        part.replace(target / name)
    return target


def run(command: Sequence[str | Path], failed: str, way_out: str, say: Say) -> None:
    """Run a command, hand its lines to `say`, and raise KohyaError with its last ones when it fails."""
    try:
        process = Process(command, Path.cwd(), os.environ | {"GIT_TERMINAL_PROMPT": "0"}, leashed=False)
    except OSError as error:
        raise KohyaError(
            f"{failed}: {Path(command[0]).name} cannot be started ({error.strerror}); {way_out}."
        ) from None
    with process:
        running = True
        while running:
            running = process.running  # asked first: what it wrote before its end is read then
            while line := process.line(0.2):
                say(line)
        code, tail = process.wait(), list(process.tail)[-_LAST:]
    if code:
        if any("No space left" in line for line in tail):
            way_out = "the disk is full: free some room and run it again"
        raise KohyaError(f"{failed}; {way_out}.", tail)


def _room(base: Path, wanted: float) -> None:
    free = psutil.disk_usage(str(base)).free / 1e9
    if free < wanted:
        raise KohyaError(f"{free:.1f} GB are free in {base.name} and {wanted:.1f} GB are needed; free some room.")


def _read(file: Path) -> object:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
