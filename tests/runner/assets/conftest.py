"""A web server on this machine, and a file to fetch from it."""

from __future__ import annotations

import pytest

from portrait_studio.runner.assets.download import Download

from ...hostile.file_server import FileServer
from .fetching import BODY, SHA


@pytest.fixture
def server():
    with FileServer(BODY) as server:
        yield server


@pytest.fixture
def wanted(server, tmp_path) -> Download:
    return Download(server.url, tmp_path / "models" / "upscale.safetensors", SHA, len(BODY))
