"""The App form of every graph (`extra.linearData`) as app_forms.toml describes it; blocks.py writes it.

Frontends from 1.41.13 on show it as a form for those who want no graph; older ones ignore it and keep it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from portrait_studio.portrait.disk import read_toml

FORMS = read_toml(Path(__file__).with_name("app_forms.toml"))
PHOTOS = "portrait_studio_photos"  # the widget that web/js/photos.js gives Load Photos


def place(name: str, graph: dict[str, Any]) -> tuple[int, str]:
    """Return the node on top and the widget of it that a form's entry is. Raises ValueError when none shows it."""
    studio = graph["extra"]["portrait_studio"]
    if name == "photos":
        return studio["photos"]["node"], PHOTOS
    target = studio["parameters"][name]["targets"][0]
    if ":" not in str(target["node"]):
        return target["node"], target["input"]
    outer, inner = map(int, target["node"].split(":"))
    block = next(node for node in graph["nodes"] if node["id"] == outer)
    definition = next(one for one in graph["definitions"]["subgraphs"] if one["id"] == block["type"])
    slots = next(node for node in definition["nodes"] if node["id"] == inner)["inputs"]
    link = next(slot["link"] for slot in slots if slot["name"] == target["input"])
    for port in definition["inputs"]:
        if link in port["linkIds"]:
            return outer, port["name"]
    raise ValueError(f"{studio['name']}: no block shows {name}")


def with_form(graph: dict[str, Any]) -> dict[str, Any]:
    """Return the graph with its App form, and with labels on the widgets whose own name says nothing."""
    studio = graph["extra"]["portrait_studio"]
    form = FORMS["graphs"][studio["name"]]
    nodes = {node["id"]: node for node in graph["nodes"]}
    inputs = []
    for name in form["asks"]:
        node, widget = place(name, graph)
        height = FORMS["heights"].get(name)
        inputs.append([node, widget, {"height": height}] if height else [node, widget])
        for slot in nodes[node]["inputs"]:
            if slot["name"] == widget == "value" and name in FORMS["labels"]:
                slot["label"] = FORMS["labels"][name]
    images = {stage["name"]: stage["image"] for stage in studio["stages"]}
    graph["extra"]["linearData"] = {"inputs": inputs, "outputs": [images[name] for name in form["shows"]]}
    return graph
