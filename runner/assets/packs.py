"""Node packs: pinned as data (packs.toml), found under custom_nodes, and put there through git when asked to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...portrait import reading
from ...portrait.disk import parse_toml, read_toml
from ...portrait.errors import PortraitError
from ..client import exit_code

DISABLED = ".disabled"  # folders whose name ends so, and what is in a folder of that name, are not loaded by a host


class PackError(PortraitError):
    """A pack could not be installed; what a host would load is as it was."""

    key = "pack"
    exit_code = exit_code("download")


@dataclass(frozen=True)
class Part:
    """A repository that has to be in a folder of a pack for the pack to load."""

    folder: str
    repository: str
    commit: str


@dataclass(frozen=True)
class Pin:
    """A pack at the version that graphs were tried with; `folders` are its names under custom_nodes."""

    name: str
    title: str
    folders: tuple[str, ...]
    repository: str
    version: str
    commit: str
    license: str
    submodules: bool = False
    contains: tuple[Part, ...] = ()


@dataclass(frozen=True)
class InstalledPack:
    """A folder under custom_nodes; `name` and `version` are those of its pyproject.toml, empty when it has none."""

    folder: Path
    name: str = ""
    version: str = ""
    disabled: bool = False

    def is_called(self, names: Iterable[str]) -> bool:
        """Whether it goes by one of these names."""
        own = {_plain(self.name), _plain(self.folder.name.removesuffix(DISABLED).partition("@")[0])}
        return not own.isdisjoint({_plain(name) for name in names if name})

    def commit(self) -> str:
        """Return the commit that is checked out, empty where there is no git or no git repository of its own."""
        if not (self.folder / ".git").exists():
            return ""
        try:
            return _git(["rev-parse", "HEAD"], self.folder).strip()
        except PackError:
            return ""


@cache
def pins() -> tuple[Pin, ...]:
    """Return the pinned packs of packs.toml."""
    rows = read_toml(Path(__file__).with_name("packs.toml"))["pack"]
    return tuple(
        Pin(
            **{
                **row,
                "folders": tuple(row["folders"]),
                "contains": tuple(Part(**part) for part in row.get("contains", ())),
            }
        )
        for row in rows
    )


def pin_of(name: str) -> Pin | None:
    """Return the pin of a pack by any of its names, or None when it is not pinned."""
    plain = _plain(name)
    return next((pin for pin in pins() if plain in {_plain(one) for one in (pin.name, *pin.folders)}), None)


def names_of(name: str) -> tuple[str, ...]:
    """Return every name that a pack goes by."""
    pin = pin_of(name)
    return (name, pin.name, *pin.folders) if pin else (name,)


def installed_packs(folders: Sequence[Path]) -> list[InstalledPack]:
    """Return the packs in custom_nodes folders, those that are switched off as well."""
    found = []
    for folder in folders:
        for place, off in ((folder, False), (folder / DISABLED, True)):
            for one in sorted(place.iterdir()) if place.is_dir() else ():
                if one.is_dir() and one.name not in ("__pycache__", DISABLED):
                    found.append(_read(one, off or one.name.endswith(DISABLED)))
    return found


def _read(folder: Path, disabled: bool) -> InstalledPack:
    try:
        project: Any = parse_toml(reading.read_text(folder / "pyproject.toml", "notes")).get("project")
    except (reading.ReadError, ValueError):
        project = None
    project = project if isinstance(project, dict) else {}
    return InstalledPack(folder, str(project.get("name", "")), str(project.get("version", "")), disabled)


def install_pack(pin: Pin, custom_nodes: Path, say: Callable[[str], None] = lambda line: None) -> Path:
    """Put a pack under custom_nodes at its pinned commit and return its folder; none of its code is run.

    `say` is given each step in words. Raises PackError, after which custom_nodes is as it was.
    """
    if not custom_nodes.is_dir():
        raise PackError(f"There is no folder {custom_nodes.name!r} in {custom_nodes.parent.name!r}: is it a ComfyUI?")
    target = custom_nodes / pin.folders[0]
    if target.exists():
        raise PackError(f"{target.name!r} is there already: update or remove it first")
    # A host that starts meanwhile passes over a folder of this ending.
    part = custom_nodes / f".{pin.name}.part{DISABLED}"
    shutil.rmtree(part, ignore_errors=True)
    try:
        _check_out(pin.repository, pin.commit, part, say)
        if pin.submodules:
            say("fetching what it contains")
            _git(["submodule", "--quiet", "update", "--init", "--recursive"], part)
        for inner in pin.contains:
            _check_out(inner.repository, inner.commit, part / inner.folder, say)
        part.replace(target)
    except PackError as error:
        raise PackError(f"{pin.name}: {error}") from error
    except OSError as error:
        raise PackError(f"{pin.name} cannot be written to {custom_nodes.name!r} ({error.strerror or error})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _check_out(repository: str, commit: str, folder: Path, say: Callable[[str], None]) -> None:
    """Make a folder and check a commit out in it: the one commit, or everything where a server gives no single ones."""
    say(f"fetching {repository} at {commit[:10]}")
    folder.mkdir()
    _git(["init", "--quiet"], folder)
    _git(["remote", "add", "origin", repository], folder)
    try:
        _git(["fetch", "--quiet", "--depth", "1", "origin", commit], folder)
    except PackError:
        _git(["fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"], folder)
    _git(["checkout", "--quiet", "--detach", commit], folder)
    if _git(["rev-parse", "HEAD"], folder).strip() != commit:
        raise PackError(f"commit {commit[:10]} could not be checked out: nothing was installed")


def _git(arguments: Sequence[str], folder: Path) -> str:
    slow = ["-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60"]
    # GIT_ALLOW_PROTOCOL is git's own: who mirrors repositories in a folder says so there.
    mine = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    env = {"GIT_ALLOW_PROTOCOL": "https"} | os.environ | mine
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # those of a hook that we may run in
        env.pop(name, None)
    try:
        done = subprocess.run(["git", *slow, *arguments], cwd=folder, env=env, capture_output=True, check=False)
    except OSError as error:
        raise PackError("git is not installed: install it, or install the pack with ComfyUI-Manager") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1])
        raise PackError(f"git {arguments[0]} failed ({reason}): nothing was installed")
    return done.stdout.decode(errors="replace")


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]+", "-", name.strip().lower())
