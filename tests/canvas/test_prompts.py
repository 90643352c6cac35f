"""Our prompts against those of the real frontend in a real browser, graph for graph.

They are equal to the last letter where the frontend is the one that the conversion was written after. With newer ones
they are equal in meaning, but for what those decide otherwise and the conversion does not follow (OTHERWISE).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from portrait_studio.runner.graph import GraphError, parse, read, to_api
from portrait_studio.runner.graph.classes import frontend

from ..runner.graph.conftest import FROZEN
from ..runner.graph.features import FEATURES
from ..workflows.shelf import BARE, named
from .chromium import Canvas, on_canvas
from .comparison import OTHERWISE, differences, differences_in_meaning

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

PACKAGES = ("core", "json", "media_api", "media_image", "media_other", "media_video")

# So many graphs are opened in one browser: each stays open in a tab of its own, and hundreds take gigabytes.
AT_ONCE = 60

# The two templates that cannot be sent headless: one records sound in the browser, one needs packs that are not here.
REFUSED = {
    "api_stability_ai_audio_to_audio": "RecordAudio",
    "video_wan2_2_14B_animate": "no node class DownloadAndLoadSAM2Model",
}

# Templates of which newer frontends make what no node can take, and why.
THEIR_FAULT = {
    "templates_graphic_design_recomposer": "a primitive in a block takes a model's name for an aspect ratio",
}

FRONTEND = importlib.metadata.version("comfyui-frontend-package")
FOLLOWED = FROZEN["frontend"] == FRONTEND


def apart(ours: dict, theirs: dict, info: dict) -> list[str]:
    return differences(ours, theirs) if FOLLOWED else differences_in_meaning(ours, theirs, info)


def templates() -> Iterator[Path]:
    """Yield every UI graph of the installed comfyui-workflow-templates packages."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(f"comfyui_workflow_templates_{package}")
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            paths = sorted(Path(folder).rglob("*.json"))
            yield from (path for path in paths if "nodes" in json.loads(path.read_bytes()))


@pytest.fixture(scope="module")
def canvas(host) -> Iterator[Canvas]:
    with on_canvas(host.url, "nothing was compared with the real frontend") as opened:
        yield opened


@pytest.fixture(scope="module")
def info(host) -> dict:
    with urllib.request.urlopen(f"{host.url}/object_info") as answer:
        return json.load(answer)


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_graph_becomes_the_prompt_of_the_frontend(name: str, canvas: Canvas, info: dict):
    if not FOLLOWED and name in OTHERWISE:
        pytest.skip(f"FRONTEND {FRONTEND} DECIDES OTHERWISE, and the conversion does not follow: {OTHERWISE[name]}")
    graph = FEATURES[name](info)
    assert (
        apart(to_api(parse(graph, name), info, seed=0, frontend=FRONTEND), canvas.to_api(graph)["output"], info) == []
    )


@pytest.mark.parametrize("path", BARE, ids=named)
def test_our_own_graphs_become_the_prompts_of_the_frontend(path: Path, canvas: Canvas, info: dict):
    theirs = canvas.to_api(json.loads(path.read_bytes()))["output"]
    assert differences(to_api(read(path), info, seed=0, frontend=FRONTEND), theirs) == []


@pytest.mark.timeout(1800)
def test_every_template_of_comfyui_becomes_the_prompt_of_the_frontend(host, info: dict):
    ours, refused = {}, {}
    for path in templates():
        try:
            ours[path] = to_api(read(path), info, seed=0, frontend=FRONTEND)
        except GraphError as error:
            refused[path.stem] = str(error)
    assert len(ours) > 150
    wrong = {}
    paths = list(ours)
    for start in range(0, len(paths), AT_ONCE):
        with on_canvas(host.url, "no template was compared with the real frontend") as canvas:
            for path in paths[start : start + AT_ONCE]:
                theirs = canvas.to_api(json.loads(path.read_bytes()))["output"]
                lines = apart(ours[path], theirs, info)
                if lines and (FOLLOWED or path.stem not in THEIR_FAULT):
                    wrong[path.stem] = lines[:3]
    assert wrong == {}
    if FOLLOWED:
        assert refused.keys() == REFUSED.keys()
        assert all(words in refused[name] for name, words in REFUSED.items())
    else:  # services come and go, and their nodes with them
        known = ("no node class", *frontend()["live"])
        assert not [words for words in refused.values() if not any(one in words for one in known)]
