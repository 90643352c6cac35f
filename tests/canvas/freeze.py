"""Writes what the real frontend makes of the feature graphs, for tests on machines without a browser.

Run from the repository root with a host that runs: python -m tests.canvas.freeze http://127.0.0.1:8188
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import urllib.request
from pathlib import Path

from ..runner.graph.features import FEATURES
from .chromium import Canvas, find

FROZEN = Path(__file__).parents[1] / "data" / "graphs" / "frontend.json"


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
    frozen = {
        "frontend": importlib.metadata.version("comfyui-frontend-package"),
        "object_info": {name: info[name] for name in sorted(used) if name in info},
        "outputs": outputs,
    }
    beside = FROZEN.with_suffix(".part")
    beside.write_text(json.dumps(frozen, separators=(",", ":")).replace('},"', '},\n"') + "\n", "utf-8")
    beside.replace(FROZEN)


if __name__ == "__main__":
    main(sys.argv[1])
