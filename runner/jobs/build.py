"""From a graph file and what was set on the command line to a job: the seam between graphs and the runner."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...portrait import reading
from ...portrait.photos import PhotoError
from ...portrait.presets import shown
from .. import graph as graphs
from ..client import Client, PromptError
from .job import UPLOADS, Job
from .prepare import name_of, nodes_of, prepare_prompt, refuse
from .record import Stage

PHOTO_INPUTS = {"PortraitLoadPhotos": "files", "LoadImage": "image"}


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


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Read `name=value` pairs; raises PromptError for one without a name or an equals sign."""
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise PromptError(f"--set {pair!r} is not of the form name=value")
        settings[name.strip()] = value
    return settings


def api_job(graph: ApiGraph, settings: Mapping[str, str], photos: Sequence[str], object_info: Mapping[str, Any]) -> Job:
    """Build a job from an API graph; a setting is addressed `node.input`, the node by its id or its title.

    `photos` are names on the host. Raises PromptError.
    """
    prompt = nodes_of(graph.prompt)
    values = {}
    for address, text in settings.items():
        node, key = _address(prompt, address)
        declared = _declared(object_info, prompt[node]["class_type"])
        if declared is None:
            continue  # a node that the host does not have is named with its pack below
        if key not in declared:
            near = difflib.get_close_matches(key, declared, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(declared))}"
            raise PromptError(f"{name_of(node, prompt[node])} has no input {key!r}, {hint}")
        prompt[node]["inputs"][key] = values[address] = _value(address, text, declared[key])
    prompt = _with_photos(prompt, photos, None)
    return Job(prompt=prepare_prompt(prompt, object_info), graph=graph.name, parameters=values)


def _address(prompt: Mapping[str, Any], address: str) -> tuple[str, str]:
    node, dot, key = address.rpartition(".")
    if not dot:
        raise PromptError(f"--set {address}: a graph in API format has no named parameters; write node.input=value")
    if node in prompt:
        return node, key
    titled = [name for name, body in prompt.items() if (body.get("_meta") or {}).get("title") == node]
    if len(titled) != 1:
        what = "is the title of several nodes" if titled else "is neither the id nor the title of a node"
        raise PromptError(f"--set {address}: {node!r} {what}; write the node's id")
    return titled[0], key


def _declared(object_info: Mapping[str, Any], class_type: str) -> dict[str, Any] | None:
    if class_type not in object_info:
        return None
    inputs = object_info[class_type].get("input", {})
    return {**inputs.get("required", {}), **inputs.get("optional", {})}


def _value(address: str, text: str, declared: Sequence[Any]) -> Any:
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


def _photo_input(prompt: Mapping[str, Any]) -> tuple[str, str]:
    for class_type, key in PHOTO_INPUTS.items():
        nodes = [node for node, body in prompt.items() if body["class_type"] == class_type]
        if len(nodes) == 1:
            return nodes[0], key
    raise PromptError("The graph does not say where photos go: give it one PortraitLoadPhotos or LoadImage node")


def job(
    client: Client,
    path: Path,
    settings: Mapping[str, str],
    photos: Callable[[], Sequence[str]] | None = None,
    prompt_id: str = "",
) -> Job:
    """Build the job that a graph file describes; `photos` uploads its photos once all else is found good.

    Raises PromptError, GraphError, or PhotoError when the graph wants photos and is given none, before anything is
    uploaded. With `prompt_id` the job is looked for on the host.
    """
    api = read_api(path)
    build = _api_builder(api, settings, client) if api else _ui_builder(graphs.read(path), settings, client)
    made = build([f"{UPLOADS}/photo.png"] if photos else ())
    if photos:
        made = build(photos())
    _refuse_no_photos(made.prompt)
    return replace(made, prompt_id=prompt_id, find=True) if prompt_id else made


def _refuse_no_photos(prompt: Mapping[str, Any]) -> None:
    """Raise PhotoError for a node that would load photos and names none."""
    for node, body in prompt.items():
        named = "".join(str(body["inputs"].get(key) or "") for key in ("folder", "files"))
        if body["class_type"] == "PortraitLoadPhotos" and not named.strip():
            name = name_of(node, body)
            raise PhotoError(f"{name} has no photos: give --photo FILE, or name a folder under the host's input/")


def to_api(client: Client, path: Path) -> dict[str, Any]:
    """Return the API prompt of a UI graph for the nodes of a host; an API graph is given back pruned."""
    api = read_api(path)
    info = client.object_info()
    return prepare_prompt(api.prompt, info) if api else graphs.to_api(graphs.read(path), info)


def parameter_rows(path: Path) -> list[dict[str, Any]]:
    """Return what can be set on a graph: name, type, default, range, help (English), and the photos' input if any.

    Of an API graph these are its nodes' literal inputs, by address.
    """
    api = read_api(path)
    if api is None:
        known = graphs.parameters(graphs.read(path)).values()
        return [
            {
                "name": one.name,
                "type": one.type,
                "default": one.default,
                "range": one.range,
                "help": one.help.get("en", ""),
            }
            for one in known
        ]
    kinds = {bool: "BOOLEAN", int: "INT", float: "FLOAT", str: "STRING"}
    return [
        {
            "name": f"{node}.{key}",
            "type": kinds[type(value)],
            "default": value,
            "range": "",
            "help": (body.get("_meta") or {}).get("title", body["class_type"]),
        }
        for node, body in api.prompt.items()
        if isinstance(body, dict) and "class_type" in body
        for key, value in (body.get("inputs") or {}).items()
        if type(value) in kinds
    ]


def _api_builder(graph: ApiGraph, settings: Mapping[str, str], client: Client) -> Callable[[Sequence[str]], Job]:
    return lambda photos: api_job(graph, settings, photos, client.object_info())


def check(client: Client, path: Path, settings: Mapping[str, str]) -> list[graphs.Problem]:
    """Return all that would keep a graph from running on a host, and warnings; nothing is queued or uploaded."""
    api = read_api(path)
    if api is None:
        graph = graphs.read(path)
        return graphs.check(graph, client.object_info(), _models(client, graph), settings)
    findings = graphs.check_prompt(nodes_of(api.prompt), client.object_info())
    if not any(finding.level == "error" for finding in findings):
        api_job(api, settings, (), client.object_info())
    return findings


def _models(client: Client, graph: graphs.UIGraph) -> dict[str, list[str]]:
    """Return what the host has in the folders that the graph's required models belong to."""
    required = graphs.declared(graph).get("requires", {}).get("models", ())
    return {folder: client.models(folder) for folder in sorted({str(model["folder"]) for model in required})}


def _ui_builder(graph: graphs.UIGraph, settings: Mapping[str, str], client: Client) -> Callable[[Sequence[str]], Job]:
    known = graphs.parameters(graph)
    studio = graphs.declared(graph)
    name = str(studio.get("name") or Path(graph.source).stem)
    values = {key: one.default for key, one in known.items() if one.default is not None}
    values |= {key: known[key].accept(value) for key, value in settings.items() if key in known}
    findings = graphs.check(graph, client.object_info(), _models(client, graph), settings)
    seed = values.get("seed")
    # The canvas shows what the graph says; what this job set instead is told beside it.
    workflow = {
        **graph.data,
        "extra": {**(graph.data.get("extra") or {}), "portrait_studio_job": {"parameters": values}},
    }
    stages = tuple(
        Stage(one.name, str(one.title.get("en", "")), one.image, one.likeness, one.nodes)
        for one in graphs.stages(graph)
    )

    def build(photos: Sequence[str]) -> Job:
        # A photo that is yet to be uploaded takes the place of the one that the graph was saved with.
        refuse([finding for finding in findings if not (photos and finding.kind == "file_missing")])
        prompt = graphs.to_api(graph, client.object_info(), seed=seed if isinstance(seed, int) else 0)
        prompt = graphs.apply(prompt, known, settings, graph.source)
        whole = _with_photos(prompt, photos, graphs.photo_input(graph) if photos else None)
        return Job(
            prompt=prepare_prompt(whole, client.object_info()),
            graph=name,
            version=str(studio.get("version", "")),
            workflow=workflow,
            parameters=values,
            stages=stages,
        )

    return build


def _with_photos(prompt: Mapping[str, Any], photos: Sequence[str], place: tuple[str, str] | None) -> dict[str, Any]:
    """Return the prompt with the photos' names in the input that takes them, in place of those that the graph names."""
    if not photos:
        return dict(prompt)
    node, key = place or _photo_input(prompt)
    if node not in prompt:
        raise PromptError(f"The node that takes the photos (node {node}) is muted, bypassed or unused in this graph")
    if prompt[node]["class_type"] == "LoadImage" and len(photos) > 1:
        raise PromptError(f"{name_of(node, prompt[node])} takes one photo, and {len(photos)} were given")
    inputs = {**prompt[node].get("inputs", {}), key: "\n".join(photos)}
    if prompt[node]["class_type"] == "PortraitLoadPhotos":
        inputs["folder"] = ""
    return {**prompt, node: {**prompt[node], "inputs": inputs}}
