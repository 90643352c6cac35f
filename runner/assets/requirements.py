"""What graphs require, read from their declarations: node packs and model files, each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..graph import UIGraph, declared, levels
from .folders import relative


@dataclass(frozen=True)
class RequiredModel:
    """A model file that graphs name; `folder` is the host's name for its place, `size` is in bytes (0: unknown)."""

    folder: str
    file: str
    role: str = ""
    source: str = ""
    url: str = ""
    sha256: str = ""
    size: int = 0
    license: str = ""
    non_commercial: bool = False
    optional: bool = False


@dataclass(frozen=True)
class RequiredPack:
    """A node pack that graphs stand on; `nodes` are the classes of it that they use."""

    name: str
    version: str = ""
    commit: str = ""
    repository: str = ""
    nodes: tuple[str, ...] = ()
    optional: bool = False


def required_models(graphs: Iterable[UIGraph]) -> list[RequiredModel]:
    """Return the models of all graphs; one that any graph cannot do without is not optional.

    Graphs that want different files of one name give one model each.

    Graphs that declare none are asked for the models that their nodes list (`properties.models`, a habit of ComfyUI's
    templates). Raises GraphError for a declaration that breaks the schema, PromptError for a name that leads out of the
    folder of models.
    """
    found: dict[tuple[str, str, str], RequiredModel] = {}
    for graph in graphs:
        listed = (declared(graph).get("requires") or {}).get("models") or _listed_by_nodes(graph)
        for entry in listed:
            model = _of(RequiredModel, entry)
            _ = relative(model.folder), relative(model.file)
            key = (model.folder, model.file, model.sha256)
            if key in found:
                model = replace(found[key], optional=found[key].optional and model.optional)
            found[key] = model
    return list(found.values())


def required_packs(graphs: Iterable[UIGraph]) -> list[RequiredPack]:
    """Return the packs of all graphs, with all their nodes; one that any graph cannot do without is not optional."""
    found: dict[str, RequiredPack] = {}
    for graph in graphs:
        for entry in (declared(graph).get("requires") or {}).get("packs", ()):
            pack = _of(RequiredPack, {**entry, "nodes": tuple(entry.get("nodes", ()))})
            known = found.get(pack.name.lower())
            if known:
                nodes = tuple(dict.fromkeys(known.nodes + pack.nodes))
                pack = replace(known, nodes=nodes, optional=known.optional and pack.optional)
            found[pack.name.lower()] = pack
    return list(found.values())


def _of(kind: Any, entry: Mapping[str, Any]) -> Any:
    return kind(**{key: value for key, value in entry.items() if key in kind.__dataclass_fields__})


def _listed_by_nodes(graph: UIGraph) -> list[dict[str, Any]]:
    found = []
    for level in levels(graph.data):
        for node in level["nodes"]:
            properties = node.get("properties")
            for entry in (properties.get("models") if isinstance(properties, dict) else None) or ():
                if isinstance(entry, dict) and entry.get("name") and entry.get("directory"):
                    hashed = str(entry.get("hash") or "") if entry.get("hash_type") == "SHA256" else ""
                    url = str(entry.get("url") or "")
                    found.append(
                        {
                            "folder": str(entry["directory"]),
                            "file": str(entry["name"]),
                            "source": url,
                            "url": url,
                            "sha256": hashed.lower(),
                        }
                    )
    return found
