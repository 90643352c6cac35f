"""Writes what the real frontend makes of the feature graphs, for tests on machines without a browser.

Run from the repository root with a host that runs: python -m tests.canvas.freeze http://127.0.0.1:8188
Of a frontend that is newer than the frozen one, what it answers otherwise is written beside.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import urllib.request
from pathlib import Path

from portrait_studio.runner.graph import parse, to_api

from ..packing import document, pack
from ..runner.graph.features import FEATURES
from .chromium import Canvas, find
from .comparison import OTHERWISE, differences_in_meaning

FROZEN = Path(__file__).parents[1] / "data" / "graphs" / "frontend.json.gz"
NEWER = FROZEN.with_name("newer_frontends.json")


def main(url: str) -> None:
    """Ask the frontend at `url` for every feature and replace the frozen answers."""
    with urllib.request.urlopen(f"{url}/object_info") as answer:
        info = json.load(answer)
    browser = find()
    if browser is None:
        sys.exit("No Chromium is installed here.")
    outputs = {}
    used: set[str] = set()
    with Canvas(url, browser) as canvas:
        for name, draw in FEATURES.items():
            graph = draw(info)
            outputs[name] = canvas.to_api(graph)["output"]
            levels = [graph, *graph.get("definitions", {}).get("subgraphs", ())]
            used |= {node["type"] for level in levels for node in level["nodes"]}
            used |= {node["class_type"] for node in outputs[name].values()}
    version = importlib.metadata.version("comfyui-frontend-package")
    followed = document(FROZEN)["frontend"]
    if version != followed:
        add(version, outputs, info, followed)
        return
    frozen = {
        "frontend": version,
        "object_info": {name: info[name] for name in sorted(used) if name in info},
        "outputs": outputs,
    }
    pack(FROZEN, (json.dumps(frozen, separators=(",", ":")).replace('},"', '},\n"') + "\n").encode())


def add(version: str, outputs: dict[str, dict], info: dict, followed: str) -> None:
    """Keep what a newer frontend makes of graphs otherwise than the one followed does on its host; without titles."""
    other = {
        name: {key: {"class_type": node["class_type"], "inputs": node["inputs"]} for key, node in prompt.items()}
        for name, prompt in outputs.items()
        if name not in OTHERWISE
        and differences_in_meaning(
            to_api(parse(FEATURES[name](info), name), info, seed=0, frontend=followed), prompt, info
        )
    }
    kept = {**(json.loads(NEWER.read_text("utf-8")) if NEWER.exists() else {}), version: other}
    NEWER.write_text(json.dumps(kept, separators=(",", ":")).replace('}},"', '}},\n"') + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
