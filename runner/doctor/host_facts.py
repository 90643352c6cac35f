"""What is known of a host before anything is judged, be it asked over HTTP or read from its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..assets import InstalledPack, ModelFolders


@dataclass(frozen=True)
class Failure:
    """Why a host could not load a pack, in its own words; `traceback` is empty where its log has only the reason."""

    reason: str
    traceback: str = ""


@dataclass(frozen=True)
class HostFacts:
    """A host. Memory in bytes, 0 where it is not known; texts are empty where they are not known.

    `folders` is None when its files cannot be seen from this machine; `object_info` is None when it does not run;
    `failures` are by the pack's folder; `has_log` says whether the log of a start was found to read them from;
    `listed` gives the names of the model files in one of its folders; `served` gives one of its pages.
    """

    name: str
    running: bool
    version: str = ""
    python: str = ""
    torch: str = ""
    device: str = ""
    accelerated: bool | None = None
    ram_total: int = 0
    ram_free: int = 0
    vram_total: int = 0
    vram_free: int = 0
    arguments: tuple[str, ...] = ()
    folders: ModelFolders | None = None
    packs: tuple[InstalledPack, ...] = ()
    object_info: Mapping[str, Any] | None = None
    frontend: str = ""
    failures: Mapping[str, Failure] = field(default_factory=dict)
    has_log: bool = False
    listed: Callable[[str], list[str]] | None = None
    served: Callable[[str], bytes] | None = None

    def modules(self) -> dict[str, set[str]]:
        """Return the node classes of every pack that a running host has loaded, by the pack's folder."""
        found: dict[str, set[str]] = {}
        for name, info in (self.object_info or {}).items():
            parent, _, folder = str(info.get("python_module", "")).partition(".")
            if parent == "custom_nodes":
                found.setdefault(folder, set()).add(name)
        return found

    def pack(self, names: Sequence[str]) -> InstalledPack | None:
        """Return the pack that goes by one of these names, rather one that is switched on than one that is not."""
        found = [one for one in self.packs if one.is_called(names)]
        return next((one for one in found if not one.disabled), found[0] if found else None)

    def loaded(self, names: Sequence[str]) -> bool:
        """Whether a running host has nodes of a pack that goes by one of these names."""
        place = self.pack(names)
        wanted = [*names, *([place.folder.name] if place else [])]
        return any(InstalledPack(Path(module)).is_called(wanted) for module in self.modules())

    def failure(self, names: Sequence[str]) -> Failure | None:
        """Return why a pack that goes by one of these names could not be loaded."""
        place = self.pack(names)
        wanted = {*names, *([place.folder.name] if place else [])}
        return next((one for folder, one in self.failures.items() if folder in wanted), None)
