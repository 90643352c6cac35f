"""A folder laid out as ComfyUI's, and graphs that require what a test says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .asking import ROOT


@pytest.fixture
def installation(tmp_path) -> Path:
    """A folder laid out as ComfyUI's, with this pack in it."""
    root = tmp_path / "ComfyUI"
    (root / "custom_nodes").mkdir(parents=True)
    (root / "main.py").touch()
    (root / "comfyui_version.py").write_text('__version__ = "0.3.75"\n')
    (root / "custom_nodes" / "portrait-studio").symlink_to(ROOT)
    return root


@pytest.fixture
def graph(tmp_path):
    """Write a graph that requires packs and models, and holds nodes."""

    def write(packs=(), models=(), nodes=(), name="wants") -> Path:
        requires = {"packs": list(packs), "models": list(models)}
        studio = {"name": name, "version": "1.0.0", "requires": requires}
        file = tmp_path / f"{name}.v1.json"
        data = {"version": 0.4, "nodes": list(nodes), "links": [], "extra": {"portrait_studio": studio}}
        file.write_text(json.dumps(data), "utf-8")
        return file

    return write
