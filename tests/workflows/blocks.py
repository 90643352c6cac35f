"""Builds every shipped graph of blocks out of its plain graph and its plan (tests/workflows/plain).

    python -m tests.workflows.blocks [NAME ...]

names.toml says what their files are called, and which come once more as forms.

To change a graph, change its plan or the plain graph, and run this. A plain graph is packed: gunzip it, open it on the
canvas, save it, gzip it.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

from portrait_studio.portrait.disk import read_toml
from portrait_studio.runner.graph import in_lines, shipped_orders

from ..packing import pack, unpacked
from .app_forms import with_form
from .blueprints import blueprints
from .building import Builder
from .families import with_families
from .labels import labelled, without_labels
from .numbering import moves, numbered
from .offers import OFFERS, complete
from .shelf import ROOT, WORKFLOWS

PLAIN = Path(__file__).with_name("plain")
ALL_PLAIN = sorted(unpacked(PLAIN).glob("*.json"))
FORMER = ROOT / "runner" / "graph" / "plain.json"
LIBRARY = ROOT / "subgraphs"
NAMES = read_toml(Path(__file__).with_name("names.toml"))
PREVIEW = "$$canvas-image-preview"  # newer frontends' own word for the picture under a node


def plan_of(name: str) -> dict[str, Any]:
    """Return the plan of a graph, with what the tool has to know of the kit's nodes."""
    plan = read_toml(PLAIN / f"{name}.toml")
    if "same_as" in plan:
        plan = {**read_toml(PLAIN / f"{plan['same_as']}.toml"), **plan}
    held = list(read_toml(PLAIN / "kit.toml")["types"].items())
    kit = ("kit", "PORTRAIT_KIT")
    plan["kinds"] = {
        "PortraitKit": {"inputs": [kit, *held], "outputs": [kit], "title": "Kit"},
        "PortraitOpenKit": {"inputs": [kit], "outputs": [kit, *held], "title": "Open Kit"},
    }
    return plan


def builder(path: Path) -> Builder:
    """Return what builds the graph of blocks for a plain graph."""
    plain = labelled(json.loads(path.read_text("utf-8")))
    return Builder(plain, plan_of(plain["extra"]["portrait_studio"]["name"]), shipped_orders(path.parent))


def made(path: Path) -> dict[str, Any]:
    """Return the graph of blocks for a plain graph: with its families, its App form, and what its loaders offer."""
    built = with_families(builder(path).build())
    return _exposed(numbered(with_form(complete(built, json.loads(OFFERS.read_text("utf-8"))))))


def app(graph: dict[str, Any]) -> dict[str, Any]:
    """Return a graph of blocks as the frontend keeps it when it opens as a form."""
    extra = {**graph["extra"], "linearMode": True}
    return {**graph, "id": str(uuid.uuid5(uuid.UUID(graph["id"]), "app")), "extra": extra}


def files(graph: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the files of a graph of blocks by their names, without the ending of their pictures."""
    name = graph["extra"]["portrait_studio"]["name"]
    file = NAMES["files"][name]
    return {file: graph} | ({f"{file}.app": app(graph)} if name in NAMES["app"] else {})


def _exposed(graph: dict[str, Any]) -> dict[str, Any]:
    """Let Nodes 2.0 show a block's picture where it would not by itself: that of a node that saves none."""
    inside = {node["id"]: node for one in graph["definitions"]["subgraphs"] for node in one["nodes"]}
    for node in graph["nodes"]:
        shown = node["properties"].get("portrait_studio_shows")
        if shown and inside[int(shown)]["type"] not in ("SaveImage", "PreviewImage"):
            one = {"name": PREVIEW, "sourceNodeId": shown, "sourcePreviewName": PREVIEW}
            node["properties"]["previewExposures"] = [one]
    return graph


def former() -> dict[str, dict[str, int]]:
    """Return what runner/graph/plain.json holds, for graphs that were saved before their nodes went into blocks."""
    found = {}
    for one in map(builder, ALL_PLAIN):
        moved = moves(one.build())
        now = {moved.get(path, path): plain for path, plain in one.paths().items()}
        found[one.name] = {path: plain for path, plain in now.items() if not path.endswith(f":{plain}")}
    return {name: ids for name, ids in found.items() if ids}


def library() -> dict[str, dict[str, Any]]:
    """Return what subgraphs/ holds, by file name."""
    plan = read_toml(Path(__file__).with_name("blueprints.toml"))
    return blueprints(made(next(path for path in ALL_PLAIN if path.stem.startswith(f"{plan['graph']}.v"))), plan)


def _bare(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a plain graph without what this tool adds by itself: the App form, labels, and what loaders offer."""
    plain["extra"].pop("linearData", None)
    for node in plain["nodes"]:
        node.get("properties", {}).pop("models", None)
    return without_labels(plain)


def main(names: list[str]) -> int:
    """Write the graphs of these names, or all."""
    for path in ALL_PLAIN:
        if not names or path.stem.rpartition(".v")[0] in names:
            path.write_text(in_lines(_bare(json.loads(path.read_text("utf-8")))), "utf-8")
            pack(PLAIN / f"{path.name}.gz", path.read_bytes())
            for name, graph in files(made(path)).items():
                (WORKFLOWS / f"{name}.json").write_text(in_lines(graph), "utf-8")
    FORMER.write_text(in_lines(former()), "utf-8")
    for name, graph in library().items():
        # ComfyUI reads these in the system's own encoding, so they are plain ASCII.
        (LIBRARY / name).write_text(in_lines(graph, ascii_only=True), "ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
