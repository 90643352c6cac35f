"""Where a graph takes the photos of a job, and the photos put there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..client import PromptError, prompt_node_name

LOAD_PHOTOS = "PortraitLoadPhotos"
PHOTO_INPUTS = {LOAD_PHOTOS: "files", "LoadImage": "image"}


def with_photos(prompt: Mapping[str, Any], photos: Sequence[str], place: tuple[str, str] | None) -> dict[str, Any]:
    """Return the prompt with the photos' names in the input that takes them, in place of those that the graph names.

    `place` is the (node, input) that the graph declares; without it the prompt's only loader of photos takes them.
    Raises PromptError.
    """
    if not photos:
        return dict(prompt)
    node, key = place or _photo_input(prompt)
    if node not in prompt:
        raise PromptError(f"The node that takes the photos (node {node}) is muted, bypassed or unused in this graph")
    if prompt[node]["class_type"] == "LoadImage" and len(photos) > 1:
        raise PromptError(f"{prompt_node_name(prompt, node)} takes one photo, and {len(photos)} were given")
    inputs = {**prompt[node].get("inputs", {}), key: "\n".join(photos)}
    if prompt[node]["class_type"] == LOAD_PHOTOS:
        inputs["folder"] = ""
    return {**prompt, node: {**prompt[node], "inputs": inputs}}


def _photo_input(prompt: Mapping[str, Any]) -> tuple[str, str]:
    for class_type, key in PHOTO_INPUTS.items():
        nodes = [node for node, body in prompt.items() if body["class_type"] == class_type]
        if len(nodes) == 1:
            return nodes[0], key
    raise PromptError("The graph does not say where photos go: give it one PortraitLoadPhotos or LoadImage node")
