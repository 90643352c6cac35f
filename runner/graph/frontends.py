"""Which ComfyUI frontend a prompt is made as: what newer ones do otherwise is data, frontends.toml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...portrait.disk import read_toml
from .document import UIGraph


@dataclass(frozen=True, slots=True)
class Frontend:
    """A frontend by its version, (major, minor): which names of frontends.toml it goes by."""

    release: tuple[int, int]

    @property
    def promotion(self) -> str:
        """How the widgets of inner nodes are shown on a subgraph's node."""
        known = sorted((_release(since), how) for since, how in _habits()["promotion"].items())
        return [how for since, how in known if since <= max(self.release, known[0][0])][-1]

    @property
    def widget_types(self) -> frozenset[str]:
        """The input types that have a widget in it, beyond those of classes.py."""
        return frozenset(kind for kind, since in _habits()["widget_types"].items() if self.release >= _release(since))

    def does(self, habit: str) -> bool:
        """Whether it does what `habit` of frontends.toml is about."""
        return self.release >= _release(_habits()["since"][habit])


def frontend_for(graph: UIGraph, version: str = "") -> Frontend:
    """Return the frontend to follow: the host's `version`, else the one that saved the graph, else the one followed."""
    extra = graph.data.get("extra")
    saved = extra.get("frontendVersion") if isinstance(extra, dict) else None
    readable = (found for found in (version, saved) if isinstance(found, str) and _RELEASE.match(found))
    return Frontend(_release(next(readable, _habits()["followed"])))


_RELEASE = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?![\d])")


def _release(version: str) -> tuple[int, int]:
    found = _RELEASE.match(version)
    assert found, version
    return int(found[1]), int(found[2])


@cache
def _habits() -> dict[str, Any]:
    return read_toml(Path(__file__).with_name("frontends.toml"))
