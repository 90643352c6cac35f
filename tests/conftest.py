"""What every test may ask for; the host is a real ComfyUI with this pack in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from portrait_studio.runner import host as hosts

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def comfyui() -> Path:
    """The folder of ComfyUI's main.py; install.py test sets it."""
    return Path(os.environ.get("PORTRAIT_STUDIO_COMFYUI", ROOT / ".studio" / "ComfyUI"))


@pytest.fixture(scope="session")
def host(comfyui: Path, tmp_path_factory: pytest.TempPathFactory):
    """One ComfyUI for the whole run; tests that kill or wedge a server start their own."""
    with hosts.start(comfyui, Path(sys.executable), tmp_path_factory.mktemp("host"), arguments=["--cpu"]) as running:
        yield running
