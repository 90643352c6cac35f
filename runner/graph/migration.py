"""Moves an older graph of ours to the newest version: the table is data (migrations.toml), a user's values are kept."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from packaging.version import Version

from ...portrait.disk import read_toml
from .document import GraphError, UIGraph
from .operations import STRUCTURAL, evolved, perform
from .parameters import declared
from .parsing import parse
from .shelf import graphs, newest
from .widgets import SHIPPED, Orders, levels, nodes_by_path, places, shipped_orders, shown_value


@dataclass(frozen=True)
class Migration:
    """A graph after its migration: `data` as JSON, the versions it came from and went to, and what was done in words.

    Nothing was to be done when both versions are equal.
    """

    name: str
    old: str
    new: str
    data: dict[str, Any]
    notes: tuple[str, ...] = ()


@cache
def table() -> dict[str, Any]:
    """Return the migration table."""
    return read_toml(Path(__file__).with_name("migrations.toml"))


def identity(graph: UIGraph, folder: Path = SHIPPED) -> tuple[str, str, Path]:
    """Return name, version and the newest shipped file of a graph of ours.

    Raises GraphError for a graph that is not ours, that is not shipped (any more), or that is newer than this version.
    """
    extra = graph.data.get("extra")
    studio = extra.get("portrait_studio") if isinstance(extra, dict) else None
    name, version = (studio.get("name"), studio.get("version")) if isinstance(studio, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(version, str):
        raise GraphError(
            f"{graph.source} is not a graph of Portrait Studio, since it has no extra.portrait_studio: "
            "only graphs from workflows/ can be migrated"
        )
    file = newest(name, folder)
    if file is None:
        raise GraphError(f"{graph.source}: no graph called {name!r} comes with this version of Portrait Studio")
    latest = str(json.loads(file.read_text("utf-8"))["extra"]["portrait_studio"]["version"])
    try:
        newer = Version(version) > Version(latest)
    except ValueError as error:
        raise GraphError(f"{graph.source} has the impossible version {version!r}") from error
    if newer:
        raise GraphError(
            f"{graph.source} is {name} {version}, from a newer Portrait Studio than this one, which knows {latest}: "
            "update the pack"
        )
    return name, _prerelease(name, version, studio or {}), file


def newer(graph: UIGraph, folder: Path = SHIPPED) -> str:
    """Return the sentence on a graph of ours that is from a newer major version, empty for every other graph."""
    studio = (graph.data.get("extra") or {}).get("portrait_studio")
    name, version = (studio.get("name"), studio.get("version")) if isinstance(studio, dict) else (None, None)
    majors = [major for known, major in graphs(folder) if known == name]
    if not majors or not isinstance(version, str):
        return ""
    with contextlib.suppress(ValueError):
        if Version(version).major > max(majors):
            try:
                identity(graph, folder)
            except GraphError as error:
                return str(error)
    return ""


def refuse_surplus(graph: UIGraph, orders: Orders | None = None) -> None:
    """Raise GraphError, naming the node, when a node of ComfyUI or of this pack has more saved values than widgets.

    `orders` are the widgets of the classes, those of the shipped graphs when left out.
    """
    studio = (graph.data.get("extra") or {}).get("portrait_studio") or {}
    foreign = {kind for pack in studio.get("requires", {}).get("packs", ()) for kind in pack.get("nodes", ())}
    for level in levels(graph.data):
        for node in level["nodes"]:
            if node["type"] in foreign:  # another version of a pack may have more widgets, and its scripts add some
                continue
            try:
                places(node, shipped_orders() if orders is None else orders)
            except GraphError as error:
                raise GraphError(f"{graph.source}: {error}.") from error


def migrate(graph: UIGraph, folder: Path = SHIPPED, steps: Sequence[Mapping[str, Any]] | None = None) -> Migration:
    """Return a graph of ours as its newest version, the user's values and own nodes kept.

    `folder` holds the shipped graphs, `steps` are those of the migration table. Raises GraphError as `identity` does,
    for a node with too many values, and for one that does not tell which of its values is which.
    """
    name, old, file = identity(graph, folder)
    target = parse(file.read_bytes(), file.name)
    latest = str(declared(target)["version"])
    way = _way(name, old, table()["step"] if steps is None else steps)
    orders = _orders_before(way, folder)
    refuse_surplus(graph, orders)
    if Version(old) == Version(latest):
        return Migration(name, old, latest, graph.data)
    data = copy.deepcopy(graph.data)
    notes = []
    for step in way:
        changed = 0
        for one in step.get("operation", ()):
            changed += sum(perform(one, level, orders) for level in levels(data))
            orders = evolved(one, orders)
        idle = not changed and "operation" in step
        notes.append(f"{step['to']}: {step['why']}" + (" (nothing in this graph needed it)" if idle else ""))
    data["extra"]["portrait_studio"] = _declaration(data, target)
    _renew_offers(data, target.data)
    result = parse(data, graph.source)
    declared(result)
    return Migration(name, old, latest, data, tuple(notes))


def _way(name: str, version: str, steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the steps from a version on, in order."""
    found = []
    for step in sorted(steps, key=lambda step: Version(step["to"])):
        if step["graph"] == name and Version(step["from"]) <= Version(version) < Version(step["to"]):
            found.append(step)
            version = step["to"]
    return found


def _orders_before(way: Sequence[Mapping[str, Any]], folder: Path) -> dict[str, Sequence[str]]:
    """Return the widgets of every class before a migration; of classes that it changes, only the table knows them."""
    orders: dict[str, Sequence[str]] = dict(shipped_orders(folder))
    for step in reversed(way):
        for one in step.get("operation", ()):
            if one["do"] in STRUCTURAL:
                orders[one["type"]] = ()
        orders |= step.get("widgets", {})
    return orders


def _prerelease(name: str, version: str, studio: dict[str, Any]) -> str:
    for entry in table().get("prerelease", ()):
        known = studio.get("parameters") or {}
        if (name, version) == (entry["graph"], entry["version"]) and entry["without_parameter"] not in known:
            return entry["is"]
    return version


def _declaration(data: dict[str, Any], target: UIGraph) -> dict[str, Any]:
    """Return the newest declaration as far as the user's graph has its nodes, defaults as the user's values are.

    A graph that was saved before its nodes went into blocks keeps them where they are. A parameter of the user's own
    stays while the nodes that it sets are there.
    """
    fresh = copy.deepcopy(declared(target))
    nodes = nodes_by_path(data)
    here = _whereabouts(fresh["name"], nodes_by_path(target.data), nodes)
    shipped = fresh.get("parameters") or {}
    own = data["extra"]["portrait_studio"].get("parameters") or {}
    fresh["parameters"] = {
        **{name: one for name, one in shipped.items() if _move(one["targets"], here)},
        **{name: one for name, one in own.items() if name not in shipped and _reaches(one, nodes)},
    }
    if "families" in fresh:
        fresh["families"] = {
            family: {name: value for name, value in values.items() if name in fresh["parameters"]}
            for family, values in fresh["families"].items()
        }
    for one in fresh["parameters"].values():
        place = one["targets"][0]
        with contextlib.suppress(KeyError):  # a linked text, or a widget of a pack's own: what it is cannot be known
            one["default"] = shown_value(data, str(place["node"]), place["input"], shipped_orders())
    if "photos" in fresh and not _move([fresh["photos"]], here):
        del fresh["photos"]
    for stage in fresh.get("stages", ()):
        found = (here.get(str(node)) for node in stage.get("nodes", ()))
        stage["nodes"] = list(dict.fromkeys(node for node in found if node is not None))
        for key in ("image", "likeness"):
            if key in stage and (node := here.get(str(stage.pop(key)))) is not None:
                stage[key] = node
    for model in (fresh.get("requires") or {}).get("models", ()):
        if "node" in model and (node := here.get(str(model.pop("node")))) is not None:
            model["node"] = node
    return fresh


@cache
def plain_ids() -> dict[str, dict[str, int]]:
    """Return the ids that nodes had before they went into blocks, by graph and path, where the path does not end so."""
    return json.loads(Path(__file__).with_name("plain.json").read_text("utf-8"))


def _whereabouts(
    name: str, shipped: Mapping[str, Mapping[str, Any]], nodes: Mapping[str, Mapping[str, Any]]
) -> dict[str, int | str]:
    """Return where the user's graph has each node of the shipped one, by its path there."""
    found: dict[str, int | str] = {}
    for path, node in shipped.items():
        plain = str(plain_ids().get(name, {}).get(path, path.rpartition(":")[2]))
        for place in (path, plain):
            if place in nodes and nodes[place]["type"] == node["type"]:
                found[path] = int(place) if place.isdecimal() else place
                break
    return found


def _move(targets: list[dict[str, Any]], here: Mapping[str, int | str]) -> bool:
    """Point targets at the nodes of the user's graph; whether all are there. Two that became one are one target."""
    if not all(str(target["node"]) in here for target in targets):
        return False
    moved = []
    for target in targets:
        target["node"] = here[str(target["node"])]
        if target not in moved:
            moved.append(target)
    targets[:] = moved
    return True


def _renew_offers(data: dict[str, Any], target: dict[str, Any]) -> None:
    """Let the loaders that offer files to download offer what the same loaders of the newest graph do."""
    shipped, nodes = nodes_by_path(target), nodes_by_path(data)
    here = _whereabouts(data["extra"]["portrait_studio"]["name"], shipped, nodes)
    for path, node in shipped.items():
        offers = _properties(node).get("models")
        mine = nodes.get(str(here.get(path)))
        if offers and mine and "models" in _properties(mine):
            mine["properties"]["models"] = copy.deepcopy(offers)


def _properties(node: dict[str, Any]) -> dict[str, Any]:
    properties = node.get("properties")
    return properties if isinstance(properties, dict) else {}


def _reaches(parameter: dict[str, Any], nodes: Mapping[str, Any]) -> bool:
    return all(str(place["node"]) in nodes for place in parameter["targets"])
