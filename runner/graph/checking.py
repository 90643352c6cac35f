"""What would go wrong on a host, before anything is queued: classes, models, values, names and link types.

The host itself checks less: combos of V3 nodes go unchecked and inputs that no node reads are taken in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..client import prompt_node_name
from .canvas import Canvas
from .classes import DYNAMIC, canvas_inputs, inputs_of
from .conversion import Conversion, is_link
from .document import BYPASS, MUTED, GraphError, UIGraph
from .frontends import frontend_for
from .growing import CUSTOM_COMBO
from .growing import choices as dynamic_choices
from .live import LiveNode
from .migration import newer
from .parameters import apply, declared, nearest, parameters, photo_input

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `level` is "error" (the graph cannot run as it should) or "warning".

    `kind` is graph, node_missing, model_missing, file_missing, value, input_missing, input_unknown, link or widgets;
    `node` and `input` say where, empty when it is nowhere in particular; `message` is one sentence for a person.
    """

    level: str
    kind: str
    message: str
    node: str = ""
    input: str = ""


def check(
    graph: UIGraph,
    object_info: Mapping[str, Any],
    models: Mapping[str, Sequence[str]] | None = None,
    settings: Mapping[str, Any] | None = None,
    frontend: str = "",
) -> list[Problem]:
    """Return everything that would keep a UI graph from running on the host of `object_info`; empty means it can run.

    `models` is what the host has by folder under models/ (GET /models/<folder>), for required models that no input
    names; `settings` are parameters to apply first; `frontend` is as for `to_api`. Nothing is raised for a bad graph:
    that is a finding too.
    """
    too_new = newer(graph)
    if too_new:
        return [Problem(ERROR, "graph", f"{too_new}.")]
    try:
        studio = declared(graph)
        canvas = Canvas(graph, object_info, frontend_for(graph, frontend))
        conversion = Conversion(canvas, seed=0, keep_foreign=True)
        findings = _missing_nodes(conversion, studio)
        prompt = conversion.prompt()
        prompt = apply(prompt, parameters(graph), settings or {}, graph.source)
        photos = photo_input(graph)
    except GraphError as error:
        return [Problem(ERROR, "graph", str(error))]
    owners = {node.id: node.live for node in conversion.nodes}
    findings += _Checker(prompt, object_info, studio, photos, owners).findings()
    findings += _missing_files(prompt, studio, models or {}, findings)
    findings += _surplus_values(canvas, ours=bool(studio))
    return findings


def check_prompt(prompt: Mapping[str, Any], object_info: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with a prompt in API format, of which nothing but its nodes is known."""
    nodes = {key: node for key, node in prompt.items() if isinstance(node, dict) and "class_type" in node}
    findings = [
        _missing_node(node["class_type"], [key], {}, {})
        for key, node in nodes.items()
        if node["class_type"] not in object_info
    ]
    return findings + _Checker(nodes, object_info, {}, None, {}).findings()


@cache
def _packs() -> list[dict[str, Any]]:
    return json.loads((Path(__file__).parent / "packs.json").read_text("utf-8"))["packs"]


def _missing_nodes(conversion: Conversion, studio: Mapping[str, Any]) -> list[Problem]:
    unknown: dict[str, list[str]] = {}
    properties: dict[str, Mapping[str, Any]] = {}
    for node in conversion.active():
        if node.live.node_class is None:
            unknown.setdefault(node.live.node.type, []).append(node.id)
            properties.setdefault(node.live.node.type, node.live.node.properties)
    return [_missing_node(kind, ids, studio, properties[kind]) for kind, ids in unknown.items()]


def _missing_node(kind: str, ids: list[str], studio: Mapping[str, Any], properties: Mapping[str, Any]) -> Problem:
    pack, source = _pack_of(kind, studio, properties)
    where = f"node {', '.join(ids)}"
    if not pack:
        advice = "no pack is known for it; ask whoever made the graph"
    else:
        version = f" {pack['version']}" if pack.get("version") else ""
        address = f" ({pack['repository']})" if pack.get("repository") else ""
        advice = f"it comes from the pack {pack['name']}{version}{address}{source}"
    return Problem(ERROR, "node_missing", f"The host has no node class {kind!r} ({where}): {advice}.", ids[0])


def _pack_of(kind: str, studio: Mapping[str, Any], properties: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    required = studio.get("requires", {}).get("packs", [])
    for pack in required:
        if kind in pack.get("nodes", ()):
            return pack, ""
    known = next((pack for pack in _packs() if _has(pack, kind)), {})
    saved = properties.get("cnr_id") or properties.get("aux_id") or known.get("name")
    if not saved or saved == "comfy-core":
        return ({}, "") if not saved else ({"name": "comfy-core"}, ": update ComfyUI")
    pin = next((pack for pack in required if pack["name"].lower() == str(saved).lower()), None)
    if pin:
        return pin, ""
    version = properties.get("ver")
    entry = known if known and known["name"].lower() == str(saved).lower() else {"name": str(saved)}
    return {**entry, **({"version": version} if isinstance(version, str) and version else {})}, ""


def _has(pack: Mapping[str, Any], kind: str) -> bool:
    return (
        kind in pack.get("nodes", ())
        or kind.startswith(tuple(pack.get("prefixes", ())))
        or kind.endswith(tuple(pack.get("suffixes", ())))
    )


class _Checker:
    """Looks at every input of every node of a prompt."""

    def __init__(
        self,
        prompt: Mapping[str, Any],
        object_info: Mapping[str, Any],
        studio: Mapping[str, Any],
        photos: tuple[str, str] | None,
        owners: Mapping[str, LiveNode],
    ):
        self.prompt = prompt
        self.info = object_info
        self.photos = photos
        self.owners = owners
        self.models = studio.get("requires", {}).get("models", [])

    def findings(self) -> list[Problem]:
        found: list[Problem] = []
        for key, node in self.prompt.items():
            if node["class_type"] in self.info:
                found += self.node(key, node)
        if not any(self.info.get(node["class_type"], {}).get("output_node") for node in self.prompt.values()):
            found.append(Problem(ERROR, "graph", "The graph saves and shows nothing: add a node such as SaveImage."))
        return found

    def name(self, key: str) -> str:
        return prompt_node_name(self.prompt, key)

    def node(self, key: str, node: Mapping[str, Any]) -> Iterator[Problem]:
        info = self.info[node["class_type"]]
        known = inputs_of(info)
        given = node.get("inputs") or {}
        for name, (_, options, optional) in known.items():
            if name not in given and not optional and not options.get("lazy") and (key, name) != self.photos:
                message = f"{self.name(key)} lacks its input {name!r}: link or set it."
                yield Problem(ERROR, "input_missing", message, key, name)
        hidden = (info.get("input") or {}).get("hidden") or {}
        for name, value in given.items():
            if name in known:
                kind, options, _ = known[name]
                yield from (
                    self.link(key, name, kind, options, value)
                    if is_link(value)
                    else self.value(key, name, kind, options, value)
                )
            elif name in hidden or "." in name or name in canvas_inputs(node["class_type"], info):
                continue
            elif not (key in self.owners and self.owners[key].widget(name)):
                # Packs may let a node grow inputs that /object_info does not list.
                grown = str(info.get("python_module", "")).startswith("custom_nodes.") and is_link(value)
                message = f"{self.name(key)} has no input {name!r}{nearest(name, known)}."
                yield Problem(WARNING if grown else ERROR, "input_unknown", message, key, name)

    def link(self, key: str, name: str, kind: str, options: Mapping[str, Any], value: list) -> Iterator[Problem]:
        origin = self.prompt.get(str(value[0]))
        if origin is None:
            message = f"Input {name!r} of {self.name(key)} is linked to node {value[0]}, which is not there."
            yield Problem(ERROR, "link", message, key, name)
            return
        if origin["class_type"] not in self.info:
            return
        outputs = self.info[origin["class_type"]].get("output") or []
        if not 0 <= value[1] < len(outputs):
            message = (
                f"Input {name!r} of {self.name(key)} is linked to output {value[1]} of {self.name(str(value[0]))}, "
            )
            message += f"which has {len(outputs)}."
            yield Problem(ERROR, "link", message, key, name)
            return
        made = outputs[value[1]]
        if not _joins(made, kind, options):
            made = made if isinstance(made, str) else "a list of choices"
            message = f"Input {name!r} of {self.name(key)} takes {kind}, and {self.name(str(value[0]))} gives {made}."
            yield Problem(ERROR, "link", message, key, name)

    def value(self, key: str, name: str, kind: str, options: Mapping[str, Any], value: Any) -> Iterator[Problem]:
        if (key, name) == self.photos:
            return
        if kind == "COMBO":
            yield from self.choice(key, name, options, value)
        elif kind == DYNAMIC:
            yield from self.choice(key, name, {"options": dynamic_choices(options)}, value)
        elif kind in ("INT", "FLOAT"):
            try:
                number = int(value) if kind == "INT" else float(value)
            except (TypeError, ValueError, OverflowError):
                message = f"{name!r} of {self.name(key)} is {value!r}, which is not a number."
                yield Problem(ERROR, "value", message, key, name)
                return
            for bound, word, wrong in (
                ("min", "below its least value", number < options.get("min", number)),
                ("max", "above its greatest value", number > options.get("max", number)),
            ):
                if wrong:
                    message = f"{name!r} of {self.name(key)} is {value}, {word} {options[bound]}."
                    yield Problem(ERROR, "value", message, key, name)
        elif kind in ("STRING", "BOOLEAN") and isinstance(value, list | dict):
            message = f"{name!r} of {self.name(key)} is not a {'text' if kind == 'STRING' else 'switch'}: {value!r}."
            yield Problem(ERROR, "value", message, key, name)

    def choice(self, key: str, name: str, options: Mapping[str, Any], value: Any) -> Iterator[Problem]:
        choices = options.get("options") or []
        # The choices of a remote combo are fetched by the canvas from another service.
        if options.get("remote") or options.get("multi_select") or value in choices:
            return
        if self.prompt[key]["class_type"] == CUSTOM_COMBO:  # its choices are other widgets of the node
            return
        twin = _twin(value, choices)
        upload = any(flag.endswith("_upload") and options[flag] for flag in options)
        model = None if upload else self.model(key, name, value)
        if twin is not None:
            message = f"{name!r} of {self.name(key)} is {value!r}, which the host has as {twin!r}: choose that."
            yield Problem(ERROR, "value", message, key, name)
        elif model:
            yield Problem(ERROR, "model_missing", f"{self.name(key)} needs {_model(model)}", key, name)
        elif upload:
            apart = isinstance(value, str) and ("/" in value or value.endswith("]"))
            message = (
                f"{name!r} of {self.name(key)} is {value!r}, which is not in the host's input folder: upload it first."
            )
            yield Problem(WARNING if apart else ERROR, "file_missing", message, key, name)
        elif isinstance(value, str) and value.lower().endswith(_MODEL_ENDINGS):
            message = f"{name!r} of {self.name(key)} is {value!r}, which the host does not have: "
            message += "put it into the host's models or choose another"
            yield Problem(ERROR, "model_missing", f"{message}{nearest(value, map(str, choices))}.", key, name)
        else:
            message = f"{name!r} of {self.name(key)} has no choice {value!r}{nearest(str(value), map(str, choices))}."
            yield Problem(ERROR, "value", message, key, name)

    def model(self, key: str, name: str, value: Any) -> dict[str, Any] | None:
        """Return what the graph says of the model file `value`, from its requirements or from the node's properties."""
        for model in self.models:
            if model["file"] == value and (str(model.get("node", key)), model.get("input", name)) == (key, name):
                return model
        owner = self.owners.get(key)
        listed = owner.node.properties.get("models") if owner else None
        for model in listed if isinstance(listed, list) else ():
            if isinstance(model, dict) and model.get("name") == value:
                return {"file": value, "folder": model.get("directory", ""), "source": model.get("url", "")}
        return None


_MODEL_ENDINGS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx")


def _twin(value: Any, choices: Sequence[Any]) -> Any:
    """Return the choice that is the same file in another folder, or with the other system's slashes."""
    if not isinstance(value, str) or not value.lower().endswith(_MODEL_ENDINGS):
        return None
    name = value.replace("\\", "/").rpartition("/")[2]
    same = [choice for choice in choices if str(choice).replace("\\", "/").rpartition("/")[2] == name]
    return same[0] if len(same) == 1 else None


def _joins(made: Any, kind: str, options: Mapping[str, Any]) -> bool:
    """Say whether the host lets an output feed an input (comfy_execution/validation.py)."""
    if isinstance(made, list):
        return kind == "*" or (kind == "COMBO" and made == options.get("options"))
    if made == "*" or kind == "*" or made.startswith("COMFY_") or kind.startswith("COMFY_"):
        return True
    return not {part.strip() for part in made.split(",")}.isdisjoint(part.strip() for part in kind.split(","))


def _model(model: Mapping[str, Any]) -> str:
    """Return the end of a sentence on a model that is missing: what, where to, where from."""
    role = f"the {model['role']} " if model.get("role") else ""
    size = f" ({model['size'] / 1e9:.1f} GB)" if model.get("size") else ""
    source = f"get it from {model['source']}" if model.get("source") else "the graph does not say where to get it"
    licence = f" (licence: {model['license']})" if model.get("license") else ""
    folder = f" in models/{model['folder']}" if model.get("folder") else ""
    return f"{role}{model['file']!r}{size}{folder}, which the host does not have: {source}{licence}."


def _missing_files(
    prompt: Mapping[str, Any],
    studio: Mapping[str, Any],
    models: Mapping[str, Sequence[str]],
    told: Sequence[Problem],
) -> Iterator[Problem]:
    """Yield required models that no input of the prompt names and that the host lacks; optional ones are left out."""
    for model in studio.get("requires", {}).get("models", []):
        if model.get("optional"):
            continue
        node, key = str(model.get("node", "")), model.get("input", "")
        if node in prompt and key in (prompt[node].get("inputs") or {}):
            continue
        if model["folder"] not in models or model["file"] in models[model["folder"]]:
            continue
        if not any(finding.kind == "model_missing" and repr(model["file"]) in finding.message for finding in told):
            yield Problem(ERROR, "model_missing", f"The graph needs {_model(model)}", node, key)


def _surplus_values(canvas: Canvas, ours: bool) -> Iterator[Problem]:
    """Yield nodes with more saved values than widgets: a script of a pack may add some, nothing else may."""
    for node in canvas.every_node():
        if not node.node_class or node.node.mode in (MUTED, BYPASS) or not isinstance(node.node.values, list):
            continue
        places = sum(widget.spec.saved for widget in node.widgets)
        if len(node.node_class.realign(node.node.values)) <= places:
            continue
        name = node.describe()
        name = name[0].upper() + name[1:]
        many = f"{name} has {len(node.node.values)} saved values for {places} widgets: "
        if node.node_class.foreign:
            message = f"{many}its pack's own script may place them differently, so look at what is sent."
            yield Problem(WARNING, "widgets", message, node.id)
        elif ours:
            yield Problem(ERROR, "widgets", f"{many}look at that node on the canvas and save the graph again.", node.id)
