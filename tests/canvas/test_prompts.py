"""Our prompts against those of the real frontend in a real browser, graph for graph."""

from __future__ import annotations

import importlib.util
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from portrait_studio.runner.graph import GraphError, parse, read, to_api

from ..runner.graph.features import FEATURES
from ..workflows.shelf import BARE
from .chromium import Canvas, find
from .comparison import differences

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

PACKAGES = ("core", "media_api", "media_image", "media_other", "media_video")

# The two templates that cannot be sent headless: one records sound in the browser, one needs packs that are not here.
REFUSED = {
    "api_stability_ai_audio_to_audio": "RecordAudio",
    "video_wan2_2_14B_animate": "no node class DownloadAndLoadSAM2Model",
}


def templates() -> Iterator[Path]:
    """Yield every UI graph of the installed comfyui-workflow-templates packages."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(f"comfyui_workflow_templates_{package}")
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            paths = sorted(Path(folder).rglob("*.json"))
            yield from (path for path in paths if "nodes" in json.loads(path.read_bytes()))


@pytest.fixture(scope="module")
def canvas(host) -> Iterator[Canvas]:
    browser = find()
    if browser is None:
        pytest.skip("NO CHROMIUM HERE: nothing was compared with the real frontend (Debian: apt-get install chromium)")
    with Canvas(host.url, browser) as opened:
        yield opened


@pytest.fixture(scope="module")
def info(host) -> dict:
    with urllib.request.urlopen(f"{host.url}/object_info") as answer:
        return json.load(answer)


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_graph_becomes_the_prompt_of_the_frontend(name: str, canvas: Canvas, info: dict):
    graph = FEATURES[name](info)
    assert differences(to_api(parse(graph, name), info, seed=0), canvas.to_api(graph)["output"]) == []


@pytest.mark.parametrize("path", BARE, ids=lambda path: path.stem)
def test_our_own_graphs_become_the_prompts_of_the_frontend(path: Path, canvas: Canvas, info: dict):
    theirs = canvas.to_api(json.loads(path.read_bytes()))["output"]
    assert differences(to_api(read(path), info, seed=0), theirs) == []


def test_every_template_of_comfyui_becomes_the_prompt_of_the_frontend(canvas: Canvas, info: dict):
    found = list(templates())
    assert len(found) > 150
    wrong = {}
    refused = {}
    for path in found:
        try:
            ours = to_api(read(path), info, seed=0)
        except GraphError as error:
            refused[path.stem] = str(error)
            continue
        if lines := differences(ours, canvas.to_api(json.loads(path.read_bytes()))["output"]):
            wrong[path.stem] = lines[:3]
    assert wrong == {}
    assert refused.keys() == REFUSED.keys()
    assert all(words in refused[name] for name, words in REFUSED.items())
