"""What a running host says about itself over HTTP, and its files where they are on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from ..assets import ModelFolders, installed_packs
from ..client import Client
from .host_facts import HostFacts
from .log import UNEXPLAINED, failures, tells_of_a_start


def facts_of_host(client: Client) -> HostFacts:
    """Ask a host for everything that the doctor looks at. Raises AddressError when there is none."""
    about = client.about()
    stats = client.stats()
    info = client.object_info()
    arguments = stats.arguments
    folders = _folders(client, info)
    log = _log(client, arguments, folders)
    return HostFacts(
        name=client.address.url,
        running=True,
        version=about.version,
        python=about.python,
        torch=about.torch,
        device=about.device,
        accelerated=stats.kind not in ("cpu", ""),
        ram_total=stats.ram_total,
        ram_free=stats.ram_free,
        vram_total=about.vram_total,
        vram_free=about.vram_free,
        arguments=arguments,
        folders=folders,
        packs=tuple(installed_packs(folders.of("custom_nodes"))) if folders else (),
        object_info=info,
        frontend=stats.frontend,
        failures=failures(log),
        has_log=tells_of_a_start(log),
        listed=client.models,
        served=client.page,
    )


def _folders(client: Client, info: Mapping[str, Any]) -> ModelFolders | None:
    """Return the host's folders when they are folders of this machine, else None.

    A tunnel makes a far host look near: it is near when what it has loaded is where it says.
    """
    host = client.address.host
    with suppress(ValueError):
        host = "localhost" if ip_address(host).is_loopback else host
    if host != "localhost":
        return None
    told = {name: tuple(Path(path) for path in paths) for name, paths in client.folders().items()}
    nodes = told.get("custom_nodes", ())
    modules = {str(one.get("python_module", "")) for one in info.values()}
    loaded = [name.partition(".")[2] for name in modules if name.startswith("custom_nodes.")]
    near = nodes and (nodes[0].parent / "main.py").is_file()
    if not near or not all(_lies_in(nodes, name) for name in loaded):
        return None
    return ModelFolders(nodes[0].parent, told)


def _lies_in(folders: Sequence[Path], name: str) -> bool:
    return any((folder / name).is_dir() or (folder / f"{name}.py").is_file() for folder in folders)


def _log(client: Client, arguments: Sequence[str], folders: ModelFolders | None) -> str:
    """Return the host's log from its start on: what it remembers (300 pieces), or one of its log files."""
    remembered = client.log()
    whole = tells_of_a_start(remembered) and all(one.reason != UNEXPLAINED for one in failures(remembered).values())
    if whole or folders is None:
        return remembered
    files = log_files(user_folder(arguments, folders.root))
    return next((text for file in files if tells_of_a_start(text := read_log(file))), remembered)


def user_folder(arguments: Sequence[str], root: Path) -> Path:
    """Return where a host keeps its users' files, from its command line."""
    for name, ending in (("--user-directory", ""), ("--base-directory", "user")):
        if name in arguments[:-1]:
            return Path(arguments[arguments.index(name) + 1]) / ending
    return root / "user"


def log_files(user: Path) -> list[Path]:
    """Return logs of a host, the newest first: ComfyUI-Manager keeps them in the users' folder, we beside it."""
    files = [*user.glob("comfyui*.log"), user.parent / "host.log"]
    return sorted((file for file in files if file.is_file()), key=lambda file: -file.stat().st_mtime)


def read_log(file: Path, limit: int = 4 << 20) -> str:
    """Return the beginning of a log file, where the start is logged; `limit` is in bytes."""
    try:
        with file.open("rb") as source:
            return source.read(limit).decode("utf-8", "replace")
    except OSError:
        return ""
