"""Builds every shipped graph of blocks out of its plain graph and its plan (tests/workflows/plain).

    python -m tests.workflows.blocks [NAME ...]

To change a graph, change its plan or the plain graph, and run this. A plain graph is packed: gunzip it, open it on the
canvas, save it, gzip it.
"""

from __future__ import annotations

import json
import sys
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
    return numbered(with_form(complete(built, json.loads(OFFERS.read_text("utf-8")))))


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
            (WORKFLOWS / path.name).write_text(in_lines(made(path)), "utf-8")
    FORMER.write_text(in_lines(former()), "utf-8")
    for name, graph in library().items():
        # ComfyUI reads these in the system's own encoding, so they are plain ASCII.
        (LIBRARY / name).write_text(in_lines(graph, ascii_only=True), "ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
