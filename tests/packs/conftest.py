"""A host with the real packs in it, where there is one; nothing is installed for these tests."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portrait_studio.runner.client import host as hosts
from portrait_studio.runner.client.client import Client
from portrait_studio.runner.demo.studio import model_paths

ROOT = Path(__file__).parents[2]
PACKS = ("ComfyUI-Impact-Pack", "comfyui_controlnet_aux", "ComfyUI_UltimateSDUpscale")


@pytest.fixture(scope="session")
def packs_host(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[hosts.LocalHost]:
    """A ComfyUI with the packs: the folder in PORTRAIT_STUDIO_PACKS_HOST, or .studio/packs-host.

    Its interpreter is PORTRAIT_STUDIO_PACKS_PYTHON, or .studio/packs-env's, or that of the tests.
    """
    comfyui = Path(os.environ.get("PORTRAIT_STUDIO_PACKS_HOST", ROOT / ".studio" / "packs-host"))
    missing = [pack for pack in PACKS if not (comfyui / "custom_nodes" / pack).is_dir()]
    if missing:
        pytest.skip(
            f"NO PACKS HERE ({', '.join(missing)}): the studio graphs were checked against recorded interfaces alone; "
            "name a ComfyUI that has them in PORTRAIT_STUDIO_PACKS_HOST"
        )
    own = ROOT / ".studio" / "packs-env" / "bin" / "python"
    python = Path(os.environ.get("PORTRAIT_STUDIO_PACKS_PYTHON", own if own.exists() else sys.executable))
    work = tmp_path_factory.mktemp("packs")
    arguments = ["--cpu", "--extra-model-paths-config", str(model_paths(models, work))]
    with hosts.start(comfyui, python, work, arguments=arguments, timeout=600.0) as running:
        yield running


@pytest.fixture(scope="session")
def packs_info(packs_host: hosts.LocalHost) -> dict[str, Any]:
    """Every node of the host with the packs."""
    with Client(packs_host.url) as client:
        return client.object_info()


@pytest.fixture(scope="session")
def log(packs_host: hosts.LocalHost) -> str:
    """What the host said while it started."""
    return packs_host.log.read_text("utf-8", "replace")


def without_words(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return a node's inputs without tooltips, as they are recorded."""
    bare = json.loads(json.dumps(inputs))
    for section in bare.values():
        for spec in section.values():
            if isinstance(spec, list) and len(spec) > 1 and isinstance(spec[1], dict):
                spec[1].pop("tooltip", None)
    return bare
