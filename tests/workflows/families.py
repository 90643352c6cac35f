"""What the choice in the Checkpoint block sets, by family, as families.toml describes it; blocks.py writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from portrait_studio.portrait.disk import read_toml

TABLE = read_toml(Path(__file__).with_name("families.toml"))


def with_families(graph: dict[str, Any]) -> dict[str, Any]:
    """Return the graph with `extra.portrait_studio.families`: parameter -> value for each family.

    Raises KeyError for a value that is no parameter of the graph.
    """
    studio = graph["extra"]["portrait_studio"]
    known = studio["parameters"]
    if "family" not in known:
        return graph
    own = {name: dict(values) for name, values in TABLE["graphs"][studio["name"]].items()}
    for family, files in TABLE["files"].items():
        own[family] = {name: file for name, file in files.items() if name in known} | own.get(family, {})
    names = [name for name in known if any(name in values for values in own.values())]
    came_with = known["family"]["default"]
    own[came_with] = {name: known[name]["default"] for name in names}
    for values in own.values():
        for name in values:
            known[name]  # a name that the graph does not have is a slip in the table
    studio["families"] = {
        family: {name: own[family].get(name, own[came_with][name]) for name in names} for family in TABLE["files"]
    }
    return graph
