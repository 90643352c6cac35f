"""The shipped graphs: those for ComfyUI and this pack alone, and those that stand on other packs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from portrait_studio.runner.graph import newest
from portrait_studio.runner.graph.shelf import graphs

from ..packing import document

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "workflows"
RECORDED = ROOT / "tests" / "data" / "object_info_packs.json.gz"


def declared(path: Path) -> dict[str, Any]:
    """Return what a graph file says of itself."""
    return json.loads(path.read_text("utf-8"))["extra"]["portrait_studio"]


def stands_on_packs(path: Path) -> bool:
    """Tell whether a graph needs a pack other than this one."""
    return any(not pack.get("optional") for pack in declared(path)["requires"]["packs"])


def named(path: Path) -> str:
    """Return the name that a graph file gives itself."""
    return declared(path)["name"]


def file_of(name: str) -> Path:
    """Return the file of the shipped graph of this name."""
    file = newest(name)
    assert file is not None, name
    return file


def twin_of(path: Path) -> Path:
    """Return the API prompt of a graph, as it is shipped."""
    return WORKFLOWS / "api" / f"{named(path)}.v{declared(path)['version'].partition('.')[0]}.json"


ALL = sorted(graphs().values())
BARE = [path for path in ALL if not stands_on_packs(path)]
STUDIO = [path for path in ALL if stands_on_packs(path)]

# What takes the place of models that no machine of ours has, and the sizes and steps of a quick try on the pocket ones.
POCKET = {
    "portrait-studio-xl": {
        "checkpoint": "pocket.safetensors",
        "openpose": "pocket-openpose.safetensors",
        "tile_controlnet": "pocket-tile.safetensors",
        "upscaler": "pocket-x4.safetensors",
    }
}


def recorded() -> dict[str, Any]:
    """Return the interfaces of the packs' nodes as the real packs gave them in /object_info."""
    return document(RECORDED)


def without_news(made: dict[str, Any], shipped: dict[str, Any], object_info: dict[str, Any]) -> dict[str, Any]:
    """Return a prompt without the inputs that only this host has, where they are at their default.

    A newer ComfyUI gives an old node one more widget; a graph from before it runs as it did.
    """

    def known(node: str, body: dict[str, Any], name: str, value: Any) -> bool:
        groups = object_info.get(body["class_type"], {}).get("input", {}).values()
        options = next((group[name][1] for group in groups if name in group and len(group[name]) > 1), {})
        return name in shipped.get(node, {}).get("inputs", ()) or value != options.get("default", ...)

    return {
        node: body
        | {"inputs": {name: value for name, value in body["inputs"].items() if known(node, body, name, value)}}
        for node, body in made.items()
    }
