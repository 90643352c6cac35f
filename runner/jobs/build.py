"""From a graph file and what was set on the command line to a job: the seam between graphs and the runner."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...portrait.photos import PhotoError
from .. import graph as graphs
from ..client import PACK_NODE, Client, PromptError, prompt_node_name
from .api_graph import ApiGraph, accept, api_job, api_rows, declared_inputs, read_api
from .job import UPLOADS, Job
from .origins import NO_SUBJECT, SUBJECT_NODE, asking
from .photo_place import LOAD_PHOTOS, with_photos
from .prepare import nodes_of, prepare_prompt, refuse
from .record import Stage


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Read `name=value` pairs; raises PromptError for one without a name or an equals sign."""
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise PromptError(f"--set {pair!r} is not of the form name=value")
        settings[name.strip()] = value
    return settings


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
    made = read_recipe(client, path).job(settings, photos)
    return replace(made, prompt_id=prompt_id, find=True) if prompt_id else made


@dataclass(frozen=True)
class Recipe:
    """A graph made ready for one host: any number of jobs come from it, and the host is asked nothing again.

    `object_info` is the host's own, `models` what it has in the folders that the graph's models belong to, `frontend`
    the version of its frontend; `name`, when given, is what the jobs call the graph.
    """

    graph: graphs.UIGraph | ApiGraph
    object_info: Mapping[str, Any] = field(repr=False)
    models: Mapping[str, Sequence[str]] = field(repr=False)
    name: str = ""
    frontend: str = ""

    def names(self) -> list[str]:
        """Return the names of what can be set: parameters, or of an API graph `node.input` of every literal input."""
        if isinstance(self.graph, ApiGraph):
            return [row["name"] for row in api_rows(self.graph)]
        return list(graphs.parameters(self.graph))

    def accept(self, name: str, value: Any) -> Any:
        """Return a value in the type of a parameter. Raises GraphError or PromptError."""
        if isinstance(self.graph, ApiGraph):
            return accept(self.graph, name, value, self.object_info)
        return graphs.parameters(self.graph)[name].accept(value)

    def fingerprint(self) -> str:
        """Return a hash of how the host declares the graph's nodes, apart from what it has in its folders."""
        if isinstance(self.graph, ApiGraph):
            kinds = {body["class_type"] for body in nodes_of(self.graph.prompt).values()}
        else:
            kinds = {node.type for level in self.graph.levels() for node in level.nodes.values()}
        return self._hash(kinds)

    def pack_fingerprint(self) -> str:
        """Return a hash of how the host declares all nodes of this pack, apart from what it has in its folders."""
        module = self.object_info.get(PACK_NODE, {}).get("python_module")
        return self._hash(kind for kind, one in self.object_info.items() if module and one["python_module"] == module)

    def _hash(self, kinds: Iterable[str]) -> str:
        declared = {
            kind: {
                name: one[0] if one and isinstance(one[0], str) else "COMBO"
                for name, one in (declared_inputs(self.object_info, kind) or {}).items()
            }
            for kind in sorted(kinds)
        }
        return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()[:12]

    def choices(self) -> dict[str, list[str]]:
        """Return what can be chosen of each parameter that is a choice, as the graph or else the host has it."""
        if isinstance(self.graph, ApiGraph):
            return {}
        prompt = graphs.to_api(self.graph, self.object_info, seed=0, frontend=self.frontend)
        found = {}
        for name, one in graphs.parameters(self.graph).items():
            node, key = one.targets[0]
            if one.type == "COMBO" and node in prompt:
                declared = (declared_inputs(self.object_info, prompt[node]["class_type"]) or {}).get(key)
                offered = list(map(str, one.choices)) or _options(declared)
                if offered:
                    found[name] = offered
        return found

    def subjects(self) -> frozenset[str]:
        """Return the subjects that the host has; empty where it does not have the node that loads them."""
        declared = (declared_inputs(self.object_info, SUBJECT_NODE) or {}).get("subject")
        return frozenset(_options(declared)) - {NO_SUBJECT}

    def with_subjects(self, names: Iterable[str]) -> Recipe:
        """Return the recipe for a host that has these subjects too, or will have them before a job needs them."""
        missing = sorted(set(names) - self.subjects())
        declared = (declared_inputs(self.object_info, SUBJECT_NODE) or {}).get("subject")
        if not missing or not declared:
            return self
        known = [*_options(declared), *missing]
        offered = (
            [known, *declared[1:]]
            if isinstance(declared[0], list)
            else [declared[0], {**declared[1], "options": known}]
        )
        node = self.object_info[SUBJECT_NODE]
        inputs = {
            section: {**found, "subject": offered} if "subject" in found else found
            for section, found in node["input"].items()
            if isinstance(found, Mapping)
        }
        widened = {**node, "input": {**node["input"], **inputs}}
        return replace(self, object_info={**self.object_info, SUBJECT_NODE: widened})

    def subject_settings(self) -> dict[str, str]:
        """Return the parameters that name a subject, each with what it is when a row does not set it."""
        if isinstance(self.graph, ApiGraph):
            nodes = nodes_of(self.graph.prompt)
            return {
                f"{node}.subject": str(body["inputs"].get("subject", NO_SUBJECT))
                for node, body in nodes.items()
                if body["class_type"] == SUBJECT_NODE
            }
        prompt = graphs.to_api(self.graph, self.object_info, seed=0, frontend=self.frontend)
        return {
            name: str(one.default if one.default is not None else prompt[node]["inputs"].get(key, NO_SUBJECT))
            for name, one in graphs.parameters(self.graph).items()
            for node, key in one.targets[:1]
            if key == "subject" and node in prompt and prompt[node]["class_type"] == SUBJECT_NODE
        }

    def job(self, settings: Mapping[str, Any], photos: Callable[[], Sequence[str]] | None = None) -> Job:
        """Build the job of these settings; `photos` uploads its photos once all else is found good.

        Raises PromptError, GraphError, or PhotoError, before anything is uploaded.
        """
        if isinstance(self.graph, ApiGraph):
            api = self.graph
            build: Callable[[Sequence[str]], Job] = lambda names: api_job(api, settings, names, self.object_info)  # noqa: E731
        else:
            build = _ui_builder(self.graph, settings, self.object_info, self.models, self.frontend)
        made = build([f"{UPLOADS}/photo.png"] if photos else ())
        if photos:
            made = build(photos())
        _refuse_no_photos(made.prompt)
        return replace(made, prompt=asking(made.prompt, self.object_info), graph=self.name or made.graph)


def read_recipe(client: Client, path: Path, name: str = "") -> Recipe:
    """Read a graph file for the nodes and models of a host. Raises PromptError, GraphError."""
    api = read_api(path)
    if api:
        return Recipe(api, client.object_info(), {}, name)
    graph = graphs.read(path)
    return Recipe(graph, client.object_info(), _models(client, graph), name, client.frontend())


def _options(declared: Sequence[Any] | None) -> list[str]:
    """Return the choices of an input as a host declares it: in the place of the type, or among the options."""
    if not declared:
        return []
    if isinstance(declared[0], list):
        return list(map(str, declared[0]))
    more = declared[1].get("options") if len(declared) > 1 else None
    return list(map(str, more)) if isinstance(more, list) else []


def _refuse_no_photos(prompt: Mapping[str, Any]) -> None:
    """Raise PhotoError for a node that would load photos and names none."""
    for node, body in prompt.items():
        named = "".join(str(body["inputs"].get(key) or "") for key in ("folder", "files"))
        if body["class_type"] == LOAD_PHOTOS and not named.strip():
            name = prompt_node_name(prompt, node)
            raise PhotoError(f"{name} has no photos: give --photo FILE, or name a folder under the host's input/")


def takes_photos(path: Path) -> bool:
    """Whether a graph file has one place for the photos of a person. Raises GraphError, PromptError."""
    api = read_api(path)
    if api:
        kinds = [body["class_type"] for body in nodes_of(api.prompt).values()]
    else:
        graph = graphs.read(path)
        if graphs.photo_input(graph):
            return True
        kinds = [node.type for level in graph.levels() for node in level.nodes.values()]
    return kinds.count(LOAD_PHOTOS) == 1


def to_api(client: Client, path: Path) -> dict[str, Any]:
    """Return the API prompt of a UI graph for the nodes of a host; an API graph is given back pruned."""
    api = read_api(path)
    info = client.object_info()
    if api:
        return prepare_prompt(api.prompt, info)
    return graphs.to_api(graphs.read(path), info, frontend=client.frontend())


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
    return api_rows(api)


def check(client: Client, path: Path, settings: Mapping[str, str]) -> list[graphs.Problem]:
    """Return all that would keep a graph from running on a host, and warnings; nothing is queued or uploaded."""
    api = read_api(path)
    if api is None:
        graph = graphs.read(path)
        settings = graphs.with_family(graph, settings)
        return graphs.check(graph, client.object_info(), _models(client, graph), settings, client.frontend())
    findings = graphs.check_prompt(nodes_of(api.prompt), client.object_info())
    if not any(finding.level == "error" for finding in findings):
        api_job(api, settings, (), client.object_info())
    return findings


def _models(client: Client, graph: graphs.UIGraph) -> dict[str, list[str]]:
    """Return what the host has in the folders that the graph's required models belong to."""
    required = graphs.declared(graph).get("requires", {}).get("models", ())
    return {folder: client.models(folder) for folder in sorted({str(model["folder"]) for model in required})}


def _ui_builder(
    graph: graphs.UIGraph,
    settings: Mapping[str, Any],
    object_info: Mapping[str, Any],
    models: Mapping[str, Sequence[str]],
    frontend: str,
) -> Callable[[Sequence[str]], Job]:
    known = graphs.parameters(graph)
    settings = graphs.with_family(graph, settings)
    studio = graphs.declared(graph)
    name = str(studio.get("name") or Path(graph.source).stem)
    values = {key: one.default for key, one in known.items() if one.default is not None}
    values |= {key: known[key].accept(value) for key, value in settings.items() if key in known}
    findings = graphs.check(graph, object_info, models, settings, frontend)
    seed = values.get("seed")
    # The canvas shows what the graph says; what this job set instead is recorded beside it.
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
        prompt = graphs.to_api(graph, object_info, seed=seed if isinstance(seed, int) else 0, frontend=frontend)
        prompt = graphs.apply(prompt, known, settings, graph.source)
        whole = with_photos(prompt, photos, graphs.photo_input(graph) if photos else None)
        return Job(
            prompt=prepare_prompt(whole, object_info),
            graph=name,
            version=str(studio.get("version", "")),
            workflow=workflow,
            parameters=values,
            stages=stages,
        )

    return build
