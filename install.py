#!/usr/bin/env python3
"""Sets Portrait Studio up; the standard library is all it needs.

    python3 install.py           what ComfyUI-Manager calls: looks whether the nodes can load; no pip, no network
    python3 install.py demo      photos in, a portrait and a report out, in studio-output/demo/
    python3 install.py test      the whole test suite against a real ComfyUI
    python3 install.py host      the canvas, ready to work on, until Ctrl-C
    python3 install.py serve     the web studio: photos in, portraits out, in a browser

The last four make a private Python environment and a private ComfyUI under .studio/ (git-ignored, safe to delete);
with --comfyui DIR they use an installation that is already there and touch nothing in it but a link to this pack.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
STUDIO = ROOT / ".studio"
REQUIREMENTS = ROOT / "requirements"
PACK = "portrait-studio"
PYTHONS = ((3, 10), (3, 13))
FREE_GB = {"linux": 9, "darwin": 4, "win32": 5}
# A process a core, at most this many: each has its own ComfyUI, and the tests of one file share what they set up.
# The files come in the order of tests/conftest.py, the slowest first.
MOST_PROCESSES = 4
WHOLE_SUITE = (
    *("-n", "logical", "--maxprocesses", str(MOST_PROCESSES), "--dist", "loadfile", "--no-loadscope-reorder"),
    *("--junitxml", str(STUDIO / "tests.xml")),
)
WINDOWS = sys.platform == "win32"


class SetupError(Exception):
    """A step of the set-up failed; the message gives the reason and the way out."""


def run(command: Sequence[str | Path], way_out: str) -> None:
    """Run a command with its own progress shown; raise SetupError naming it when it fails."""
    try:
        code = subprocess.call([str(part) for part in command], cwd=ROOT)
    except OSError as error:
        raise SetupError(f"{command[0]} could not be started ({error}); {way_out}") from error
    if code:
        shown = " ".join([Path(command[0]).name, *map(str, command[1:3])])
        raise SetupError(f"'{shown} ...' ended with {code}; {way_out}")


def digest(*files: Path) -> str:
    """Return one sha256 over the bytes of several files."""
    together = hashlib.sha256()
    for file in files:
        together.update(file.read_bytes())
    return together.hexdigest()


def done(step: str, state: str) -> bool:
    """Say whether a step already reached this state in an earlier run."""
    stamp = STUDIO / f"{step}.stamp"
    return stamp.is_file() and stamp.read_text("utf-8") == state


def mark(step: str, state: str) -> None:
    """Remember that a step reached this state."""
    beside = STUDIO / f"{step}.stamp.part"
    beside.write_text(state, "utf-8")
    beside.replace(STUDIO / f"{step}.stamp")


def python_of(environment: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if WINDOWS else "bin/python")


def check_machine() -> None:
    """Refuse a Python or a disk on which the later steps would fail half-way."""
    low, high = PYTHONS
    if not low <= sys.version_info[:2] <= high:
        here = ".".join(map(str, sys.version_info[:2]))
        raise SetupError(
            f"this is Python {here}, and the locked packages are for {low[0]}.{low[1]} to {high[0]}.{high[1]}; "
            "run install.py with one of those, e.g. python3.12 install.py demo"
        )
    STUDIO.mkdir(exist_ok=True)
    free = shutil.disk_usage(STUDIO).free / 1e9
    need = FREE_GB.get(sys.platform, 9)
    if not python_of(STUDIO / "env").exists() and free < need:
        raise SetupError(f"{free:.1f} GB are free beside {ROOT.name} and about {need} GB are needed; free some room")


def get_uv() -> Path:
    """Return uv's path, installing the pinned one from the package index at the first run."""
    pinned = REQUIREMENTS / "uv.lock.txt"
    home = STUDIO / "uv"
    uv = home / ("Scripts/uv.exe" if WINDOWS else "bin/uv")
    state = digest(pinned)
    if uv.exists() and done("uv", state):
        return uv
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupError("this Python has no venv; install it (on Debian: apt install python3-venv)")
    run([sys.executable, "-m", "venv", "--clear", home], "look whether .studio/ can be written")
    pip = [python_of(home), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    run([*pip, "-r", pinned], "look at the network and at pip's index settings, then run again")
    mark("uv", state)
    return uv


def make_environment(uv: Path, locks: Sequence[Path]) -> Path:
    """Make .studio/env hold exactly what the locks say, with this pack installed editable; return its python."""
    python = python_of(STUDIO / "env")
    wanted = {"locks": digest(*locks, ROOT / "pyproject.toml"), "python": list(sys.version_info[:3])}
    held = _held_environment()
    if python.exists() and held and held["python"] == wanted["python"] and wanted["locks"] in held["satisfies"]:
        return python
    if not python.exists() or not held or held["python"] != wanted["python"]:
        run(
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, STUDIO / "env"],
            "delete .studio/ and run again",
        )
    names = [part for lock in locks for part in ("--requirements", lock)]
    install = [uv, "pip", "install", "--python", python]
    way_out = "look at the network and the index settings, then run again: what was fetched is kept"
    run([*install, "--require-hashes", *names], way_out)
    editable = [*install, "--quiet", "--no-build-isolation", "--no-deps", "--editable", ROOT]
    run(editable, "delete .studio/env and run again")
    # An environment made for more serves for less as well.
    satisfies = [digest(*locks[:count], ROOT / "pyproject.toml") for count in range(1, len(locks) + 1)]
    mark("env", json.dumps({"python": wanted["python"], "satisfies": satisfies}))
    return python


def _held_environment() -> dict | None:
    try:
        return json.loads((STUDIO / "env.stamp").read_text("utf-8"))
    except (OSError, ValueError):
        return None


def unpack_host(uv: Path, python: Path) -> Path:
    """Unpack the pinned ComfyUI tree into .studio/ComfyUI, checked by the hash of the wheel; return it."""
    pin = json.loads((REQUIREMENTS / "host.json").read_text("utf-8"))
    host = STUDIO / "ComfyUI"
    state = digest(REQUIREMENTS / "host.json", REQUIREMENTS / "host-tree.txt")
    if (host / "main.py").is_file() and done("host", state):
        return host
    unpacked = STUDIO / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    command = [uv, "pip", "install", "--python", python, "--quiet", "--no-deps", "--require-hashes"]
    wheel = ["--target", unpacked, "--requirements", REQUIREMENTS / "host-tree.txt"]
    run([*command, *wheel], "look at the network, then run again")
    tree = unpacked / pin["folder"]
    for name in pin["delete"]:
        (tree / name).unlink(missing_ok=True)
    if not (tree / "main.py").is_file():
        raise SetupError(
            f"the wheel holds no {pin['folder']}/main.py; requirements/host.json does not fit host-tree.txt"
        )
    if host.is_dir():
        _keep_work_of(host, tree)
        shutil.rmtree(host)
    tree.replace(host)
    shutil.rmtree(unpacked, ignore_errors=True)
    mark("host", state)
    return host


def _keep_work_of(old: Path, new: Path) -> None:
    """Carry what a person made in the old tree (inputs, outputs, saved graphs) into the new one."""
    link = old / "custom_nodes" / PACK
    if link.is_symlink() or WINDOWS:
        unlink(link)
    for name in ("input", "output", "user"):
        if (old / name).is_dir():
            shutil.copytree(old / name, new / name, dirs_exist_ok=True)


def unlink(link: Path) -> None:
    """Remove a link to a folder, never what it points to."""
    if link.is_symlink():
        link.unlink()
    elif WINDOWS and link.exists():
        os.rmdir(link)  # noqa: PTH106 - a junction is removed by rmdir; its target stays


def link_pack(host: Path) -> None:
    """Make this folder one of the host's custom nodes, by a link."""
    link = host / "custom_nodes" / PACK
    if link.exists() and link.resolve() == ROOT:
        return
    if any(entry.resolve() == ROOT for entry in link.parent.iterdir()):
        return
    if link.exists() and not link.is_symlink():
        raise SetupError(f"{link} is another copy of this pack; move it away, or run install.py from there")
    unlink(link)
    try:
        if WINDOWS:
            subprocess.run(["cmd", "/c", "mklink", "/J", str(link), str(ROOT)], check=True, capture_output=True)
        else:
            link.symlink_to(ROOT, target_is_directory=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(f"{link} could not be made ({error}); link or copy this folder there yourself") from error


def assemble_models(python: Path) -> Path:
    """Put the pocket models together under .studio/models and return that folder."""
    models = STUDIO / "models"
    run([python, "-m", "portrait_studio.pocket", "assemble", "--models", models], "get a whole copy of pocket/weights/")
    return models


def python_of_installation(host: Path) -> Path:
    """Return the interpreter that a ComfyUI installation of the user's runs with."""
    beside = [host / "venv", host / ".venv", host.parent / "venv", host.parent / ".venv"]
    for python in [*map(python_of, beside), host.parent / "python_embeded" / "python.exe"]:
        if python.exists():
            return python
    raise SetupError(f"no Python environment was found in or beside {host}; name its interpreter with --host-python")


def given_python(python: Path | None) -> Path | None:
    """Return the interpreter that was named, absolute but with its links kept: a link is what makes an environment."""
    if python and not python.is_file():
        raise SetupError(f"--host-python {python} is not a file; name the interpreter that your ComfyUI runs with")
    return python and python.absolute()


class Setup:
    """The steps that the arguments ask for, each announced, timed and named when it fails."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        names = {"test": ("studio", "service", "test"), "serve": ("studio", "service")}
        self.locks = [REQUIREMENTS / f"{name}.lock" for name in names.get(arguments.command, ("studio",))]
        self.given = arguments.comfyui
        self.host_python = arguments.host_python
        self.count = 0

    def step(self, title: str, work: Callable[[], Path | None]) -> Path:
        """Run one step; say what it is before, and how long it took after."""
        self.count += 1
        print(f"[{self.count}/5] {title}", flush=True)
        start = time.monotonic()
        try:
            result = work()
        except SetupError as error:
            raise SetupError(f"step {self.count} ({title}) failed: {error}.") from error
        except OSError as error:
            raise SetupError(
                f"step {self.count} ({title}) failed: {error}; look at the disk and at who owns .studio/."
            ) from error
        if time.monotonic() - start > 1:
            print(f"      {time.monotonic() - start:.0f} s", flush=True)
        return result or ROOT

    def prepare(self) -> tuple[Path, list[str]]:
        """Make everything ready; return the studio's python and the arguments that tell commands about the host."""
        self.step("This machine: Python and free disk", check_machine)
        uv = self.step("uv, the package installer", get_uv)
        python = self.step("Python packages (torch is large the first time)", lambda: make_environment(uv, self.locks))
        host = self.step("ComfyUI, and this pack linked into it", lambda: self.host(uv, python))
        models = self.step("Pocket models", lambda: assemble_models(python))
        host_python = given_python(self.host_python) or (python_of_installation(host) if self.given else python)
        return python, ["--comfyui", str(host), "--host-python", str(host_python), "--models", str(models)]

    def host(self, uv: Path, python: Path) -> Path:
        """Return the ComfyUI folder, the user's or the private one, with this pack in it."""
        host = self.given.resolve() if self.given else unpack_host(uv, python)
        if not (host / "main.py").is_file() or not (host / "custom_nodes").is_dir():
            raise SetupError(f"{host} is not a ComfyUI folder (it needs main.py and custom_nodes/)")
        link_pack(host)
        return host


def manager_hook() -> int:
    """Say whether the nodes can load in the Python that ComfyUI-Manager runs this with; change nothing."""
    needed = {"numpy": "numpy", "PIL": "pillow", "scipy": "scipy", "safetensors": "safetensors", "filelock": "filelock"}
    missing = [package for module, package in needed.items() if importlib.util.find_spec(module) is None]
    if missing:
        print(f"Portrait Studio: missing {', '.join(missing)}; install requirements.txt into ComfyUI's Python.")
        return 1
    print("Portrait Studio is ready; its templates are in ComfyUI under Workflow > Browse Templates.")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", choices=("demo", "test", "host", "serve"))
    parser.add_argument("--comfyui", type=Path, metavar="DIR", help="an installation to use instead of the private one")
    parser.add_argument("--host-python", type=Path, metavar="FILE", help="the interpreter of that installation")
    parser.add_argument("--keep", action="store_true", help="demo: leave the canvas running and print its address")
    parser.add_argument("--no-training", action="store_true", help="demo: a portrait without a LoRA, in a minute")
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.command != "test":
        parser.error(f"unknown: {' '.join(rest)} (see install.py --help)")
    if arguments.command is None:
        return manager_hook()
    try:
        python, host = Setup(arguments).prepare()
        return launch(arguments, python, host, rest)
    except SetupError as error:
        print(f"\nPortrait Studio could not be set up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Nothing is lost: the same command goes on from here.", file=sys.stderr)
        return 130


def launch(arguments: argparse.Namespace, python: Path, host: list[str], rest: list[str]) -> int:
    """Start what was asked for in the studio's environment and wait for it, also through Ctrl-C."""
    if arguments.command == "test":
        command = [str(python), "-m", "pytest", *(rest or WHOLE_SUITE)]
    else:
        options = [f"--{name}" for name in ("keep", "no-training") if getattr(arguments, name.replace("-", "_"))]
        command = [str(python), "-m", "portrait_studio.runner", arguments.command, *host, *options]
    names = ("PORTRAIT_STUDIO_COMFYUI", "PORTRAIT_STUDIO_HOST_PYTHON", "PORTRAIT_STUDIO_MODELS")
    environment = {**os.environ, "PYTHONUTF8": "1", **dict(zip(names, host[1::2], strict=True))}
    if arguments.command == "test" and not rest:
        # The processes share the cores: torch's threads wait for each other, and more of them than cores wait long.
        cores = os.cpu_count() or 1
        environment.setdefault("OMP_NUM_THREADS", str(cores // min(cores, MOST_PROCESSES)))
    child = subprocess.Popen(command, cwd=ROOT, env=environment)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # the child got the same Ctrl-C and puts its host away before it ends


if __name__ == "__main__":
    sys.exit(main())
