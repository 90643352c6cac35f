"""What a prompt means, whatever its nodes are called: for a graph of blocks beside the plain one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from portrait_studio.portrait.disk import read_toml
from portrait_studio.runner.graph import is_link

from .blocks import PLAIN

Prompt = dict[str, Any]


def without_kits(prompt: Prompt) -> Prompt:
    """Return a prompt in which every link out of a kit comes from the node that put it in, and no kit is left."""
    parts = dict(enumerate(read_toml(PLAIN / "kit.toml")["types"], 1))

    def origin(link: list[Any]) -> list[Any]:
        node = prompt[link[0]]
        if node["class_type"] == "PortraitOpenKit":
            return origin(held(node["inputs"]["kit"], parts[link[1]]))
        return link

    def held(kit: list[Any], name: str) -> list[Any]:
        node = prompt[kit[0]]
        if name in node["inputs"]:
            return origin(node["inputs"][name])
        return held(node["inputs"]["kit"], name)

    return {
        key: {**node, "inputs": {name: origin(v) if is_link(v) else v for name, v in node["inputs"].items()}}
        for key, node in prompt.items()
        if node["class_type"] not in ("PortraitKit", "PortraitOpenKit")
    }


def meanings(prompt: Prompt) -> set[str]:
    """Return a text for every node: its class and its values, with the same of the nodes before it as hashes.

    Two nodes that do the same on the same are one, as they are for ComfyUI's cache.
    """
    known: dict[str, str] = {}

    def meaning(key: str) -> str:
        if key not in known:
            node = prompt[key]
            given = {
                name: [hashlib.sha256(meaning(value[0]).encode()).hexdigest(), value[1]] if is_link(value) else value
                for name, value in node["inputs"].items()
            }
            known[key] = json.dumps([node["class_type"], given], sort_keys=True)
        return known[key]

    return {meaning(key) for key in prompt}
