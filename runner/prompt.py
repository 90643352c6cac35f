"""A prompt made safe to send: what the host would swallow silently, choke on, or die of is found here first."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import PromptError

Prompt = dict[str, dict[str, Any]]

# Widgets that the canvas adds to nodes by itself and exports with them; no node reads them.
CANVAS_INPUTS = frozenset({"upload", "control_after_generate", "audioUI", "speak_and_recognation"})


def prepare(prompt: Mapping[str, Any], object_info: Mapping[str, Any]) -> Prompt:
    """Return the nodes of an API prompt that lead to an output, each with `class_type` and `inputs`.

    Entries that are no nodes (`_meta`, `version` ...) are left out, and so are nodes that nothing asks for: one of them
    without `inputs` kills the host's worker. `object_info` is the host's own. Raises PromptError for a prompt without
    nodes or outputs, unknown nodes and inputs, links to nowhere, cycles, and file names the host would not give back.
    """
    if not isinstance(prompt, Mapping):
        raise PromptError("The prompt is not in API format (node id -> class_type and inputs): export it with 'API'")
    nodes = {
        str(key): {**body, "inputs": dict(body.get("inputs") or {})}
        for key, body in prompt.items()
        if isinstance(body, Mapping) and isinstance(body.get("class_type"), str)
    }
    if not nodes:
        raise PromptError("The prompt holds no node: it is not a graph in API format")
    unknown = sorted({body["class_type"] for body in nodes.values()} - object_info.keys())
    if unknown:
        raise PromptError(f"The host does not have the node(s) {', '.join(unknown)}: install the pack they come from")
    outputs = [node for node, body in nodes.items() if object_info[body["class_type"]].get("output_node")]
    if not outputs:
        raise PromptError("The prompt saves and shows nothing: add a node such as SaveImage")
    wanted = _reach(nodes, outputs)
    kept = {node: body for node, body in nodes.items() if node in wanted}
    _refuse_cycles(kept)
    for node, body in kept.items():
        _refuse_inputs(node, body, object_info[body["class_type"]])
    return kept


def name_of(node: str, body: Mapping[str, Any]) -> str:
    """Return how to speak of a node: its title or class, and its id."""
    return f"{(body.get('_meta') or {}).get('title') or body['class_type']} (node {node})"


def _links(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (input, source node) of every link of a node."""
    for key, value in body["inputs"].items():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int):
            yield key, value[0]


def _reach(nodes: Prompt, outputs: list[str]) -> set[str]:
    seen: set[str] = set()
    todo = list(outputs)
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        for key, source in _links(nodes[node]):
            if source not in nodes:
                raise PromptError(
                    f"Input {key!r} of {name_of(node, nodes[node])} comes from node {source}: no such node"
                )
            todo.append(source)
    return seen


def _refuse_cycles(nodes: Prompt) -> None:
    """Raise PromptError for a cycle; the host refuses one without a word of detail."""
    waits = {node: {source for _, source in _links(body)} for node, body in nodes.items()}
    while ready := {node for node, sources in waits.items() if not sources}:
        waits = {node: sources - ready for node, sources in waits.items() if node not in ready}
    if waits:
        node = next(iter(waits))
        path: list[str] = []
        while node not in path:
            path.append(node)
            node = next(source for source in waits[node] if source in waits)
        names = [name_of(step, nodes[step]) for step in [*path[path.index(node) :], node]]
        raise PromptError(f"The graph is a circle: {' <- '.join(names)}; cut one of these links")


def _refuse_inputs(node: str, body: Mapping[str, Any], info: Mapping[str, Any]) -> None:
    declared = {key for kind in ("required", "optional") for key in info.get("input", {}).get(kind, {})}
    for key, value in body["inputs"].items():
        # A dot marks an input that the node grows by itself (V3); the other packs' flexible inputs are not declared.
        if key not in declared | CANVAS_INPUTS and "." not in key and _closed(info):
            near = difflib.get_close_matches(key, declared, 1)
            hint = f", did you mean {near[0]!r}?" if near else f"; it has {', '.join(sorted(declared)) or 'none'}"
            raise PromptError(f"{name_of(node, body)} has no input {key!r}{hint}")
        if key == "filename_prefix" and isinstance(value, str) and ".." in value:
            raise PromptError(
                f"{name_of(node, body)} saves as {value!r}, and the host hands out no file with '..' in its name"
            )


def _closed(info: Mapping[str, Any]) -> bool:
    """Whether a node takes declared inputs alone: known of the core's nodes and of ours."""
    module = str(info.get("python_module", ""))
    return not module.startswith("custom_nodes.") or "portrait" in module.lower() or "studio" in module.lower()
