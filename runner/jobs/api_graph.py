"""Graphs in API format: what can be set on them, and the job that they describe."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...portrait import reading
from ...portrait.presets import shown
from .. import graph as graphs
from ..client import PromptError, prompt_node_name, title_of
from .job import Job
from .photo_place import with_photos
from .prepare import nodes_of, prepare_prompt


@dataclass(frozen=True)
class ApiGraph:
    """A graph in API format, as the canvas exports it: no parameters, no stages, only nodes."""

    name: str
    prompt: dict[str, Any] = field(repr=False)


def read_api(path: Path) -> ApiGraph | None:
    """Return the API graph in a file, or None when the file holds something else.

    Raises PromptError when the file cannot be read.
    """
    try:
        data = reading.parse_json(reading.read(path, "graph"))
    except reading.ReadError as error:
        raise PromptError(f"The graph {shown(path.name)} cannot be read ({error}): {graphs.advice(path)}") from error
    except ValueError:
        return None
    if isinstance(data, dict) and isinstance(data.get("prompt"), dict) and "nodes" not in data:
        data = data["prompt"]  # the body of a POST /prompt
    nodes = [value for value in data.values() if isinstance(value, dict)] if isinstance(data, dict) else []
    return ApiGraph(path.stem, data) if any("class_type" in node for node in nodes) else None


def api_job(graph: ApiGraph, settings: Mapping[str, Any], photos: Sequence[str], object_info: Mapping[str, Any]) -> Job:
    """Build a job from an API graph; a setting is addressed `node.input`, the node by its id or its title.

    `photos` are names on the host. Raises PromptError.
    """
    prompt = nodes_of(graph.prompt)
    values = {}
    for address, text in settings.items():
        node, key = _address(prompt, address)
        declared = declared_inputs(object_info, prompt[node]["class_type"])
        if declared is None:
            continue  # a node that the host does not have is named with its pack below
        if key not in declared:
            near = difflib.get_close_matches(key, declared, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(declared))}"
            raise PromptError(f"{prompt_node_name(prompt, node)} has no input {key!r}, {hint}")
        prompt[node]["inputs"][key] = values[address] = _typed(address, str(text), declared[key])
    prompt = with_photos(prompt, photos, None)
    return Job(prompt=prepare_prompt(prompt, object_info), graph=graph.name, parameters=values)


def accept(graph: ApiGraph, address: str, value: Any, object_info: Mapping[str, Any]) -> Any:
    """Return a value in the type that the host declares for the input at `address`. Raises PromptError."""
    prompt = nodes_of(graph.prompt)
    node, key = _address(prompt, address)
    declared = (declared_inputs(object_info, prompt[node]["class_type"]) or {}).get(key)
    return value if declared is None else _typed(address, str(value), declared)


def _address(prompt: Mapping[str, Any], address: str) -> tuple[str, str]:
    node, dot, key = address.rpartition(".")
    if not dot:
        raise PromptError(f"--set {address}: a graph in API format has no named parameters; write node.input=value")
    if node in prompt:
        return node, key
    titled = [name for name, body in prompt.items() if title_of(body) == node]
    if len(titled) != 1:
        what = "is the title of several nodes" if titled else "is neither the id nor the title of a node"
        raise PromptError(f"--set {address}: {node!r} {what}; write the node's id")
    return titled[0], key


def declared_inputs(object_info: Mapping[str, Any], class_type: str) -> dict[str, Any] | None:
    """Return the inputs that a host declares for a class of nodes, by name; None for one that it does not have."""
    if class_type not in object_info:
        return None
    inputs = object_info[class_type].get("input", {})
    return {**inputs.get("required", {}), **inputs.get("optional", {})}


def _typed(address: str, text: str, declared: Sequence[Any]) -> Any:
    """Read a setting as the type that the node declares."""
    kind = declared[0] if declared else "STRING"
    try:
        if kind == "INT":
            return int(text)
        if kind == "FLOAT":
            return float(text)
        if kind == "BOOLEAN":
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
    except (ValueError, KeyError) as error:
        raise PromptError(f"--set {address}: {text!r} is not of the type {kind}") from error
    return text


def api_rows(api: ApiGraph) -> list[dict[str, Any]]:
    """Return what can be set on an API graph: the literal inputs of its nodes, by address, with type and default."""
    kinds = {bool: "BOOLEAN", int: "INT", float: "FLOAT", str: "STRING"}
    return [
        {
            "name": f"{node}.{key}",
            "type": kinds[type(value)],
            "default": value,
            "range": "",
            "help": title_of(body) or str(body["class_type"]),
        }
        for node, body in api.prompt.items()
        if isinstance(body, dict) and "class_type" in body
        for key, value in (body["inputs"] if isinstance(body.get("inputs"), dict) else {}).items()
        if type(value) in kinds
    ]
