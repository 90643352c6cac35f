"""What every test may ask for; the host is a real ComfyUI with this pack in it."""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

from portrait_studio.runner.client import host as hosts
from portrait_studio.runner.demo.studio import model_paths

from .host_parts import wrong
from .seconds import seconds

ROOT = Path(__file__).parents[1]

# Tests press Ctrl-C, which the children of a shell's background job ignore unless they are told not to.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast a machine is, or what else it does, says nothing about the code: no property test is timed.
hypothesis.settings.register_profile("studio", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("studio")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a process of several, put the files that take longest first: the last ones then end at about the same time."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: -seconds(item.path, ROOT))


@pytest.fixture(scope="session")
def comfyui() -> Path:
    """The folder of ComfyUI's main.py, which has all that this pack uses of it; install.py test sets it."""
    folder = Path(os.environ.get("PORTRAIT_STUDIO_COMFYUI", ROOT / ".studio" / "ComfyUI"))
    missing = wrong(folder) if (folder / "comfy").is_dir() else []
    assert not missing, f"This ComfyUI is not as trainer/host.py needs it: {' '.join(missing)}"
    return folder


@pytest.fixture(scope="session")
def version(comfyui: Path) -> str:
    """The version that this ComfyUI says it is."""
    namespace = runpy.run_path(str(comfyui / "comfyui_version.py"))
    return namespace["__version__"]


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the assembled pocket models; install.py test sets it."""
    folder = Path(os.environ.get("PORTRAIT_STUDIO_MODELS", ROOT / ".studio" / "models"))
    return folder.resolve()  # a host is started in a folder of its own


@pytest.fixture(scope="session")
def start_host(comfyui: Path, models: Path, tmp_path_factory: pytest.TempPathFactory):
    """Start a host of one's own, `start_host(*arguments)`: for tests that kill or wedge it; the caller stops it."""

    def start(*arguments: str, **settings) -> hosts.LocalHost:
        work = tmp_path_factory.mktemp("host")
        nodes = work / "nodes.json"  # JSON is YAML, which is what the host reads
        nodes.write_text(json.dumps({"tests": {"custom_nodes": str(ROOT / "tests" / "host_nodes")}}), "utf-8")
        paths = [str(nodes), str(model_paths(models, work))]
        given = ["--cpu", "--extra-model-paths-config", *paths, *arguments]
        return hosts.start(comfyui, Path(sys.executable), work, arguments=given, **settings)

    return start


@pytest.fixture(scope="session")
def host(start_host):
    """One ComfyUI for the whole run; tests that kill or wedge a server start their own."""
    with start_host() as running:
        yield running
